/** Bearer tokens: JWTs signed with the lab's key. They name a service account (perhaps bound to a pod) or a lab component. */
import { createPrivateKey, createPublicKey, randomUUID } from 'node:crypto';
import { errors, jwtVerify, SignJWT } from 'jose';
import { textAt } from '../object.ts';
import { isObject, type Json } from '../pure/index.ts';
import { type Store, storageKey } from '../store/store.ts';
import { AUTHENTICATED, accountGroups, accountUser, type Caller } from './caller.ts';

/** Issuer of the tokens, and the audience of the API itself. */
export const API_AUDIENCE = 'https://kubernetes.default.svc.cluster.local';
const ALGORITHM = 'ES256';
/** Bound on verified tokens remembered, so that a flood of tokens can't grow memory. */
const MAX_CACHED = 2048;

type Bound = { readonly name: string; readonly uid: string };
export type AccountToken = {
  readonly namespace: string;
  readonly account: Bound;
  readonly pod?: Bound;
  readonly node?: Bound;
  readonly secret?: Bound;
  readonly audiences: readonly string[];
  readonly ttlSeconds: number;
};
type Claims = {
  readonly sub: string;
  readonly jti: string;
  readonly audiences: readonly string[];
  readonly expiresMs: number;
  readonly account: Omit<AccountToken, 'audiences' | 'ttlSeconds'> | undefined;
  readonly groups: readonly string[];
};
export type Verified = { readonly caller: Caller; readonly audiences: readonly string[] };

const SERVICE_ACCOUNTS = storageKey('', 'serviceaccounts');

export class Tokens {
  readonly #key: ReturnType<typeof createPrivateKey>;
  readonly #publicKey: ReturnType<typeof createPublicKey>;
  readonly #store: Store;
  readonly #now: () => Date;
  readonly #verified = new Map<string, Claims>();

  constructor(keyPem: string, store: Store, now: () => Date) {
    this.#key = createPrivateKey(keyPem);
    this.#publicKey = createPublicKey(keyPem);
    this.#store = store;
    this.#now = now;
  }

  issueAccount(token: AccountToken): Promise<{ readonly token: string; readonly expires: Date }> {
    const { namespace, account, pod, node, secret } = token;
    const claims = {
      'kubernetes.io': {
        namespace,
        serviceaccount: account,
        ...(pod === undefined ? {} : { pod }),
        ...(node === undefined ? {} : { node }),
        ...(secret === undefined ? {} : { secret }),
      },
    };
    return this.#sign(claims, accountUser(namespace, account.name), token.audiences, token.ttlSeconds);
  }

  /** A token for a lab component: any user and groups. */
  async issueUser(user: string, groups: readonly string[], ttlSeconds: number): Promise<string> {
    const { token } = await this.#sign({ groups }, user, [API_AUDIENCE], ttlSeconds);
    return token;
  }

  /**
   * The caller a token stands for; undefined when it is not ours, is over, or what it is bound to is gone. The token's
   * audiences are the caller's to check.
   */
  async verify(token: string): Promise<Verified | undefined> {
    const claims = await this.#claims(token);
    if (claims === undefined || claims.expiresMs <= this.#now().getTime()) return undefined;
    const caller = claims.account === undefined ? userOf(claims) : this.#accountOf(claims, claims.account);
    return caller && { caller, audiences: claims.audiences };
  }

  async #sign(claims: Record<string, unknown>, subject: string, audiences: readonly string[], ttlSeconds: number) {
    const issued = Math.floor(this.#now().getTime() / 1000);
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg: ALGORITHM })
      .setIssuer(API_AUDIENCE)
      .setSubject(subject)
      .setAudience([...audiences])
      .setJti(randomUUID())
      .setIssuedAt(issued)
      .setNotBefore(issued)
      .setExpirationTime(issued + ttlSeconds)
      .sign(this.#key);
    return { token, expires: new Date((issued + ttlSeconds) * 1000) };
  }

  async #claims(token: string): Promise<Claims | undefined> {
    const known = this.#verified.get(token);
    if (known !== undefined) return known;
    let payload: Record<string, unknown>;
    try {
      const options = { issuer: API_AUDIENCE, algorithms: [ALGORITHM], currentDate: this.#now() };
      payload = (await jwtVerify(token, this.#publicKey, options)).payload;
    } catch (error) {
      if (error instanceof errors.JOSEError) return undefined; // not ours, altered or expired: nobody
      throw error;
    }
    const claims = readClaims(payload as Json);
    if (claims === undefined) return undefined;
    const oldest = this.#verified.size >= MAX_CACHED ? this.#verified.keys().next().value : undefined;
    if (oldest !== undefined) this.#verified.delete(oldest);
    this.#verified.set(token, claims);
    return claims;
  }

  #accountOf(claims: Claims, bound: NonNullable<Claims['account']>): Caller | undefined {
    const account = this.#store.get(SERVICE_ACCOUNTS, bound.namespace, bound.account.name);
    if (account?.metadata.uid !== bound.account.uid) return undefined;
    const extra: Record<string, readonly string[]> = {
      'authentication.kubernetes.io/credential-id': [`JTI=${claims.jti}`],
    };
    if (bound.secret !== undefined && !this.#exists('secrets', bound.namespace, bound.secret)) return undefined;
    if (bound.pod !== undefined) {
      if (!this.#exists('pods', bound.namespace, bound.pod)) return undefined;
      extra['authentication.kubernetes.io/pod-name'] = [bound.pod.name];
      extra['authentication.kubernetes.io/pod-uid'] = [bound.pod.uid];
    }
    if (bound.node !== undefined) {
      // A pod's token names its node for information; only a token bound to the node itself dies with it.
      if (bound.pod === undefined && !this.#exists('nodes', '', bound.node)) return undefined;
      extra['authentication.kubernetes.io/node-name'] = [bound.node.name];
      extra['authentication.kubernetes.io/node-uid'] = [bound.node.uid];
    }
    return { username: claims.sub, uid: bound.account.uid, groups: accountGroups(bound.namespace), extra };
  }

  #exists(plural: string, namespace: string, bound: Bound): boolean {
    return this.#store.get(storageKey('', plural), namespace, bound.name)?.metadata.uid === bound.uid;
  }
}

function userOf(claims: Claims): Caller {
  return { username: claims.sub, uid: '', groups: [...claims.groups, AUTHENTICATED], extra: {} };
}

function boundAt(claim: Json | undefined): Bound | undefined {
  return isObject(claim) ? { name: textAt(claim, 'name'), uid: textAt(claim, 'uid') } : undefined;
}

function readClaims(payload: Json): Claims | undefined {
  if (!isObject(payload)) return undefined;
  const { sub, jti, aud, exp, groups } = payload;
  if (typeof sub !== 'string' || typeof exp !== 'number') return undefined;
  const kubernetes = payload['kubernetes.io'];
  const strings = (value: Json | undefined) => (Array.isArray(value) ? value.filter((v) => typeof v === 'string') : []);
  const base = {
    sub,
    jti: typeof jti === 'string' ? jti : '',
    audiences: typeof aud === 'string' ? [aud] : strings(aud),
    expiresMs: exp * 1000,
    groups: strings(groups),
  };
  if (kubernetes === undefined) return { ...base, account: undefined };
  if (!isObject(kubernetes)) return undefined;
  const account = boundAt(kubernetes['serviceaccount']);
  if (account === undefined) return undefined;
  const [pod, node, secret] = ['pod', 'node', 'secret'].map((key) => boundAt(kubernetes[key]));
  return {
    ...base,
    account: {
      namespace: textAt(kubernetes, 'namespace'),
      account,
      ...(pod === undefined ? {} : { pod }),
      ...(node === undefined ? {} : { node }),
      ...(secret === undefined ? {} : { secret }),
    },
  };
}
