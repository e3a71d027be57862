/**
 * Whether one L4 rule matches everything that another does. Told from what is written, so the answer is yes only when it is yes
 * for every connection; a no may be a "can not be seen from here".
 */
import { type Cidr, type CompiledCidr, cidrContains, compileCidr, numericIp } from '../cidr.ts';
import type { Authorization, AuthorizationRule, Clause, Match, ServiceAccountMatch, StringMatch } from '../model.ts';

/** Whether every connection that `narrow` matches is matched by `wide`, too. */
export function ruleCovers(wide: AuthorizationRule, narrow: AuthorizationRule): boolean {
  return wide.clauses.every(
    (clause) => clause.matches.length === 0 || narrow.clauses.some((other) => clauseImplies(other, clause)),
  );
}

/** Whether `wide` holds for all whom `narrow` holds for: by namespace, and fewer labels select more. */
export function scopeCovers(wide: Scoped, narrow: Scoped, rootNamespace: string): boolean {
  const everywhere = wide.namespace === rootNamespace;
  if (!everywhere && wide.namespace !== narrow.namespace) return false;
  if (wide.selector === undefined) return true;
  const { selector } = narrow;
  return selector !== undefined && Object.entries(wide.selector).every(([key, value]) => selector[key] === value);
}

export type Scoped = Pick<Authorization, 'namespace'> & {
  /** Absent: all of the namespace, or of the mesh in the root namespace. */
  readonly selector: Readonly<Record<string, string>> | undefined;
};

function clauseImplies(narrow: Clause, wide: Clause): boolean {
  if (narrow.matches.length === 0) return false; // it always holds
  return narrow.matches.every((match) => wide.matches.some((other) => matchImplies(match, other)) || isEmpty(match));
}

function matchImplies(narrow: Match, wide: Match): boolean {
  return FIELDS.every((field) => field(narrow, wide)) && !isEmpty(wide); // an empty one never holds
}

const isEmpty = (match: Match) => Object.values(match).every((values) => values.length === 0);

type FieldImplies = (narrow: Match, wide: Match) => boolean;

/** One field with its negation: `within(a, b)`: whoever is `a` is `b`; `apart(a, b)`: nobody is both. */
function field<T>(
  positive: (match: Match) => readonly T[],
  negative: (match: Match) => readonly T[],
  within: (a: T, b: T) => boolean,
  apart: (a: T, b: T) => boolean,
): FieldImplies {
  return (narrow, wide) => {
    const [wanted, unwanted] = [positive(wide), negative(wide)];
    if (wanted.length === 0 && unwanted.length === 0) return true;
    const has = positive(narrow);
    if (wanted.length > 0 && (has.length === 0 || !has.every((a) => wanted.some((b) => within(a, b))))) return false;
    const hasNot = negative(narrow);
    return unwanted.every(
      (excluded) => hasNot.some((b) => within(excluded, b)) || (has.length > 0 && has.every((a) => apart(a, excluded))),
    );
  };
}

const strings = (positive: keyof Match & StringField, negative: keyof Match & StringField) =>
  field(
    (m) => m[positive],
    (m) => m[negative],
    stringWithin,
    stringsApart,
  );
type StringField = 'namespaces' | 'notNamespaces' | 'principals' | 'notPrincipals';

const equal = (a: unknown, b: unknown) => a === b;
const differ = (a: unknown, b: unknown) => a !== b;
const sameAccount = (a: ServiceAccountMatch, b: ServiceAccountMatch) =>
  a.namespace === b.namespace && a.serviceAccount === b.serviceAccount;

const FIELDS: readonly FieldImplies[] = [
  strings('namespaces', 'notNamespaces'),
  strings('principals', 'notPrincipals'),
  field(
    (m) => m.serviceAccounts,
    (m) => m.notServiceAccounts,
    sameAccount,
    (a, b) => !sameAccount(a, b),
  ),
  field(
    (m) => m.destinationPorts,
    (m) => m.notDestinationPorts,
    equal,
    differ,
  ),
  field(
    (m) => m.sourceIps,
    (m) => m.notSourceIps,
    rangeWithin,
    rangesApart,
  ),
  field(
    (m) => m.destinationIps,
    (m) => m.notDestinationIps,
    rangeWithin,
    rangesApart,
  ),
];

function stringWithin(a: StringMatch, b: StringMatch): boolean {
  if (b.kind === 'presence') return a.kind === 'presence' || a.value !== '';
  if (a.kind === 'presence') return false;
  if (b.kind === 'exact') return a.kind === 'exact' && a.value === b.value;
  if (b.kind === 'prefix') return a.kind !== 'suffix' && a.value.startsWith(b.value);
  return a.kind !== 'prefix' && a.value.endsWith(b.value);
}

function stringsApart(a: StringMatch, b: StringMatch): boolean {
  if (a.kind === 'exact') return !stringWithin(a, b);
  if (b.kind === 'exact') return !stringWithin(b, a);
  if (a.kind === 'prefix' && b.kind === 'prefix') return !a.value.startsWith(b.value) && !b.value.startsWith(a.value);
  if (a.kind === 'suffix' && b.kind === 'suffix') return !a.value.endsWith(b.value) && !b.value.endsWith(a.value);
  return false;
}

const compiled = new WeakMap<Cidr, CompiledCidr>();

function compile(range: Cidr): CompiledCidr {
  const known = compiled.get(range) ?? compileCidr(range);
  compiled.set(range, known);
  return known;
}

/** Whether every address of `a` is one of `b`. */
export function rangeWithin(a: Cidr, b: Cidr): boolean {
  return a.prefix >= b.prefix && cidrContains(compile(b), numericIp(a.address));
}

/** Whether no address is in both. */
export function rangesApart(a: Cidr, b: Cidr): boolean {
  return !rangeWithin(a, b) && !rangeWithin(b, a);
}
