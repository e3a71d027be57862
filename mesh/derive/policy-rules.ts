/**
 * Rules of an AuthorizationPolicy as L4 rules. What L4 can not see or nobody can read taints a rule: with ALLOW the rule is left
 * out, with DENY only the part, so that the rule matches more. Neither ever admits what was not written.
 */
import type { MeshConfig } from '../kube-object.ts';
import { type AuthorizationRule, type Clause, EMPTY_MATCH, type Match } from '../model.ts';
import {
  type Reading,
  readPort,
  readPrincipal,
  readRange,
  readServiceAccount,
  readTrustDomain,
  readValues,
  stringMatch,
} from './policy-values.ts';
import { fields, isFields, text } from './read.ts';

/** How one field of a source, operation or condition becomes a field of the match. */
type FieldRule = { readonly to: keyof Match; readonly negative: boolean; readonly read: Read };
type Read = (value: unknown, context: Context) => Reading<unknown>;
type Context = { readonly namespace: string; readonly config: MeshConfig };

const strings: Read = (v) => readValues(v, 'text', (s) => [stringMatch(s)]);
const ports: Read = (v) => readValues(v, 'port', readPort);
const ranges: Read = (v) => readValues(v, 'address or range', readRange);
const principals: Read = (v, c) => readValues(v, 'principal', (s) => readPrincipal(s, c.config));
const accounts: Read = (v, c) => readValues(v, 'service account', (s) => readServiceAccount(s, c.namespace));
const domains: Read = (v) => readValues(v, 'trust domain that L4 can match', readTrustDomain);

const pos = (to: keyof Match, read: Read): FieldRule => ({ to, negative: false, read });
const neg = (to: keyof Match, read: Read): FieldRule => ({ to, negative: true, read });

const SOURCE: ReadonlyMap<string, FieldRule> = new Map([
  ['principals', pos('principals', principals)],
  ['notPrincipals', neg('notPrincipals', principals)],
  ['namespaces', pos('namespaces', strings)],
  ['notNamespaces', neg('notNamespaces', strings)],
  ['serviceAccounts', pos('serviceAccounts', accounts)],
  ['notServiceAccounts', neg('notServiceAccounts', accounts)],
  ['ipBlocks', pos('sourceIps', ranges)],
  ['notIpBlocks', neg('notSourceIps', ranges)],
  ['trustDomains', pos('principals', domains)],
  ['notTrustDomains', neg('notPrincipals', domains)],
]);
const OPERATION: ReadonlyMap<string, FieldRule> = new Map([
  ['ports', pos('destinationPorts', ports)],
  ['notPorts', neg('notDestinationPorts', ports)],
]);
/** For each key of `when`: values, notValues. */
const WHEN: ReadonlyMap<string, readonly [FieldRule, FieldRule]> = new Map([
  ['source.ip', [pos('sourceIps', ranges), neg('notSourceIps', ranges)]],
  ['source.namespace', [pos('namespaces', strings), neg('notNamespaces', strings)]],
  ['source.principal', [pos('principals', principals), neg('notPrincipals', principals)]],
  ['destination.ip', [pos('destinationIps', ranges), neg('notDestinationIps', ranges)]],
  ['destination.port', [pos('destinationPorts', ports), neg('notDestinationPorts', ports)]],
] as const);

/** Parts that only HTTP has: legal, but for a waypoint to enforce. Anything else that is not known is a mistake. */
const HTTP_FIELDS: ReadonlySet<string> = new Set(
  ['hosts', 'methods', 'paths', 'remoteIpBlocks', 'requestPrincipals'].flatMap((field) => [
    field,
    `not${field.charAt(0).toUpperCase()}${field.slice(1)}`,
  ]),
);

/** A match, or that the part must be taken to hold always (DENY) or never (ALLOW). */
type Part = Match | 'unreadable';

/** The rules of one policy, translated one by one, and what had to be left out on the way. */
export class RuleTranslation {
  readonly rules: AuthorizationRule[] = [];
  readonly writtenRules: number[] = [];
  readonly #action: 'ALLOW' | 'DENY';
  readonly #context: Context;
  /** HTTP parts met. */
  readonly #http = new Set<string>();
  /** What could not be read, with its path. */
  readonly #problems: string[] = [];
  /** Whether the rule at hand has a part that L4 can not honour. */
  #tainted = false;

  constructor(action: 'ALLOW' | 'DENY', namespace: string, config: MeshConfig) {
    this.#action = action;
    this.#context = { namespace, config };
  }

  add(rule: unknown, index: number): void {
    this.#tainted = false;
    const path = `spec.rules[${index}]`;
    const { from, to, when, ...unknown } = fields(rule);
    if (!isFields(rule)) this.#problem(path, 'not an object');
    for (const key of Object.keys(unknown)) this.#problem(`${path}.${key}`, 'unknown field');
    const clauses = [
      this.#clause(to, `${path}.to`, 'operation', OPERATION),
      this.#clause(from, `${path}.from`, 'source', SOURCE),
      ...this.#conditions(when, `${path}.when`),
    ].filter((clause) => clause !== undefined);
    // An ALLOW rule that lost a part would admit more than was written.
    if (this.#tainted && this.#action === 'ALLOW') return;
    this.rules.push({ clauses });
    this.writtenRules.push(index);
  }

  /** What was left out, and to what effect; undefined when everything was translated as written. */
  problem(): { readonly reason: string; readonly message: string } | undefined {
    if (this.#http.size === 0 && this.#problems.length === 0) return undefined;
    const messages: string[] = [];
    const effect =
      this.#action === 'ALLOW'
        ? 'the rules that have one are left out, so less is allowed than written'
        : 'they are left out of their rules, so more is denied than written';
    if (this.#http.size > 0) {
      const names = [...this.#http].sort().join(', ');
      messages.push(`ztunnel can not see HTTP attributes (${names}): ${effect}; a waypoint can enforce them`);
    }
    if (this.#problems.length > 0) messages.push(`parts that can not be read, ${effect}: ${this.#problems.join('; ')}`);
    const reason = this.#problems.length > 0 ? 'PartiallyInvalid' : 'UnsupportedValue';
    return { reason, message: messages.join('. ') };
  }

  /** Undefined: no constraint. */
  #clause(value: unknown, path: string, inner: string, known: ReadonlyMap<string, FieldRule>): Clause | undefined {
    if (value === undefined || value === null) return undefined;
    if (!Array.isArray(value) || value.length === 0) {
      this.#problem(path, 'not a list with entries');
      return undefined;
    }
    const matches = value.map((entry: unknown, index) => {
      const where = `${path}[${index}].${inner}`;
      const part = fields(entry)[inner];
      if (isFields(part) && Object.keys(part).length > 0) return this.#match(part, where, known);
      this.#problem(where, 'nothing in it');
      return 'unreadable';
    });
    return clauseOf(matches);
  }

  #conditions(value: unknown, path: string): readonly (Clause | undefined)[] {
    if (value === undefined || value === null) return [];
    if (!Array.isArray(value)) {
      this.#problem(path, 'not a list');
      return [];
    }
    return value.map((entry: unknown, index) => {
      const { key, values, notValues } = fields(entry);
      const where = `${path}[${index}]`;
      const rules = WHEN.get(text(key));
      if (rules === undefined) {
        this.#http.add(`when ${text(key) || JSON.stringify(key)}`);
        this.#tainted = true;
        return undefined;
      }
      const part = { ...(values != null && { values }), ...(notValues != null && { notValues }) };
      if (Object.keys(part).length === 0) {
        this.#problem(where, 'neither values nor notValues');
        return undefined;
      }
      return clauseOf([
        this.#match(
          part,
          where,
          new Map([
            ['values', rules[0]],
            ['notValues', rules[1]],
          ]),
        ),
      ]);
    });
  }

  #match(part: Readonly<Record<string, unknown>>, path: string, known: ReadonlyMap<string, FieldRule>): Part {
    const match: Record<keyof Match, readonly unknown[]> = { ...EMPTY_MATCH };
    for (const [field, value] of Object.entries(part)) {
      const rule = known.get(field);
      if (rule === undefined) {
        if (HTTP_FIELDS.has(field)) this.#http.add(field);
        else this.#problems.push(`${path}.${field}: unknown field`);
        this.#tainted = true;
        continue;
      }
      const { values, problems } = rule.read(value, this.#context);
      for (const problem of problems) this.#problem(`${path}.${field}`, problem);
      if (rule.negative) {
        match[rule.to] = [...match[rule.to], ...values]; // an exception that can not be read is no exception
        continue;
      }
      if (problems.length > 0) continue; // DENY: any value of this field
      if (values.length === 0) this.#problem(`${path}.${field}`, 'empty list');
      else if (match[rule.to].length > 0)
        this.#problem(`${path}.${field}`, 'can not be combined with principals at L4');
      else match[rule.to] = values;
    }
    const empty = Object.values(match).every((values) => values.length === 0);
    return empty ? 'unreadable' : (match as Match);
  }

  #problem(path: string, problem: string): void {
    this.#problems.push(`${path}: ${problem}`);
    this.#tainted = true;
  }
}

/** One alternative without constraint makes the whole clause one. (For ALLOW the rule is left out anyway.) */
function clauseOf(parts: readonly Part[]): Clause | undefined {
  const matches = parts.filter((part) => part !== 'unreadable');
  return matches.length === parts.length ? { matches } : undefined;
}
