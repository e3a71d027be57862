/** All Telemetry objects, by what they are about; told object by object. */
import { Collection, type Index } from '../../derive/collection.ts';
import { type Condition, type ConditionTarget, conditionTarget } from '../../derive/outputs.ts';
import { type PolicyTarget, targetKey, WAYPOINT_CLASS } from '../../http-policy/derive/targets.ts';
import type { KubeObject, MeshConfig } from '../../kube-object.ts';
import type { TelemetryConfig } from '../model.ts';
import { mergeTelemetry } from './merge.ts';
import { namedProviders, readTelemetry, type TelemetryReading } from './read-telemetry.ts';

export type TelemetriesParts = {
  readonly config: () => MeshConfig;
  /** Says of an object what of it is not done; undefined: nothing. */
  readonly say: (target: ConditionTarget, condition: Condition | undefined) => void;
};

type Held = {
  readonly namespace: string;
  readonly name: string;
  /** The oldest of a namespace counts. */
  readonly age: string;
  readonly reading: TelemetryReading;
};

export type ServiceTarget = Pick<PolicyTarget, 'namespace' | 'name'> & { readonly kind: 'Service' | 'ServiceEntry' };

export class Telemetries {
  readonly #parts: TelemetriesParts;
  readonly #objects = new Map<string, KubeObject>();
  readonly #held = new Collection<Held>();
  readonly #at: Index<Held>;

  constructor(parts: TelemetriesParts) {
    this.#parts = parts;
    this.#at = this.#held.index(termsOf);
  }

  /** Called after each change of what is to be shown of anything. */
  follow(listener: () => void): void {
    this.#held.follow(listener);
  }

  /** A Telemetry object is new, changed, or gone (undefined). `key` is `namespace/name`. */
  note(key: string, object: KubeObject | undefined): void {
    if (object === undefined) this.#objects.delete(key);
    else this.#objects.set(key, object);
    const reading = object && readTelemetry(object, this.#parts.config().rootNamespace);
    const before = this.#held.get(key);
    const held = object && reading && heldOf(object, reading);
    this.#held.set(key, held);
    // The oldest may be another one now: all that are about the same learn of it.
    const peers = new Set([key]);
    for (const term of [before, held].flatMap((one) => (one === undefined ? [] : termsOf(one)))) {
      for (const peer of this.#at.of(term)) peers.add(keyOf(peer));
    }
    for (const peer of peers) this.#say(peer);
  }

  #say(key: string): void {
    const object = this.#objects.get(key);
    if (object !== undefined) this.#parts.say(conditionTarget(object), this.#conditionOf(this.#held.get(key)));
  }

  /** Reads everything again. */
  reconfigure(): void {
    for (const [key, object] of this.#objects) this.note(key, object);
  }

  /**
   * What a waypoint shows of requests for a service; without one, of those for workloads. What is aimed at the Gateway counts for all
   * that comes through it, also of other namespaces, where the reference overlooks it. Undefined: numbers, and no more.
   */
  of(
    gateway: Pick<PolicyTarget, 'namespace' | 'name'>,
    service: ServiceTarget | undefined,
  ): TelemetryConfig | undefined {
    const { rootNamespace, telemetry } = this.#parts.config();
    const namespaces = new Set([rootNamespace, gateway.namespace, service?.namespace ?? gateway.namespace]);
    const terms = [
      ...[...namespaces].map((namespace) => `Namespace ${namespace}`),
      targetKey({ kind: 'GatewayClass', namespace: '', name: WAYPOINT_CLASS }),
      targetKey({ kind: 'Gateway', namespace: gateway.namespace, name: gateway.name }),
      ...(service === undefined ? [] : [targetKey(service)]),
    ];
    return mergeTelemetry(
      telemetry,
      terms.flatMap((term) => oldest(this.#at.of(term))?.reading ?? []),
    );
  }

  #conditionOf(held: Held | undefined): Condition | undefined {
    if (held === undefined) return problem('no waypoint looks at selectors: name a Gateway or Service by targetRefs');
    const { reading } = held;
    const overruled = termsOf(held).flatMap((term) => {
      const other = oldest(this.#at.of(term));
      return other === undefined || other === held ? [] : [`${keyOf(other)} is about the same (${term}), and older`];
    });
    const { providers } = this.#parts.config().telemetry;
    const unusable = namedProviders(reading).flatMap((name) => {
      const known = providers.find((one) => one.name === name);
      if (known === undefined)
        return [`provider ${name}: no extensionProvider of the mesh configuration has that name`];
      return known.kind === 'unusable' ? [`provider ${name}: ${known.problem}`] : [];
    });
    const problems = [...overruled, ...reading.problems, ...unusable];
    return problems.length === 0 ? undefined : problem(`not all of it is done: ${problems.join('; ')}`);
  }
}

/** What it is about. */
function termsOf({ namespace, reading }: Held): readonly string[] {
  return reading.targets?.map(targetKey) ?? [`Namespace ${namespace}`];
}

const keyOf = ({ namespace, name }: Held): string => `${namespace}/${name}`;

function problem(message: string): Condition {
  return { status: 'False', reason: 'Invalid', message };
}

function heldOf({ metadata }: KubeObject, reading: TelemetryReading): Held {
  const { namespace = '', name, creationTimestamp } = metadata;
  return { namespace, name, age: typeof creationTimestamp === 'string' ? creationTimestamp : '', reading };
}

function oldest(all: Iterable<Held>): Held | undefined {
  let found: Held | undefined;
  for (const one of all) {
    const isOlder = found === undefined || one.age < found.age || (one.age === found.age && one.name < found.name);
    if (isOlder) found = one;
  }
  return found;
}
