/** All policies for waypoints, by what they are attached to; told object by object. */
import { Collection, type Index } from '../../derive/collection.ts';
import { type ConditionTarget, conditionTarget } from '../../derive/outputs.ts';
import type { KubeObject, MeshConfig } from '../../kube-object.ts';
import type { HttpPolicy, JwtAuthentication } from '../model.ts';
import { type HttpPolicyReading, readHttpPolicy } from './http-policy.ts';
import { type AuthenticationReading, readRequestAuthentication } from './request-authentication.ts';
import { type PolicyTarget, targetKey, WAYPOINT_CLASS } from './targets.ts';

/** What is attached to one target, sorted by namespace and name. */
export type AttachedPolicies = {
  readonly policies: readonly HttpPolicy[];
  readonly authentications: readonly JwtAuthentication[];
};

/** An AuthorizationPolicy or a RequestAuthentication. */
export type HeldPolicy = Held<HttpPolicyReading> | Held<AuthenticationReading>;

/** Not the object itself, which changes with each word of its status. */
type Held<Reading extends HttpPolicyReading | AuthenticationReading> = {
  readonly object: ConditionTarget;
  readonly reading: Reading;
};

export class HttpPolicies {
  #config: MeshConfig;
  readonly #objects = { policies: new Map<string, KubeObject>(), authentications: new Map<string, KubeObject>() };
  readonly #policies = new Collection<Held<HttpPolicyReading>>();
  readonly #authentications = new Collection<Held<AuthenticationReading>>();
  readonly #policiesAt: Index<Held<HttpPolicyReading>>;
  readonly #authenticationsAt: Index<Held<AuthenticationReading>>;
  readonly #listeners: ((target: PolicyTarget) => void)[] = [];

  constructor(config: MeshConfig) {
    this.#config = config;
    this.#policiesAt = this.#policies.index(targetsOf);
    this.#authenticationsAt = this.#authentications.index(targetsOf);
    this.#policies.follow(({ old, next }) => this.#tell(old?.reading, next?.reading));
    this.#authentications.follow(({ old, next }) => this.#tell(old?.reading, next?.reading));
  }

  /** Reads everything again. */
  reconfigure(config: MeshConfig): void {
    this.#config = config;
    for (const [key, object] of this.#objects.policies) this.note(key, object);
    for (const [key, object] of this.#objects.authentications) this.noteAuthentication(key, object);
  }

  /** An AuthorizationPolicy is new, changed, or gone (undefined). `key` is `namespace/name`. */
  note(key: string, object: KubeObject | undefined): void {
    const reading = object && readHttpPolicy(object, this.#config);
    hold(this.#objects.policies, key, reading && object);
    this.#policies.set(key, object && reading && { object: conditionTarget(object), reading });
  }

  /** The same for a RequestAuthentication. */
  noteAuthentication(key: string, object: KubeObject | undefined): void {
    const reading = object && readRequestAuthentication(object, this.#config);
    hold(this.#objects.authentications, key, reading && object);
    this.#authentications.set(key, object && reading && { object: conditionTarget(object), reading });
  }

  /** Called after each change of what is attached to a target, and of what can not be read there. */
  follow(listener: (target: PolicyTarget) => void): void {
    this.#listeners.push(listener);
  }

  ofService(namespace: string, name: string): AttachedPolicies {
    return this.#of({ kind: 'Service', namespace, name });
  }

  ofServiceEntry(namespace: string, name: string): AttachedPolicies {
    return this.#of({ kind: 'ServiceEntry', namespace, name });
  }

  /** Only what names it: what is attached to its class comes besides. */
  ofGateway(namespace: string, name: string): AttachedPolicies {
    return this.#of({ kind: 'Gateway', namespace, name });
  }

  /** For all waypoints. */
  ofClass(): AttachedPolicies {
    return this.#of({ kind: 'GatewayClass', namespace: '', name: WAYPOINT_CLASS });
  }

  /** Objects that are attached there, and what became of them. */
  heldAt(target: PolicyTarget): readonly HeldPolicy[] {
    const key = targetKey(target);
    return [...this.#policiesAt.of(key), ...this.#authenticationsAt.of(key)];
  }

  /** All there is. */
  held(): readonly HeldPolicy[] {
    return [...this.#policies.values(), ...this.#authentications.values()];
  }

  /** An AuthorizationPolicy for waypoints, by `namespace/name`. */
  policy(key: string): Held<HttpPolicyReading> | undefined {
    return this.#policies.get(key);
  }

  /** A RequestAuthentication for waypoints, by `namespace/name`. */
  authentication(key: string): Held<AuthenticationReading> | undefined {
    return this.#authentications.get(key);
  }

  #of(target: PolicyTarget): AttachedPolicies {
    const key = targetKey(target);
    return {
      policies: [...this.#policiesAt.of(key)].map(({ reading }) => reading.policy).sort(byName),
      authentications: [...this.#authenticationsAt.of(key)].map(({ reading }) => reading.authentication).sort(byName),
    };
  }

  #tell(...readings: readonly ({ readonly targets: readonly PolicyTarget[] } | undefined)[]): void {
    const targets = new Map(
      readings.flatMap((reading) => (reading?.targets ?? []).map((target) => [targetKey(target), target])),
    );
    for (const target of targets.values()) for (const listener of this.#listeners) listener(target);
  }
}

function targetsOf({ reading }: HeldPolicy): readonly string[] {
  return reading.targets.map(targetKey);
}

function hold(objects: Map<string, KubeObject>, key: string, object: KubeObject | undefined): void {
  if (object === undefined) objects.delete(key);
  else objects.set(key, object);
}

type Named = { readonly namespace: string; readonly name: string };

function byName(a: Named, b: Named): number {
  const [x, y] = [`${a.namespace}/${a.name}`, `${b.namespace}/${b.name}`];
  return x < y ? -1 : x > y ? 1 : 0;
}
