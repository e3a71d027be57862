/**
 * The boolean structure of ztunnel.md section 5, word for word and as slowly as that may be: for tests only. Nothing of the
 * engine is used, so that the two agree only where both are right.
 */
import type { Cidr } from '../cidr.ts';
import type { Authorization, AuthorizationRule, Match, StringMatch } from '../model.ts';

export type NaiveIdentity = { readonly trustDomain: string; readonly namespace: string; readonly account: string };

/** What a connection is to policies, written down by hand. */
export type NaiveConnection = {
  /** `trust domain/ns/NAMESPACE/sa/ACCOUNT`; absent for plaintext. */
  readonly identity?: NaiveIdentity;
  /** Who calls in its name; it counts only where it is named as a whole in a list of whom to match. */
  readonly waypoint?: NaiveIdentity;
  readonly from: string;
  readonly to: string;
  readonly port: number;
};

export type NaiveVerdict = {
  readonly verdict: 'allow' | 'deny';
  /** `namespace/name#rule` of the rule that decided, else what decided. */
  readonly because: string;
  /** What policies that are tried out would have done, as `ACTION namespace/name#rule`. */
  readonly tried: readonly string[];
};

export function naively(policies: readonly Authorization[], conn: NaiveConnection): NaiveVerdict {
  const byName = [...policies].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  const matching = (action: string, dryRun: boolean) =>
    byName
      .filter((policy) => policy.action === action && policy.dryRun === dryRun)
      .flatMap((policy) => policy.rules.map((rule, index) => ({ rule, name: `${keyOf(policy)}#${index}` })))
      .filter(({ rule }) => ruleHolds(rule, conn))
      .map(({ name }) => name);
  const allows = byName.filter((policy) => policy.action === 'ALLOW' && !policy.dryRun);
  const triedAllows = matching('ALLOW', true);
  const wouldBeFirst = allows.length === 0 && triedAllows.length === 0;
  const tried = [
    ...matching('DENY', true).map((name) => `DENY ${name}`),
    ...triedAllows.map((name) => `ALLOW ${name}`),
    ...byName.filter((p) => wouldBeFirst && p.action === 'ALLOW' && p.dryRun).map((p) => `ALLOW ${keyOf(p)}`),
  ];
  const [denied] = matching('DENY', false);
  if (denied !== undefined) return { verdict: 'deny', because: denied, tried };
  if (allows.length === 0) return { verdict: 'allow', because: 'no-allow-policies', tried };
  const [allowed] = matching('ALLOW', false);
  if (allowed !== undefined) return { verdict: 'allow', because: allowed, tried };
  return { verdict: 'deny', because: 'no-allow-match', tried };
}

const keyOf = ({ namespace, name }: Authorization) => `${namespace}/${name}`;

/** AND of clauses; a clause is OR of matches, and without matches it holds; a match without fields does not. */
export function ruleHolds(rule: AuthorizationRule, conn: NaiveConnection): boolean {
  return rule.clauses.every(
    ({ matches }) => matches.length === 0 || matches.some((match) => !isEmpty(match) && matchHolds(match, conn)),
  );
}

const isEmpty = (match: Match) => Object.values(match).every((values) => values.length === 0);

/** AND over the fields: in a positive list any, in a negative list none; an empty list says nothing. */
function matchHolds(m: Match, conn: NaiveConnection): boolean {
  const { identity, waypoint } = conn;
  const principal = identity && principalOf(identity);
  const isWaypoint = (s: StringMatch) =>
    waypoint !== undefined && s.kind === 'exact' && s.value === principalOf(waypoint);
  const isWaypointAccount = (a: Match['serviceAccounts'][number]) =>
    a.namespace === waypoint?.namespace && a.serviceAccount === waypoint.account;
  const isPrincipal = (s: StringMatch) => principal !== undefined && stringHolds(s, principal);
  const isNamespace = (s: StringMatch) => stringHolds(s, identity?.namespace ?? '');
  const isAccount = (a: Match['serviceAccounts'][number]) =>
    identity !== undefined && a.namespace === identity.namespace && a.serviceAccount === identity.account;
  const any = <T>(list: readonly T[], holds: (item: T) => boolean) => list.length === 0 || list.some(holds);
  const none = <T>(list: readonly T[], holds: (item: T) => boolean) => !list.some(holds);
  return (
    any(m.principals, (s) => isPrincipal(s) || isWaypoint(s)) &&
    none(m.notPrincipals, isPrincipal) &&
    any(m.namespaces, isNamespace) &&
    none(m.notNamespaces, isNamespace) &&
    any(m.serviceAccounts, (a) => isAccount(a) || isWaypointAccount(a)) &&
    none(m.notServiceAccounts, isAccount) &&
    any(m.sourceIps, (range) => rangeHolds(range, conn.from)) &&
    none(m.notSourceIps, (range) => rangeHolds(range, conn.from)) &&
    any(m.destinationIps, (range) => rangeHolds(range, conn.to)) &&
    none(m.notDestinationIps, (range) => rangeHolds(range, conn.to)) &&
    any(m.destinationPorts, (port) => port === conn.port) &&
    none(m.notDestinationPorts, (port) => port === conn.port)
  );
}

function principalOf({ trustDomain, namespace, account }: NaiveIdentity): string {
  return `${trustDomain}/ns/${namespace}/sa/${account}`;
}

function stringHolds(s: StringMatch, value: string): boolean {
  if (s.kind === 'presence') return value !== '';
  if (s.kind === 'exact') return value === s.value;
  return s.kind === 'prefix' ? value.startsWith(s.value) : value.endsWith(s.value);
}

function rangeHolds({ address, prefix }: Cidr, ip: string): boolean {
  return address.includes(':') === ip.includes(':') && bits(address).startsWith(bits(ip).slice(0, prefix));
}

/** An address as zeros and ones. Reads `a.b.c.d` and `x::y` with groups on both sides or none. */
function bits(ip: string): string {
  if (!ip.includes(':'))
    return ip
      .split('.')
      .map((part) => Number(part).toString(2).padStart(8, '0'))
      .join('');
  const [head = '', tail = ''] = ip.split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':'));
  const left = groups(head);
  const right = groups(tail);
  const middle = Array.from({ length: ip.includes('::') ? 8 - left.length - right.length : 0 }, () => '0');
  return [...left, ...middle, ...right]
    .map((group) => Number.parseInt(group, 16).toString(2).padStart(16, '0'))
    .join('');
}
