/**
 * Rules found by what they ask for first. Most rules name exact callers or ports; those are looked up, and only the rest is
 * tried one after the other, so ten thousand policies in scope cost about as much as the few that could match.
 */
import type { Match } from '../model.ts';
import { type CompiledClause, type CompiledPolicy, type CompiledRule, ruleMatches } from './compile.ts';
import type { Subject } from './subject.ts';

type Entry = { readonly order: number; readonly rule: CompiledRule };
type Bucket = Entry[];
type Discriminator =
  | { readonly by: 'principal' | 'serviceAccount' | 'namespace'; readonly values: readonly string[] }
  | { readonly by: 'port'; readonly values: readonly number[] };

export class RuleIndex {
  readonly #byPrincipal = new Map<string, Bucket>();
  readonly #byServiceAccount = new Map<string, Bucket>();
  readonly #byNamespace = new Map<string, Bucket>();
  readonly #byPort = new Map<number, Bucket>();
  readonly #rest: Bucket = [];
  /** Policies behind these rules, also those without any rule. */
  readonly policies: readonly CompiledPolicy[];

  constructor(policies: readonly CompiledPolicy[]) {
    this.policies = policies;
    let order = 0;
    for (const policy of policies) for (const rule of policy.rules) this.#add({ order: order++, rule });
  }

  /** The first rule, in policy order, that matches. */
  firstMatch(subject: Subject): CompiledRule | undefined {
    let best = earliest(this.#rest, subject, undefined);
    if (subject.principal !== '') {
      best = earliest(this.#byPrincipal.get(subject.principal), subject, best);
      best = earliest(this.#byServiceAccount.get(subject.serviceAccount), subject, best);
    }
    best = earliest(this.#byNamespace.get(subject.namespace), subject, best);
    best = earliest(this.#byPort.get(subject.port), subject, best);
    return best?.rule;
  }

  /** Every rule that matches, in policy order. */
  allMatches(subject: Subject): readonly CompiledRule[] {
    const found = new Set<Entry>(); // a rule with alternatives may be found under several values
    const collect = (bucket: Bucket | undefined) => {
      for (const entry of bucket ?? []) if (ruleMatches(entry.rule, subject)) found.add(entry);
    };
    collect(this.#rest);
    if (subject.principal !== '') {
      collect(this.#byPrincipal.get(subject.principal));
      collect(this.#byServiceAccount.get(subject.serviceAccount));
    }
    collect(this.#byNamespace.get(subject.namespace));
    collect(this.#byPort.get(subject.port));
    return [...found].sort((a, b) => a.order - b.order).map(({ rule }) => rule);
  }

  #add(entry: Entry): void {
    if (entry.rule.clauses.some((clause) => clause.length === 0)) return; // can never match
    const keys = discriminators(entry.rule);
    if (keys === undefined) {
      this.#rest.push(entry);
      return;
    }
    for (const key of keys) {
      if (key.by === 'port') for (const port of key.values) push(this.#byPort, port, entry);
      else for (const value of key.values) push(this.#strings(key.by), value, entry);
    }
  }

  #strings(by: 'principal' | 'serviceAccount' | 'namespace'): Map<string, Bucket> {
    if (by === 'principal') return this.#byPrincipal;
    return by === 'serviceAccount' ? this.#byServiceAccount : this.#byNamespace;
  }
}

function earliest(bucket: Bucket | undefined, subject: Subject, best: Entry | undefined): Entry | undefined {
  if (bucket === undefined) return best;
  for (const entry of bucket) {
    if (best !== undefined && entry.order >= best.order) return best; // buckets are in policy order
    if (ruleMatches(entry.rule, subject)) return entry;
  }
  return best;
}

function push<K>(map: Map<K, Bucket>, key: K, entry: Entry): void {
  const bucket = map.get(key);
  if (bucket === undefined) map.set(key, [entry]);
  else if (bucket.at(-1) !== entry) bucket.push(entry); // two matches of a rule may name the same value
}

/** What a connection must have, one alternative per match of some clause; undefined when no clause pins it down. */
function discriminators(rule: CompiledRule): readonly Discriminator[] | undefined {
  for (const clause of rule.clauses) {
    const found = ofClause(clause);
    if (found !== undefined) return found;
  }
  return undefined;
}

function ofClause(clause: CompiledClause): readonly Discriminator[] | undefined {
  const found: Discriminator[] = [];
  for (const { written } of clause) {
    const one = ofMatch(written);
    if (one === undefined) return undefined;
    found.push(one);
  }
  return found;
}

function ofMatch(m: Match): Discriminator | undefined {
  const principals = exactValues(m.principals);
  if (principals !== undefined) return { by: 'principal', values: principals };
  if (m.serviceAccounts.length > 0) {
    return { by: 'serviceAccount', values: m.serviceAccounts.map((a) => `${a.namespace}/${a.serviceAccount}`) };
  }
  const namespaces = exactValues(m.namespaces);
  if (namespaces !== undefined) return { by: 'namespace', values: namespaces };
  return m.destinationPorts.length > 0 ? { by: 'port', values: m.destinationPorts } : undefined;
}

function exactValues(list: Match['principals']): readonly string[] | undefined {
  if (list.length === 0) return undefined;
  const values: string[] = [];
  for (const match of list) {
    if (match.kind !== 'exact') return undefined;
    values.push(match.value);
  }
  return values;
}
