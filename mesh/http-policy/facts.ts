/** One request, or one connection that is not HTTP, as policies of waypoints see it. */
import type { Subject } from '../policy/subject.ts';
import type { Headers, RequestFacts } from '../route/request-facts.ts';
import type { PolicyField, PolicyTest } from './model.ts';

export type HttpFacts = {
  /**
   * The original client, not the ztunnel or waypoint in between, and the address and port of the service that it called. One for
   * all requests of a connection.
   */
  readonly peer: Subject;
  /** Of the TLS inside the tunnel; '' without. */
  readonly sni: string;
  /** Absent where the connection is not HTTP. */
  readonly request?: PolicyRequest;
};

/** `path` is normalised ({@link normalisePath}) and without its query. */
export type PolicyRequest = Pick<RequestFacts, 'method' | 'path' | 'authority' | 'headers'> & {
  /** Absent without a valid token. */
  readonly token?: TokenFacts;
};

/** What a token says whose signature, issuer, audience and time were found good. */
export type TokenFacts = {
  /** `issuer/subject`; '' where the token says not both. */
  readonly principal: string;
  readonly audiences: readonly string[];
  /** The claim `azp`; '' without. */
  readonly presenter: string;
  readonly claims: Readonly<Record<string, unknown>>;
};

/** What a request has where a test looks. */
export type Values = string | readonly string[] | undefined;

type Read = (facts: HttpFacts, test: Pick<PolicyTest, 'header' | 'claim'>) => Values;

const some = (text: string | undefined): Values => (text === '' ? undefined : text);

/** Of fields that are text. Addresses are compared as numbers elsewhere. */
const READ: Readonly<Record<PolicyField, Read>> = {
  PRINCIPAL: ({ peer }) => some(peer.principal),
  NAMESPACE: ({ peer }) => some(peer.namespace),
  SERVICE_ACCOUNT: ({ peer }) => some(peer.serviceAccount),
  TRUST_DOMAIN: ({ peer }) => some(peer.principal.slice(0, peer.principal.indexOf('/'))),
  SOURCE_IP: ({ peer }) => peer.ip,
  DESTINATION_IP: ({ peer }) => peer.facts.to.ip,
  DESTINATION_PORT: ({ peer }) => String(peer.port),
  SNI: ({ sni }) => some(sni.toLowerCase()),
  HOST: ({ request }) => request && hostsOf(request.authority),
  METHOD: ({ request }) => request?.method,
  PATH: ({ request }) => request && foldEscapes(request.path),
  HEADER: ({ request }, { header }) => request && linesOf(request.headers, header),
  REQUEST_PRINCIPAL: ({ request }) => some(request?.token?.principal),
  AUDIENCE: ({ request }) => request?.token?.audiences,
  PRESENTER: ({ request }) => some(request?.token?.presenter),
  CLAIM: ({ request }, { claim }) => request?.token && claimAt(request.token.claims, claim),
};

/** What is sent once, as it is. Of several lines what they are together, and each: applications take the first, the last, or all. */
function linesOf(headers: Headers, name: string): Values {
  const whole = headers.get(name);
  if (whole === undefined || !whole.includes(',') || headers.all === undefined) return whole;
  const lines = headers.all(name);
  return lines.length > 1 ? [whole, ...lines] : whole;
}

export function valuesOf(facts: HttpFacts, test: Pick<PolicyTest, 'field' | 'header' | 'claim'>): Values {
  return READ[test.field](facts, test);
}

/**
 * What is known of a connection: all that HTTP tells; no HTTP, but the name that TLS asks for; or nobody looked inside.
 */
export type ChainKind = 'http' | 'tls' | 'tcp';

/** Whether there is nothing to test there, because nobody looks that far. */
export function isHidden(field: PolicyField, chain: ChainKind): boolean {
  return chain !== 'http' && (OF_HTTP.has(field) || (field === 'SNI' && chain === 'tcp'));
}

const OF_HTTP: ReadonlySet<PolicyField> = new Set<PolicyField>([
  'HOST',
  'METHOD',
  'PATH',
  'HEADER',
  'REQUEST_PRINCIPAL',
  'AUDIENCE',
  'PRESENTER',
  'CLAIM',
]);

const PORT = /:\d*$/;

/** A host in the one spelling that is compared: lower case, no dot at the end, whether or not a port follows. */
export function foldHost(written: string): string {
  const lower = written.toLowerCase();
  if (!lower.includes('.')) return lower;
  return lower.replace(/\.(?=:\d*$|$)/, '');
}

/** With its port and without it: a policy may name either. */
function hostsOf(authority: string): Values {
  const host = foldHost(authority);
  const bare = host.replace(PORT, '');
  return bare === host ? host : [host, bare];
}

const ESCAPE = /%[0-9a-f]{2}/gi;

/** Escapes mean the same in either case (RFC 3986 section 6.2.2.1): upper case is compared. */
export function foldEscapes(path: string): string {
  return path.includes('%') ? path.replace(ESCAPE, (written) => written.toUpperCase()) : path;
}

/** A text, number or truth value, or a list of them; undefined for all else. */
function claimAt(claims: Readonly<Record<string, unknown>>, names: readonly string[]): Values {
  let value: unknown = claims;
  for (const name of names) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, name)) {
      return undefined;
    }
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  if (!Array.isArray(value)) return scalar(value);
  return value.map(scalar).filter((item) => item !== undefined);
}

/** What of a claim can be compared with text. */
export function scalar(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}
