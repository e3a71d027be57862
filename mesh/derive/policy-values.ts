/**
 * One list of values in an AuthorizationPolicy, translated. What can not be read is told apart from what can, because the two
 * actions must react in opposite ways for both to deny rather than admit.
 */
import { type Cidr, parseCidr } from '../cidr.ts';
import type { MeshConfig } from '../kube-object.ts';
import type { ServiceAccountMatch, StringMatch } from '../model.ts';

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

/** `*`, `*suffix`, `prefix*` or the exact text. */
export function stringMatch(written: string): StringMatch {
  if (written === '*') return { kind: 'presence' };
  if (written.startsWith('*')) return { kind: 'suffix', value: written.slice(1) };
  if (written.endsWith('*')) return { kind: 'prefix', value: written.slice(0, -1) };
  return { kind: 'exact', value: written };
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

/** A principal of our trust domain, under each name that the domain has; the scheme is not part of what is compared. */
export function readPrincipal(written: string, config: MeshConfig): readonly StringMatch[] {
  const principal = written.startsWith(SCHEME) ? written.slice(SCHEME.length) : written;
  const slash = principal.indexOf('/');
  const domain = principal.slice(0, Math.max(slash, 0));
  const ours = [config.trustDomain, ...config.trustDomainAliases];
  if (slash === -1 || !(domain === LOCAL_TRUST_DOMAIN || ours.includes(domain))) return [stringMatch(principal)];
  return [...new Set([domain, ...ours])].map((name) => stringMatch(name + principal.slice(slash)));
}

/** All identities of a trust domain. Patterns are not supported: undefined. */
export function readTrustDomain(written: string): readonly StringMatch[] | undefined {
  return written.includes('*') || written.includes('/') ? undefined : [{ kind: 'prefix', value: `${written}/` }];
}
