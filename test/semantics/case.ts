/**
 * One row of the table of policy semantics: objects as somebody would write them, calls, and what becomes of each. The table is
 * read twice: by the engine that predicts, and by a ztunnel that enforces.
 */
import type { KubeObject, MeshConfig } from '../../mesh/index.ts';

/** Pods of namespace `shop`, each with its own service account and the label `app`; `outside` is no part of the mesh. */
export const PODS = ['client', 'near', 'server', 'other'] as const;
export type PodName = (typeof PODS)[number];
export const CALLERS = ['client', 'near', 'outside'] as const;
export type Caller = (typeof CALLERS)[number];
export type Addresses = Readonly<Record<PodName | 'outside', { readonly ip4: string; readonly ip6: string }>>;

export type Call = {
  readonly from: Caller;
  readonly to: 'server' | 'other';
  readonly port: 8080 | 8081;
  readonly family: 4 | 6;
};

export type Case = {
  readonly name: string;
  readonly objects: (at: Addresses) => readonly KubeObject[];
  readonly config?: Partial<MeshConfig>;
  /**
   * A call is `FROM [to TO] [PORT] [v6]`: to `server` on 8080 over IPv4 where nothing else is said. What becomes of it is
   * `allow BECAUSE` or `deny BECAUSE`, with `(nearest POLICY#RULE FIELD)` where a denial has a nearest miss, and
   * `, tried: POLICY#RULE would deny` for what a dry run would have changed.
   */
  readonly calls: Readonly<Record<string, string>>;
};

const CALL = /^(client|near|outside)(?: to (server|other))?(?: (8080|8081))?( v6)?$/;

export function readCall(text: string): Call {
  const [, from, to = 'server', port = '8080', v6] = CALL.exec(text) ?? [];
  const caller = CALLERS.find((name) => name === from);
  if (caller === undefined) throw new Error(`not a call: ${text}`);
  return {
    from: caller,
    to: to === 'other' ? 'other' : 'server',
    port: port === '8081' ? 8081 : 8080,
    family: v6 === undefined ? 4 : 6,
  };
}

type Json = Readonly<Record<string, unknown>>;

/** In `shop` where no namespace is named. */
function object(kind: string, path: string, spec: Json, meta: Json = {}): KubeObject {
  const [first = '', second] = path.split('/');
  const named = second === undefined ? { namespace: 'shop', name: first } : { namespace: first, name: second };
  return { apiVersion: 'security.istio.io/v1', kind, metadata: { ...named, ...meta }, spec };
}

export const ap = (path: string, spec: Json, meta: Json = {}) => object('AuthorizationPolicy', path, spec, meta);
export const dry = (path: string, spec: Json) => ap(path, spec, { annotations: { 'istio.io/dry-run': 'true' } });

/** `created` orders objects of one tier: smaller is older. */
export const pa = (path: string, spec: Json, created = 1) =>
  object('PeerAuthentication', path, spec, { creationTimestamp: `2026-01-01T00:00:0${created}Z` });

export const selecting = (app: string) => ({ selector: { matchLabels: { app } } });
export const source = (fields: Json) => ({ from: [{ source: fields }] });
export const operation = (fields: Json) => ({ to: [{ operation: fields }] });
export const when = (key: string, values?: readonly string[], notValues?: readonly string[]) => ({
  when: [{ key, ...(values && { values }), ...(notValues && { notValues }) }],
});

/** A policy `shop/p` for the server. */
export const policy = (action: 'ALLOW' | 'DENY', ...rules: readonly unknown[]) =>
  ap('p', { ...selecting('server'), action, rules });

export const identityOf = (account: string) => `cluster.local/ns/shop/sa/${account}`;
