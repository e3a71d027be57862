/**
 * Rules of an AuthorizationPolicy for a waypoint, which sees all that can be written. What nobody can read taints a rule: with
 * ALLOW the rule is left out; with DENY, AUDIT and CUSTOM only the part, so that the rule matches more. Neither ever admits what was
 * not written.
 */
import type { RuleReading } from '../../derive/policy-rules.ts';
import { fields, isFields, text } from '../../derive/read.ts';
import {
  type HttpPolicyAction,
  NEVER,
  type PolicyClause,
  type PolicyMatch,
  type PolicyRule,
  type PolicyTest,
} from '../model.ts';
import { OPERATION, SOURCE, type WrittenField, whenFields } from './fields.ts';
import type { ValueContext } from './values.ts';

export function readRule(
  written: unknown,
  index: number,
  action: HttpPolicyAction,
  context: ValueContext,
): RuleReading & { readonly rule: PolicyRule } {
  const reader = new RuleReader(action, context);
  const rule = { clauses: reader.clauses(written, `spec.rules[${index}]`) };
  const { problems } = reader;
  if (problems.length === 0) return { rule, enforcement: 'as-written', http: [], problems };
  return action === 'ALLOW'
    ? { rule: NEVER, enforcement: 'left-out', http: [], problems }
    : { rule, enforcement: 'widened', http: [], problems };
}

/** Without tests: what holds always, which is what becomes of a part that can not be read. */
const ALWAYS: PolicyMatch = { tests: [] };

class RuleReader {
  readonly problems: string[] = [];
  readonly #action: HttpPolicyAction;
  readonly #context: ValueContext;

  constructor(action: HttpPolicyAction, context: ValueContext) {
    this.#action = action;
    this.#context = context;
  }

  clauses(rule: unknown, path: string): readonly PolicyClause[] {
    const { from, to, when, ...unknown } = fields(rule);
    if (!isFields(rule)) this.#problem(path, 'not an object');
    this.#unknown(unknown, path);
    const clauses = [
      this.#clause(to, `${path}.to`, 'operation', OPERATION),
      this.#clause(from, `${path}.from`, 'source', SOURCE),
      ...this.#conditions(when, `${path}.when`),
    ];
    // An alternative that always holds leaves nothing to be asked.
    return clauses.filter((clause) => clause.matches.every(({ tests }) => tests.length > 0));
  }

  #clause(value: unknown, path: string, inner: string, known: ReadonlyMap<string, WrittenField>): PolicyClause {
    if (value === undefined || value === null) return { matches: [ALWAYS] };
    if (!Array.isArray(value) || value.length === 0) {
      this.#problem(path, 'not a list with entries');
      return { matches: [ALWAYS] };
    }
    const matches = value.map((entry: unknown, index) => {
      const where = `${path}[${index}].${inner}`;
      const { [inner]: part, ...unknown } = fields(entry);
      this.#unknown(unknown, `${path}[${index}]`);
      if (isFields(part) && Object.keys(part).length > 0) return this.#match(part, where, known);
      this.#problem(where, 'nothing in it');
      return ALWAYS;
    });
    return { matches };
  }

  #conditions(value: unknown, path: string): readonly PolicyClause[] {
    if (value === undefined || value === null) return [];
    if (!Array.isArray(value)) {
      this.#problem(path, 'not a list');
      return [];
    }
    return value.map((entry: unknown, index) => ({ matches: [this.#condition(fields(entry), `${path}[${index}]`)] }));
  }

  #condition(entry: Readonly<Record<string, unknown>>, path: string): PolicyMatch {
    const { key, values, notValues, ...unknown } = entry;
    this.#unknown(unknown, path);
    const known = whenFields(text(key));
    if (known === undefined) {
      this.#problem(`${path}.key`, `unknown key ${JSON.stringify(key)}`);
      return ALWAYS;
    }
    const part = { ...(values != null && { values }), ...(notValues != null && { notValues }) };
    if (Object.keys(part).length === 0) {
      this.#problem(path, 'neither values nor notValues');
      return ALWAYS;
    }
    const [positive, negative] = known;
    return this.#match(
      part,
      path,
      new Map([
        ['values', positive],
        ['notValues', negative],
      ]),
    );
  }

  #match(part: Readonly<Record<string, unknown>>, path: string, known: ReadonlyMap<string, WrittenField>): PolicyMatch {
    const tests = Object.entries(part).map(([name, value]) => {
      const field = known.get(name);
      if (field !== undefined) return this.#test(field, value, `${path}.${name}`);
      this.#problem(`${path}.${name}`, 'unknown field');
      return undefined;
    });
    return { tests: tests.filter((test) => test !== undefined) };
  }

  /** Undefined: any value will do. */
  #test(written: WrittenField, value: unknown, path: string): PolicyTest | undefined {
    const { field, negated, header, claim } = written;
    if (written.isIdentity && this.#action === 'CUSTOM') {
      this.#problem(path, 'not known yet when somebody else is asked (action CUSTOM)');
      return undefined;
    }
    const { values: patterns, problems } = written.read(value, this.#context);
    for (const problem of problems) this.#problem(path, problem);
    if (!negated && problems.length > 0) return undefined;
    if (patterns.length === 0) {
      if (!negated) this.#problem(path, 'empty list');
      return undefined;
    }
    return { field, negated, patterns, header, claim }; // an exception that can not be read is no exception
  }

  #unknown(rest: Readonly<Record<string, unknown>>, path: string): void {
    for (const key of Object.keys(rest)) this.#problem(`${path}.${key}`, 'unknown field');
  }

  #problem(path: string, problem: string): void {
    this.problems.push(`${path}: ${problem}`);
  }
}
