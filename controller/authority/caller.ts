/** Who calls: proven by a projected token that the API server reviews. There is no other way in. */
import { type Metadata, status } from '@grpc/grpc-js';
import type { KubeClient } from '../../core/kube/index.ts';
import { RpcError } from '../../core/xds/index.ts';
import type { KubeObject } from '../../mesh/index.ts';

export type Caller = {
  readonly namespace: string;
  readonly serviceAccount: string;
  /** The pod that the token is bound to; undefined when it is bound to none. */
  readonly pod: { readonly name: string; readonly uid: string } | undefined;
  /** Whether the caller said which cluster it belongs to (and it is ours). */
  readonly namedCluster: boolean;
};

export type AuthenticatorOptions = {
  readonly client: Pick<KubeClient, 'create'>;
  readonly audiences: readonly string[];
  readonly clusterId: string;
  readonly reviews: Reviews;
  readonly onRefusal: (reason: string, peer: string) => void;
};

/** What clients get; the reason stays in our log. */
const REFUSED = 'request authenticate failure';
const ACCOUNT_GROUP = 'system:serviceaccounts';
const POD_NAME = 'authentication.kubernetes.io/pod-name';
const POD_UID = 'authentication.kubernetes.io/pod-uid';

type Review = {
  readonly authenticated?: boolean;
  readonly audiences?: readonly string[];
  readonly error?: string;
  readonly user?: {
    readonly username?: string;
    readonly groups?: readonly string[];
    readonly extra?: Readonly<Record<string, readonly string[] | undefined>>;
  };
};

/** Anybody who can reach the port can make us ask the API server: this many questions at a time, the rest is sent away. */
const MAX_REVIEWS = 128;
/** Of one address, so that one pod cannot keep every ztunnel out. (A ztunnel asks for 8 certificates at a time.) */
const MAX_REVIEWS_OF_ONE = 32;

/** How many callers are being proven now. One for all services of a server. */
export class Reviews {
  #running = 0;
  readonly #byAddress = new Map<string, number>();

  /** Throws RpcError RESOURCE_EXHAUSTED when too many run. `peer` is `address:port`. */
  async run<T>(peer: string, review: () => Promise<T>): Promise<T> {
    const address = peer.slice(0, Math.max(peer.lastIndexOf(':'), 0));
    const ofOne = this.#byAddress.get(address) ?? 0;
    if (this.#running >= MAX_REVIEWS || ofOne >= MAX_REVIEWS_OF_ONE) {
      throw new RpcError(status.RESOURCE_EXHAUSTED, 'too many callers at once');
    }
    this.#running += 1;
    this.#byAddress.set(address, ofOne + 1);
    try {
      return await review();
    } finally {
      this.#running -= 1;
      const left = (this.#byAddress.get(address) ?? 1) - 1;
      if (left === 0) this.#byAddress.delete(address);
      else this.#byAddress.set(address, left);
    }
  }
}

/** Resolves with the caller, or throws RpcError UNAUTHENTICATED (RESOURCE_EXHAUSTED when too many call). */
export async function authenticate(options: AuthenticatorOptions, metadata: Metadata, peer: string): Promise<Caller> {
  const verdict = await options.reviews.run(peer, () => identify(options, metadata));
  if (typeof verdict === 'object') return verdict;
  options.onRefusal(verdict, peer);
  throw new RpcError(status.UNAUTHENTICATED, REFUSED);
}

/** The caller, or the reason why it is nobody. */
async function identify(options: AuthenticatorOptions, metadata: Metadata): Promise<Caller | string> {
  const headers = metadata.get('authorization');
  const [header] = headers;
  if (headers.length !== 1 || typeof header !== 'string' || !header.startsWith('Bearer ')) return 'no bearer token';
  const cluster = metadata.get('clusterid')[0];
  if (cluster !== undefined && cluster !== '' && cluster !== options.clusterId) return `unknown cluster "${cluster}"`;
  const token = header.slice('Bearer '.length).trim();
  if (token === '') return 'empty bearer token';
  let review: Review;
  try {
    const answer: KubeObject = await options.client.create({
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      metadata: { name: '' },
      spec: { token, audiences: options.audiences },
    });
    review = (answer['status'] ?? {}) as Review;
  } catch (error) {
    return `token review failed: ${error instanceof Error ? error.message : String(error)}`;
  }
  return callerOf(review, options.audiences, cluster === options.clusterId);
}

function callerOf(review: Review, audiences: readonly string[], namedCluster: boolean): Caller | string {
  if (review.authenticated !== true) return `token not accepted${review.error ? `: ${review.error}` : ''}`;
  // An API server that does not know audiences returns none: then the token may be meant for anybody.
  if (!audiences.some((audience) => review.audiences?.includes(audience))) return 'token is for another audience';
  if (review.user?.groups?.includes(ACCOUNT_GROUP) !== true) return 'token is not of a service account';
  const parts = (review.user.username ?? '').split(':');
  const [system, kind, namespace = '', serviceAccount = ''] = parts;
  if (parts.length !== 4 || system !== 'system' || kind !== 'serviceaccount' || !namespace || !serviceAccount) {
    return `user name "${review.user.username ?? ''}" is not of a service account`;
  }
  const name = review.user.extra?.[POD_NAME]?.[0];
  const uid = review.user.extra?.[POD_UID]?.[0];
  const pod = name === undefined || uid === undefined ? undefined : { name, uid };
  return { namespace, serviceAccount, pod, namedCluster };
}
