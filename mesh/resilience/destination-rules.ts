/** Which DestinationRule counts for a service, as a waypoint sees it (waypoint.md section 3.2). */
import { isOlder, oldestOf } from '../derive/age.ts';
import { Collection } from '../derive/collection.ts';
import type { Condition, ConditionTarget } from '../derive/outputs.ts';
import type { KubeObject, MeshConfig } from '../kube-object.ts';
import { type DestinationRuleFacts, type PolicyFacts, readDestinationRule } from './destination-rule.ts';
import type { BackendPolicy, BackendTls } from './model.ts';
import type { MaterialRef } from './tls-material.ts';
import { type MaterialLookup, materialsOf, type TlsWish, tlsOf } from './tls-wish.ts';

export type DestinationRulesParts = {
  readonly config: () => MeshConfig;
  /** Keys and authorities, as far as they are known. */
  readonly material: MaterialLookup;
  /** What can not be had for the rule with this key, wherever it is followed. */
  readonly missing: (key: string) => readonly string[];
  /** Says on the object what became of it. */
  readonly say: (target: ConditionTarget, condition: Condition | undefined) => void;
};

/** `saysTls`: the rule has decided about TLS. */
export type RuledPolicy = { readonly policy: BackendPolicy; readonly saysTls: boolean };

/** What a rule makes of a service. */
export type Ruling = {
  /** Key of the rule; '': there is none. */
  readonly rule: string;
  readonly policies: readonly RuledPolicy[];
  /** What can not be had for it. */
  readonly missing: readonly string[];
};

const NO_RULING: Ruling = { rule: '', policies: [], missing: [] };

export class DestinationRules {
  readonly #parts: DestinationRulesParts;
  readonly #rules = new Collection<DestinationRuleFacts>();
  readonly #byHost = this.#rules.index((rule) => [this.#fullHost(rule)]);
  readonly #followers: (() => void)[] = [];
  /** Keys of rules whose condition is to be looked at. */
  readonly #dirty = new Set<string>();

  constructor(parts: DestinationRulesParts) {
    this.#parts = parts;
    this.#rules.follow(({ old, next }) => {
      // The others for its host may count now, or not any more.
      for (const one of [old, next]) {
        for (const { key } of one === undefined ? [] : this.#byHost.of(this.#fullHost(one))) this.#dirty.add(key);
      }
      for (const follower of this.#followers) follower();
    });
  }

  /** An object is new, changed or (undefined) gone. `key` is `namespace/name`. */
  note(key: string, object: KubeObject | undefined): void {
    const reading = object && readDestinationRule(object);
    this.#rules.set(key, reading?.kind === 'facts' ? reading.facts : undefined);
    if (object === undefined) return;
    if (reading?.kind === 'invalid') this.#parts.say(object, refused(reading.problem));
    if (reading?.kind === 'nothing') this.#parts.say(object, ABOUT_SIDECARS);
  }

  /** What can not be had for it may be something else now. */
  missingChanged(key: string): void {
    this.#dirty.add(key);
  }

  /** Has each rule that this may be another for say what became of it: when all that has changed is derived. */
  sayConditions(): void {
    for (const key of this.#dirty) {
      const rule = this.#rules.get(key);
      if (rule !== undefined) this.#parts.say(rule.target, this.#conditionOf(rule));
    }
    this.#dirty.clear();
  }

  /** Objects that hold what rules need. */
  *materials(): Generator<MaterialRef> {
    for (const { policy, byPort } of this.#rules.values()) {
      for (const one of [policy, ...byPort.values()]) if (one?.tls !== undefined) yield* materialsOf(one.tls);
    }
  }

  /** Told whenever any rule is another than before. */
  follow(follower: () => void): void {
    this.#followers.push(follower);
  }

  /**
   * How a waypoint of `gatewayNamespace` treats a service: rules of the waypoint's namespace first, then of the service's, then of the
   * root namespace; in each the exact host before a wildcard, the longer wildcard before the shorter, the older before the younger.
   */
  of(gatewayNamespace: string, service: { readonly namespace: string; readonly hostname: string }): Ruling {
    const { rootNamespace } = this.#parts.config();
    for (const namespace of new Set([gatewayNamespace, service.namespace, rootNamespace])) {
      for (const host of spellings(service.hostname)) {
        const rule = this.#oldest(host, namespace, gatewayNamespace);
        if (rule !== undefined) return this.#rulingOf(rule, gatewayNamespace, service);
      }
    }
    return NO_RULING;
  }

  #rulingOf(
    rule: DestinationRuleFacts,
    gatewayNamespace: string,
    { namespace, hostname }: { readonly namespace: string; readonly hostname: string },
  ): Ruling {
    const missing = new Set<string>();
    const of = (port: number, { tls: wish, saysTls, ...facts }: PolicyFacts): RuledPolicy => {
      const policy = { service: `${namespace}/${hostname}`, port, ...facts };
      if (wish === undefined || policy.refusal !== '') return { policy, saysTls };
      const tls = this.#tlsOf(wish, rule, gatewayNamespace, hostname);
      if (typeof tls !== 'string') return { policy: { ...policy, tls }, saysTls };
      missing.add(tls);
      return { policy: { ...policy, refusal: `DestinationRule ${rule.key}: ${tls}` }, saysTls };
    };
    const { policy, byPort } = rule;
    const policies = [
      ...(policy === undefined ? [] : [of(0, policy)]),
      ...[...byPort].map(([port, facts]) => of(port, facts)),
    ];
    return { rule: rule.key, policies, missing: [...missing] };
  }

  /** Who may write rules in a namespace may have its waypoints use its Secrets, and nobody else's. */
  #tlsOf(wish: TlsWish, rule: DestinationRuleFacts, gatewayNamespace: string, hostname: string): BackendTls | string {
    if (rule.namespace !== gatewayNamespace && materialsOf(wish).some(({ kind }) => kind === 'Secret')) {
      return `a waypoint of namespace ${gatewayNamespace} uses Secrets for rules of its own namespace only, and this rule is of ${rule.namespace}`;
    }
    return tlsOf(wish, hostname, this.#parts.material);
  }

  /** Undefined where everything is done as written. */
  #conditionOf(rule: DestinationRuleFacts): Condition | undefined {
    const { key, policy, byPort, ignored } = rule;
    const older = overrulerOf(rule, this.#byHost.of(this.#fullHost(rule)));
    if (older !== undefined) {
      const message = `nothing of it has an effect: DestinationRule ${older.key} is for the same host, and older`;
      return { status: 'False', reason: 'Conflicted', message };
    }
    const refusals = [policy, ...byPort.values()].flatMap((one) => (one?.refusal ? [one.refusal] : []));
    const missing = this.#parts.missing(key);
    if (refusals.length + missing.length > 0) {
      const message = `nothing is sent to this host: ${[...refusals, ...missing].join('; ')}`;
      return { status: 'False', reason: refusals.length > 0 ? 'Unsupported' : 'InvalidReference', message };
    }
    if (ignored.length === 0) return undefined;
    return { status: 'True', reason: 'PartiallyUnsupported', message: `without effect: ${ignored.join('; ')}` };
  }

  #oldest(host: string, namespace: string, gatewayNamespace: string): DestinationRuleFacts | undefined {
    const counts = (rule: DestinationRuleFacts) => rule.namespace === namespace && isExported(rule, gatewayNamespace);
    return oldestOf(this.#byHost.of(host), counts);
  }

  #fullHost(rule: DestinationRuleFacts): string {
    return fullHost(rule, this.#parts.config().clusterDomain);
  }
}

/** A name without dots is a service of the rule's own namespace. */
export function fullHost({ host, namespace }: DestinationRuleFacts, clusterDomain: string): string {
  if (host.includes('.') || host === '*') return host.toLowerCase();
  return `${host}.${namespace}.svc.${clusterDomain}`.toLowerCase();
}

/** Which of the rules for one host leaves `rule` nothing: an older one of its namespace, for all whom `rule` is for. */
export function overrulerOf(
  rule: DestinationRuleFacts,
  sameHost: Iterable<DestinationRuleFacts>,
): DestinationRuleFacts | undefined {
  const { namespace, exportTo } = rule;
  for (const other of sameHost) {
    if (other.namespace !== namespace || !isOlder(other, rule)) continue;
    const isForAll = other.exportTo.length === 0 || other.exportTo.includes('*');
    if (isForAll || (exportTo.length > 0 && exportTo.every((to) => to !== '*' && isExported(other, to)))) return other;
  }
  return undefined;
}

/** The name, then `*.` and its ends, from the longest to `*`. */
function* spellings(hostname: string): Generator<string> {
  const name = hostname.toLowerCase();
  yield name;
  for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) yield `*${name.slice(dot)}`;
  yield '*';
}

function isExported({ exportTo, namespace }: DestinationRuleFacts, to: string): boolean {
  if (exportTo.length === 0) return true;
  return exportTo.some((one) => one === '*' || one === to || (one === '.' && namespace === to));
}

const ABOUT_SIDECARS: Condition = {
  status: 'False',
  reason: 'Unsupported',
  message: 'nothing of it has an effect: workloadSelector is about some sidecars, and no waypoint follows such a rule',
};

function refused(problem: string): Condition {
  return { status: 'False', reason: 'Invalid', message: problem };
}
