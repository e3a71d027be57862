/**
 * Rules of an AuthorizationPolicy as L4 rules. What L4 can not see or nobody can read taints a rule: with ALLOW the rule is left
 * out, with DENY only the part, so that the rule matches more. Neither ever admits what was not written.
 */
import type { MeshConfig } from '../kube-object.ts';
import { type AuthorizationRule, type Clause, EMPTY_MATCH, type Match } from '../model.ts';
import {
  PATTERN,
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

const strings: Read = (v) =>
  readValues(v, PATTERN, (s) => {
    const match = stringMatch(s);
    return match && [match];
  });
const ports: Read = (v) => readValues(v, 'port', readPort);
const ranges: Read = (v) => readValues(v, 'address or range', readRange);
const principals: Read = (v, c) => readValues(v, `principal (${PATTERN})`, (s) => readPrincipal(s, c.config));
const accounts: Read = (v, c) => readValues(v, 'service account', (s) => readServiceAccount(s, c.namespace));
const domains: Read = (v, c) => readValues(v, 'trust domain that L4 can match', (s) => readTrustDomain(s, c.config));

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
  ['source.serviceAccount', [pos('serviceAccounts', accounts), neg('notServiceAccounts', accounts)]],
  ['source.trustDomain', [pos('principals', domains), neg('notPrincipals', domains)]],
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

const HTTP_KEYS: ReadonlySet<string> = new Set([
  'remote.ip',
  'request.auth.principal',
  'request.auth.audiences',
  'request.auth.presenter',
  'connection.sni',
]);
const HTTP_KEY_FAMILIES: readonly string[] = [
  'request.headers[',
  'request.auth.claims[',
  'experimental.envoy.filters.',
];

/** What became of one rule. */
export type RuleReading = {
  /** `left-out`: it admits nobody. `widened`: it denies more than was written. */
  readonly enforcement: 'as-written' | 'left-out' | 'widened';
  /** Parts that only a waypoint can enforce, sorted. */
  readonly http: readonly string[];
  /** What could not be read, each with its path. */
  readonly problems: readonly string[];
};

/** Never matches. It keeps its place, so that rules have the numbers that their author knows. */
const NEVER: AuthorizationRule = { clauses: [{ matches: [EMPTY_MATCH] }] };

export function translateRule(
  written: unknown,
  index: number,
  action: 'ALLOW' | 'DENY',
  context: Context,
): RuleReading & { readonly rule: AuthorizationRule } {
  const reader = new RuleReader(context);
  const rule = { clauses: reader.clauses(written, `spec.rules[${index}]`) };
  const { http, problems } = reader;
  if (http.size === 0 && problems.length === 0) return { rule, enforcement: 'as-written', http: [], problems };
  const found = { http: [...http].sort(), problems };
  // An ALLOW rule that lost a part would admit more than was written.
  return action === 'ALLOW'
    ? { rule: NEVER, enforcement: 'left-out', ...found }
    : { rule, enforcement: 'widened', ...found };
}

/** A match, or that the part must be taken to hold always (DENY) or never (ALLOW). */
type Part = Match | 'unreadable';

/** Reads one rule, and keeps what L4 can not honour of it. */
class RuleReader {
  readonly http = new Set<string>();
  readonly problems: string[] = [];
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  clauses(rule: unknown, path: string): readonly Clause[] {
    const { from, to, when, ...unknown } = fields(rule);
    if (!isFields(rule)) this.#problem(path, 'not an object');
    this.#unknown(unknown, path);
    const clauses = [
      this.#clause(to, `${path}.to`, 'operation', OPERATION),
      this.#clause(from, `${path}.from`, 'source', SOURCE),
      ...this.#conditions(when, `${path}.when`),
    ];
    return clauses.filter((clause) => clause !== undefined);
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
      const { [inner]: part, ...unknown } = fields(entry);
      this.#unknown(unknown, `${path}[${index}]`);
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
      const { key, values, notValues, ...unknown } = fields(entry);
      const where = `${path}[${index}]`;
      this.#unknown(unknown, where);
      const rules = WHEN.get(text(key));
      if (rules === undefined) {
        if (isHttpKey(text(key))) this.http.add(`when ${text(key)}`);
        else this.#problem(`${where}.key`, `unknown key ${JSON.stringify(key)}`);
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
        if (HTTP_FIELDS.has(field)) this.http.add(field);
        else this.#problem(`${path}.${field}`, 'unknown field');
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

  #unknown(rest: Readonly<Record<string, unknown>>, path: string): void {
    for (const key of Object.keys(rest)) this.#problem(`${path}.${key}`, 'unknown field');
  }

  #problem(path: string, problem: string): void {
    this.problems.push(`${path}: ${problem}`);
  }
}

function isHttpKey(key: string): boolean {
  return HTTP_KEYS.has(key) || HTTP_KEY_FAMILIES.some((family) => key.startsWith(family));
}

/** One alternative without constraint makes the whole clause one. (For ALLOW the rule is left out anyway.) */
function clauseOf(parts: readonly Part[]): Clause | undefined {
  const matches = parts.filter((part) => part !== 'unreadable');
  return matches.length === parts.length ? { matches } : undefined;
}
