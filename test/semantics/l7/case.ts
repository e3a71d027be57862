/**
 * One row of the table of policy semantics at L7: objects as somebody would write them, requests, and what becomes of each. Every
 * row is asked twice: of the engine that predicts, and of a waypoint that enforces.
 */
import type { KubeObject, MeshConfig } from '../../../mesh/index.ts';

export type Case = {
  readonly name: string;
  /** `10.0.0.N` stands for an address of the world. */
  readonly objects: readonly KubeObject[];
  readonly config?: Partial<MeshConfig>;
  /**
   * A request is `[boss] METHOD TARGET [to SERVICE[:PORT]] [| header: value]… [| token NAME]`: of pod web/client to port 80 of service
   * cart where nothing else is said; `TCP` for a connection that is no HTTP. What becomes of it is `allow BECAUSE` or `deny BECAUSE`,
   * with `(nearest POLICY#RULE FIELD)`, `, audited: POLICY#RULE` and `, tried: POLICY#RULE would deny` where there is such;
   * `refused STATUS` before any policy is asked; `answers STATUS` where a route does; `asks POLICY#RULE` where somebody else decides.
   */
  readonly requests: Readonly<Record<string, string>>;
};

export const CALLERS = { client: 'web/client', boss: 'office/boss' } as const;
export const SERVICES = {
  cart: 'svc/cart.shop',
  other: 'svc/other.shop',
  entry: 'entry.example',
} as const;

export type Request = {
  readonly text: string;
  readonly from: keyof typeof CALLERS;
  /** 'TCP': no HTTP. */
  readonly method: string;
  readonly target: string;
  readonly service: keyof typeof SERVICES;
  readonly port: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** One of `TOKENS`. */
  readonly token: string | undefined;
};

const REQUEST = /^(?:(boss) )?(?:TCP|(\S+) (\S+))(?: to (cart|other|entry)(?::(\d+))?)?$/;

export function readRequest(text: string): Request {
  const [line = '', ...more] = text.split(' | ');
  const [whole, boss, method = 'TCP', target = '', service = 'cart', port = '80'] = REQUEST.exec(line) ?? [];
  if (whole === undefined) throw new Error(`not a request: ${text}`);
  const isToken = (part: string) => part.startsWith('token ');
  return {
    text,
    from: boss === undefined ? 'client' : 'boss',
    method,
    target,
    service: service as keyof typeof SERVICES,
    port: Number(port),
    headers: more.filter((part) => !isToken(part)).map(readHeader),
    token: more.find(isToken)?.slice('token '.length),
  };
}

function readHeader(line: string): readonly [string, string] {
  const colon = line.indexOf(': ');
  if (colon < 1) throw new Error(`not a header: ${line}`);
  return [line.slice(0, colon), line.slice(colon + 2)];
}

type Json = Readonly<Record<string, unknown>>;

/** In `shop` where no namespace is named. */
export function object(apiVersion: string, kind: string, path: string, fields: Json, meta: Json = {}): KubeObject {
  const [first = '', second] = path.split('/');
  const named = second === undefined ? { namespace: 'shop', name: first } : { namespace: first, name: second };
  return { apiVersion, kind, metadata: { ...named, ...meta }, ...fields };
}

export const CART = { kind: 'Service', name: 'cart' };
export const GATEWAY = { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'waypoint' };
export const CLASS = { group: 'gateway.networking.k8s.io', kind: 'GatewayClass', name: 'istio-waypoint' };
export const ENTRY = { group: 'networking.istio.io', kind: 'ServiceEntry', name: 'entry' };

/** About the cart where no other target is named. */
export const ap = (path: string, spec: Json, meta: Json = {}) =>
  object('security.istio.io/v1', 'AuthorizationPolicy', path, { spec: { targetRefs: [CART], ...spec } }, meta);
export const dry = (path: string, spec: Json) => ap(path, spec, { annotations: { 'istio.io/dry-run': 'true' } });
export const tokens = (path: string, jwtRules: readonly Json[], spec: Json = {}) =>
  object('security.istio.io/v1', 'RequestAuthentication', path, { spec: { targetRefs: [CART], jwtRules, ...spec } });

export const source = (fields: Json) => ({ from: [{ source: fields }] });
export const operation = (fields: Json) => ({ to: [{ operation: fields }] });
export const when = (key: string, values?: readonly string[], notValues?: readonly string[]) => ({
  when: [{ key, ...(values && { values }), ...(notValues && { notValues }) }],
});

/** A policy `shop/p` for the cart. */
export const policy = (action: 'ALLOW' | 'DENY' | 'AUDIT', ...rules: readonly unknown[]) => ap('p', { action, rules });

export const OPEN = 'allow no-allow-policies';
