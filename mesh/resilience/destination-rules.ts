/** Which DestinationRule counts for a service, as a waypoint sees it (waypoint.md section 3.2). */
import { Collection } from '../derive/collection.ts';
import type { Condition, ConditionTarget } from '../derive/outputs.ts';
import type { KubeObject, MeshConfig } from '../kube-object.ts';
import { type DestinationRuleFacts, type PolicyFacts, readDestinationRule } from './destination-rule.ts';
import type { BackendPolicy } from './model.ts';

export type DestinationRulesParts = {
  readonly config: () => MeshConfig;
  /** Says on the object what became of it. */
  readonly say: (target: ConditionTarget, condition: Condition | undefined) => void;
};

export class DestinationRules {
  readonly #parts: DestinationRulesParts;
  readonly #rules = new Collection<DestinationRuleFacts>();
  readonly #byHost = this.#rules.index((rule) => [this.#fullHost(rule)]);
  readonly #followers: (() => void)[] = [];

  constructor(parts: DestinationRulesParts) {
    this.#parts = parts;
    this.#rules.follow(() => {
      for (const follower of this.#followers) follower();
    });
  }

  /** An object is new, changed or (undefined) gone. `key` is `namespace/name`. */
  note(key: string, object: KubeObject | undefined): void {
    const reading = object && readDestinationRule(object);
    const facts = reading?.kind === 'facts' ? reading.facts : undefined;
    this.#rules.set(key, facts);
    if (object === undefined) return;
    if (reading?.kind === 'invalid') this.#parts.say(object, refused(reading.problem));
    else if (facts !== undefined) this.#parts.say(facts.target, conditionOf(facts));
  }

  /** Told whenever any rule is another than before. */
  follow(follower: () => void): void {
    this.#followers.push(follower);
  }

  /**
   * How a waypoint of `gatewayNamespace` treats a service: rules of the waypoint's namespace first, then of the service's, then of the
   * root namespace; in each the exact host before a wildcard, the longer wildcard before the shorter, the older before the younger.
   */
  of(
    gatewayNamespace: string,
    service: { readonly namespace: string; readonly hostname: string },
  ): readonly BackendPolicy[] {
    const { rootNamespace } = this.#parts.config();
    for (const namespace of new Set([gatewayNamespace, service.namespace, rootNamespace])) {
      for (const host of spellings(service.hostname)) {
        const rule = this.#oldest(host, namespace, gatewayNamespace);
        if (rule !== undefined) return policiesOf(rule, `${service.namespace}/${service.hostname}`);
      }
    }
    return [];
  }

  #oldest(host: string, namespace: string, gatewayNamespace: string): DestinationRuleFacts | undefined {
    let oldest: DestinationRuleFacts | undefined;
    for (const rule of this.#byHost.of(host)) {
      if (rule.namespace !== namespace || !isExported(rule, gatewayNamespace)) continue;
      if (oldest === undefined || isOlder(rule, oldest)) oldest = rule;
    }
    return oldest;
  }

  /** A name without dots is a service of the rule's own namespace. */
  #fullHost({ host, namespace }: DestinationRuleFacts): string {
    if (host.includes('.') || host === '*') return host.toLowerCase();
    return `${host}.${namespace}.svc.${this.#parts.config().clusterDomain}`.toLowerCase();
  }
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

function isOlder(a: DestinationRuleFacts, b: DestinationRuleFacts): boolean {
  return a.created === b.created ? a.key < b.key : a.created < b.created;
}

function policiesOf({ policy, byPort }: DestinationRuleFacts, service: string): readonly BackendPolicy[] {
  const of = (port: number, facts: PolicyFacts): BackendPolicy => ({ service, port, ...facts });
  return [...(policy === undefined ? [] : [of(0, policy)]), ...[...byPort].map(([port, facts]) => of(port, facts))];
}

function refused(problem: string): Condition {
  return { status: 'False', reason: 'Invalid', message: problem };
}

/** Undefined where everything is done as written. */
function conditionOf({ policy, byPort, ignored }: DestinationRuleFacts): Condition | undefined {
  const refusals = [policy, ...byPort.values()].flatMap((one) => (one?.refusal ? [one.refusal] : []));
  if (refusals.length > 0) {
    return { status: 'False', reason: 'Unsupported', message: `nothing is sent to this host: ${refusals.join('; ')}` };
  }
  if (ignored.length === 0) return undefined;
  return { status: 'True', reason: 'PartiallyUnsupported', message: `without effect: ${ignored.join('; ')}` };
}
