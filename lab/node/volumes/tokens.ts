/** Tokens of a pod's service account: asked for, and asked for again before they run out. */
import type { KubeClient } from '../../../core/kube/index.ts';
import type { Pod, ProjectedSource } from '../pod.ts';

export type TokenSource = NonNullable<ProjectedSource['serviceAccountToken']>;
type Held = { readonly token: string; readonly refreshAtMs: number };

/** Upstream's kubelet asks again when this part of the life has gone. */
const REFRESH_AT = 0.8;
const RETRY_MS = 10_000;
const DEFAULT_TTL_SECONDS = 3600;

export class PodTokens {
  readonly #client: KubeClient;
  readonly #held = new Map<string, Held>();

  constructor(client: KubeClient) {
    this.#client = client;
  }

  /** The token to show for a source; `refresh` must have seen it before. */
  get(source: TokenSource): string {
    return this.#held.get(keyOf(source))?.token ?? '';
  }

  /**
   * Gets what is missing or due. Returns the milliseconds until the next is due.
   * @throws KubeError when a first token is refused; a refused refresh keeps the old one and is tried again.
   */
  async refresh(pod: Pod, sources: readonly TokenSource[], nowMs: number): Promise<number> {
    let next = Number.POSITIVE_INFINITY;
    for (const source of sources) {
      const held = this.#held.get(keyOf(source));
      let due = held?.refreshAtMs ?? nowMs;
      if (due <= nowMs) {
        try {
          const fresh = await this.#request(pod, source, nowMs);
          this.#held.set(keyOf(source), fresh);
          due = fresh.refreshAtMs;
        } catch (error) {
          if (held === undefined) throw error;
          due = nowMs + RETRY_MS;
        }
      }
      next = Math.min(next, due - nowMs);
    }
    return next;
  }

  async #request(pod: Pod, source: TokenSource, nowMs: number): Promise<Held> {
    const { namespace, name, uid } = pod.metadata;
    const account = encodeURIComponent(pod.spec.serviceAccountName ?? 'default');
    const answer = (await this.#client.raw({
      method: 'POST',
      path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/serviceaccounts/${account}/token`,
      body: {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: {
          audiences: source.audience === undefined ? [] : [source.audience],
          expirationSeconds: source.expirationSeconds ?? DEFAULT_TTL_SECONDS,
          boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name, uid },
        },
      },
    })) as { readonly status: { readonly token: string; readonly expirationTimestamp: string } };
    const { token, expirationTimestamp } = answer.status;
    return { token, refreshAtMs: nowMs + (Date.parse(expirationTimestamp) - nowMs) * REFRESH_AT };
  }
}

const keyOf = (source: TokenSource) => `${source.audience ?? ''}/${source.path}/${source.expirationSeconds ?? ''}`;
