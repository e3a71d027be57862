/** What somebody wants to know: may FROM reach TO? As people write it and as predictions take it. */
import { formatSocketAddress, type IpAddress, parseIp, type SocketAddress } from '../address.ts';
import { parseAuthority } from '../authority.ts';

type Named = { readonly namespace: string; readonly name: string };

export type Caller =
  | ({ readonly kind: 'pod' } & Named)
  | ({ readonly kind: 'service-account' } & Named)
  | { readonly kind: 'address'; readonly ip: IpAddress };

export type Callee =
  | ({ readonly kind: 'service'; readonly port: number } & Named)
  | ({ readonly kind: 'pod'; readonly port: number } & Named)
  | { readonly kind: 'host'; readonly host: string; readonly port: number }
  | { readonly kind: 'address'; readonly address: SocketAddress };

/** What only a waypoint can look at. */
export type HttpQuestion = {
  readonly method?: string;
  readonly path?: string;
  /** Of one that comes in several lines, each. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** Of a token that is good. Without `iss`: of the one issuer that is trusted. */
  readonly claims?: Readonly<Record<string, unknown>>;
};

export type Question = { readonly from: Caller; readonly to: Callee; readonly http?: HttpQuestion };

/** What was understood, or why it can not be. */
export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

const DEFAULT_NAMESPACE = 'default';
const CALLER_KINDS: ReadonlyMap<string, 'pod' | 'service-account'> = new Map([
  ['pod', 'pod'],
  ['pods', 'pod'],
  ['po', 'pod'],
  ['sa', 'service-account'],
  ['serviceaccount', 'service-account'],
  ['serviceaccounts', 'service-account'],
]);
const CALLEE_KINDS: ReadonlyMap<string, 'pod' | 'service'> = new Map([
  ['pod', 'pod'],
  ['pods', 'pod'],
  ['po', 'pod'],
  ['svc', 'service'],
  ['service', 'service'],
  ['services', 'service'],
]);
const CALLER_FORMS = 'pod/NAME.NAMESPACE, sa/NAME.NAMESPACE or an IP address';
const CALLEE_FORMS = 'svc/NAME.NAMESPACE:PORT, pod/NAME.NAMESPACE:PORT, HOST:PORT or IP:PORT';
/** Names of objects: DNS subdomains (RFC 1123), dots only in pods' names. */
const NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;
const MAX_PORT = 65_535;

/** `pod/NAME.NAMESPACE`, `sa/NAME.NAMESPACE` (without a namespace: `default`), or an address. */
export function parseCaller(text: string): Parsed<Caller> {
  const ip = parseIp(text);
  if (ip !== undefined) return { ok: true, value: { kind: 'address', ip } };
  const [kind, path] = kindAndRest(text, CALLER_KINDS);
  if (kind === undefined) return problem(text, `expected ${CALLER_FORMS}`);
  const named = nameAndNamespace(path);
  return named ? { ok: true, value: { kind, ...named } } : problem(text, `expected ${CALLER_FORMS}`);
}

/** `svc/NAME.NAMESPACE:PORT`, `pod/NAME.NAMESPACE:PORT`, `HOST:PORT`, `IP:PORT` (`[IPv6]:PORT`). */
export function parseCallee(text: string): Parsed<Callee> {
  const [kind, path] = kindAndRest(text, CALLEE_KINDS);
  if (kind !== undefined) {
    const colon = path.lastIndexOf(':');
    const port = readPort(colon === -1 ? '' : path.slice(colon + 1));
    if (port === undefined) return problem(text, 'a port from 1 to 65535 must follow, as in svc/cart.shop:8080');
    const named = nameAndNamespace(path.slice(0, colon));
    return named ? { ok: true, value: { kind, ...named, port } } : problem(text, `expected ${CALLEE_FORMS}`);
  }
  const authority = text.includes('/') ? undefined : parseAuthority(text);
  if (authority?.kind === 'address') return { ok: true, value: authority };
  if (authority?.kind === 'hostname') {
    return { ok: true, value: { kind: 'host', host: authority.host, port: authority.port } };
  }
  const portless = parseIp(text) !== undefined || parseAuthority(`${text}:1`) !== undefined;
  return problem(text, portless ? 'a port must follow, as in cart.shop:8080' : `expected ${CALLEE_FORMS}`);
}

/** As it would be written in a question. */
export function formatCaller(caller: Caller): string {
  if (caller.kind === 'address') return caller.ip;
  return `${caller.kind === 'pod' ? 'pod' : 'sa'}/${caller.name}.${caller.namespace}`;
}

export function formatCallee(callee: Callee): string {
  if (callee.kind === 'address') return formatSocketAddress(callee.address);
  if (callee.kind === 'host') return `${callee.host}:${callee.port}`;
  return `${callee.kind === 'pod' ? 'pod' : 'svc'}/${callee.name}.${callee.namespace}:${callee.port}`;
}

function kindAndRest<K>(text: string, kinds: ReadonlyMap<string, K>): readonly [K | undefined, string] {
  const slash = text.indexOf('/');
  return slash === -1 ? [undefined, text] : [kinds.get(text.slice(0, slash).toLowerCase()), text.slice(slash + 1)];
}

/** The namespace comes last and has no dots. */
function nameAndNamespace(path: string): Named | undefined {
  const dot = path.lastIndexOf('.');
  const name = dot === -1 ? path : path.slice(0, dot);
  const namespace = dot === -1 ? DEFAULT_NAMESPACE : path.slice(dot + 1);
  return NAME.test(name) && NAME.test(namespace) ? { name, namespace } : undefined;
}

function readPort(text: string): number | undefined {
  const port = Number(text);
  return /^\d{1,5}$/.test(text) && port > 0 && port <= MAX_PORT ? port : undefined;
}

function problem(text: string, what: string): { readonly ok: false; readonly problem: string } {
  return { ok: false, problem: `${JSON.stringify(text)}: ${what}` };
}
