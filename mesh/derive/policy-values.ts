/**
 * One list of values in an AuthorizationPolicy, translated. What can not be read is told apart from what can, because the two
 * actions must react in opposite ways for both to deny rather than admit.
 */
import { type Cidr, parseCidr } from '../cidr.ts';
import type { MeshConfig } from '../kube-object.ts';
import type { ServiceAccountMatch, StringMatch } from '../model.ts';
import { compileStrings, matchesAny } from '../policy/strings.ts';

export type Reading<T> = { readonly values: readonly T[]; readonly problems: readonly string[] };

/** Reads each item with `read`, which gives undefined for what it can't read; `what` says what was expected. */
export function readValues<T>(
  value: unknown,
  what: string,
  read: (item: string) => readonly T[] | undefined,
): Reading<T> {
  if (!Array.isArray(value)) return { values: [], problems: ['not a list'] };
  const values: T[] = [];
  const problems: string[] = [];
  for (const item of value as readonly unknown[]) {
    const one = typeof item === 'string' && item !== '' ? read(item) : undefined;
    if (one === undefined) problems.push(`${JSON.stringify(item)} is no ${what}`);
    else values.push(...one);
  }
  return { values, problems };
}

/** What {@link stringMatch} reads, for messages. */
export const PATTERN = 'text, prefix*, *suffix or *';

/** `*`, `*suffix`, `prefix*` or the exact text; undefined for a star anywhere else, which L4 would take for a letter. */
export function stringMatch(written: string): StringMatch | undefined {
  if (written === '*') return { kind: 'presence' };
  const kind = written.startsWith('*') ? 'suffix' : written.endsWith('*') ? 'prefix' : 'exact';
  const value = kind === 'suffix' ? written.slice(1) : kind === 'prefix' ? written.slice(0, -1) : written;
  return value.includes('*') ? undefined : { kind, value };
}

const PORT = /^\d{1,5}$/;
const MAX_PORT = 65_535;

export function readPort(written: string): readonly number[] | undefined {
  const port = Number(written);
  return PORT.test(written) && port <= MAX_PORT ? [port] : undefined;
}

export function readRange(written: string): readonly Cidr[] | undefined {
  const cidr = parseCidr(written);
  return cidr && [cidr];
}

/** `namespace/name`, or a name in the policy's own namespace. */
export function readServiceAccount(
  written: string,
  policyNamespace: string,
): readonly ServiceAccountMatch[] | undefined {
  const parts = written.split('/');
  if (parts.length > 2 || parts.includes('') || written.includes('*')) return undefined;
  const [first = '', second] = parts;
  return [
    second === undefined
      ? { namespace: policyNamespace, serviceAccount: first }
      : { namespace: first, serviceAccount: second },
  ];
}

const SCHEME = 'spiffe://';
/** Every mesh may write this for its own trust domain. */
const LOCAL_TRUST_DOMAIN = 'cluster.local';

/**
 * A principal, and when it is of our trust domain, the same under each name that the domain has; the scheme is not part of what
 * is compared. A pattern that takes in one of our names takes in all of them.
 */
export function readPrincipal(written: string, config: MeshConfig): readonly StringMatch[] | undefined {
  const principal = written.startsWith(SCHEME) ? written.slice(SCHEME.length) : written;
  const match = stringMatch(principal);
  if (match === undefined || match.kind === 'presence') return match && [match];
  const slash = principal.indexOf('/');
  const isWithinDomain = slash === -1; // `clus*`
  const domain = isWithinDomain ? principal : principal.slice(0, slash);
  const rest = isWithinDomain ? '/*' : principal.slice(slash);
  const others = otherNames(domain, config).map((name) => stringMatch(name + rest));
  return [match, ...others.filter((other) => other !== undefined)];
}

/** All identities of a trust domain, under each of its names. A suffix is nothing that can be asked of an identity: undefined. */
export function readTrustDomain(written: string, config: MeshConfig): readonly StringMatch[] | undefined {
  const match = stringMatch(written);
  if (match === undefined || match.kind === 'suffix' || written.includes('/')) return undefined;
  if (match.kind === 'presence') return [match];
  const others = otherNames(written, config).map((name) => ({ kind: 'prefix', value: `${name}/` }) as const);
  return [{ kind: 'prefix', value: match.kind === 'exact' ? `${match.value}/` : match.value }, ...others];
}

/** Names of our trust domain beyond those that `pattern` covers; none when it covers none. */
export function otherNames(pattern: string, { trustDomain, trustDomainAliases }: MeshConfig): readonly string[] {
  const match = stringMatch(pattern);
  if (match === undefined) return [];
  const covers = compileStrings([match]);
  const ours = [...new Set([trustDomain, ...trustDomainAliases])];
  if (![LOCAL_TRUST_DOMAIN, ...ours].some((name) => matchesAny(covers, name))) return [];
  return ours.filter((name) => !matchesAny(covers, name));
}
