/**
 * Rules found by what they ask for first. Most rules name callers, their addresses or ports; those are looked up, and only the
 * rest is tried one after the other, so ten thousand policies in scope cost about as much as the few that could match.
 */
import { compileCidr } from '../cidr.ts';
import type { Match, StringMatch } from '../model.ts';
import { type CompiledPolicy, type CompiledRule, ruleMatches } from './compile.ts';
import { AffixMap, RangeMap } from './prefix-maps.ts';
import type { Subject } from './subject.ts';

type Entry = { readonly order: number; readonly rule: CompiledRule };
/** In policy order. */
type Bucket = Entry[];

const newBucket = (): Bucket => [];

export class RuleIndex {
  readonly #byPrincipal = new Map<string, Bucket>();
  readonly #byPrincipalStart = new AffixMap<Bucket>('prefix');
  readonly #byPrincipalEnd = new AffixMap<Bucket>('suffix');
  readonly #byServiceAccount = new Map<string, Bucket>();
  readonly #byNamespace = new Map<string, Bucket>();
  readonly #bySource = new RangeMap<Bucket>();
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
    if (this.policies.length === 0) return undefined;
    let best = earliest(this.#rest, subject, undefined);
    for (const bucket of this.#found(subject)) best = earliest(bucket, subject, best);
    return best?.rule;
  }

  /** Every rule that matches, in policy order. */
  allMatches(subject: Subject): readonly CompiledRule[] {
    if (this.policies.length === 0) return [];
    const found = new Set<Entry>(); // a rule with alternatives may be found under several values
    for (const bucket of [this.#rest, ...this.#found(subject)]) {
      for (const entry of bucket) if (ruleMatches(entry.rule, subject)) found.add(entry);
    }
    return [...found].sort((a, b) => a.order - b.order).map(({ rule }) => rule);
  }

  #found(subject: Subject): readonly Bucket[] {
    const found: Bucket[] = [];
    const keep = (bucket: Bucket | undefined) => {
      if (bucket !== undefined) found.push(bucket);
    };
    if (subject.principal !== '') {
      keep(this.#byPrincipal.get(subject.principal));
      keep(this.#byServiceAccount.get(subject.serviceAccount));
      found.push(
        ...this.#byPrincipalStart.within(subject.principal),
        ...this.#byPrincipalEnd.within(subject.principal),
      );
    }
    if (subject.waypoint !== undefined) {
      keep(this.#byPrincipal.get(subject.waypoint.principal));
      keep(this.#byServiceAccount.get(subject.waypoint.serviceAccount));
    }
    keep(this.#byNamespace.get(subject.namespace));
    keep(this.#byPort.get(subject.port));
    if (!this.#bySource.isEmpty) found.push(...this.#bySource.containing(subject.from));
    return found;
  }

  #add(entry: Entry): void {
    if (entry.rule.clauses.some((clause) => clause.length === 0)) return; // can never match
    const pinning = entry.rule.clauses.find((clause) => clause.every(({ written }) => isPinned(written)));
    if (pinning === undefined) this.#rest.push(entry);
    else for (const { written } of pinning) for (const bucket of this.#bucketsOf(written)) push(bucket, entry);
  }

  /** Where a connection that a match is about is sure to look. The most telling field counts. */
  #bucketsOf(m: Match): readonly Bucket[] {
    if (isWritten(m.principals)) return m.principals.map((principal) => this.#bucketOfPrincipal(principal));
    if (m.serviceAccounts.length > 0) {
      return m.serviceAccounts.map((a) => bucketOf(this.#byServiceAccount, `${a.namespace}/${a.serviceAccount}`));
    }
    if (isExact(m.namespaces)) {
      return m.namespaces.map((namespace) =>
        bucketOf(this.#byNamespace, namespace.kind === 'exact' ? namespace.value : ''),
      );
    }
    if (m.sourceIps.length > 0) return m.sourceIps.map((r) => this.#bySource.getOrAdd(compileCidr(r), newBucket));
    return m.destinationPorts.map((port) => bucketOf(this.#byPort, port));
  }

  #bucketOfPrincipal(principal: StringMatch): Bucket {
    switch (principal.kind) {
      case 'exact':
        return bucketOf(this.#byPrincipal, principal.value);
      case 'prefix':
        return this.#byPrincipalStart.getOrAdd(principal.value, newBucket);
      case 'suffix':
        return this.#byPrincipalEnd.getOrAdd(principal.value, newBucket);
      case 'presence':
        return this.#byPrincipalEnd.getOrAdd('', newBucket);
      default:
        return principal satisfies never;
    }
  }
}

function earliest(bucket: Bucket, subject: Subject, best: Entry | undefined): Entry | undefined {
  for (const entry of bucket) {
    if (best !== undefined && entry.order >= best.order) return best;
    if (ruleMatches(entry.rule, subject)) return entry;
  }
  return best;
}

function push(bucket: Bucket, entry: Entry): void {
  if (bucket.at(-1) !== entry) bucket.push(entry); // two matches of a rule may name the same value
}

function bucketOf<K>(map: Map<K, Bucket>, key: K): Bucket {
  let bucket = map.get(key);
  if (bucket === undefined) {
    bucket = newBucket();
    map.set(key, bucket);
  }
  return bucket;
}

/** Whether something that can be looked up must hold for the match to hold. */
function isPinned(m: Match): boolean {
  const named = m.serviceAccounts.length + m.sourceIps.length + m.destinationPorts.length > 0;
  return named || isWritten(m.principals) || isExact(m.namespaces);
}

function isWritten(list: Match['principals']): boolean {
  return list.length > 0 && list.every(({ kind }) => kind !== 'presence');
}

function isExact(list: Match['namespaces']): boolean {
  return list.length > 0 && list.every(({ kind }) => kind === 'exact');
}
