/** Which BackendTLSPolicy counts for which port of a service, and what each says of itself (waypoint.md sections 2.10, 2.12). */
import { oldestOf } from '../derive/age.ts';
import { Collection } from '../derive/collection.ts';
import { isEqual } from '../derive/equal.ts';
import type { KubeObject } from '../kube-object.ts';
import type { ServiceRef } from '../route/derive/facts.ts';
import type { RouteCondition, RouteStatus } from '../route/derive/status.ts';
import { type BackendTlsFacts, readBackendTlsPolicy, type TlsProblem, type TlsTarget } from './backend-tls-policy.ts';
import type { BackendUse } from './backend-uses.ts';
import type { BackendTls } from './model.ts';
import type { MaterialRef } from './tls-material.ts';
import { type MaterialLookup, materialsOf, missingRoots, tlsOf } from './tls-wish.ts';

/** Who says so, at each ancestor (waypoint.md section 2.1). */
export const POLICY_CONTROLLER = 'istio.io/mesh-controller';

/** Ports by their names, of a service that policies may be for. */
export type SectionedPorts = readonly { readonly name: string; readonly port: number }[];

export type BackendTlsPoliciesParts = {
  readonly material: MaterialLookup;
  /** Of a Service or ServiceEntry; undefined: there is none. */
  readonly ports: (ref: ServiceRef) => SectionedPorts | undefined;
  /** How waypoints send to its hosts; where none does so far, how one of its own namespace would. */
  readonly uses: (ref: ServiceRef) => readonly BackendUse[];
};

/** TLS, or why nothing may be sent. */
export type TlsVerdict = BackendTls | { readonly refusal: string };

export class BackendTlsPolicies {
  readonly #parts: BackendTlsPoliciesParts;
  readonly #policies = new Collection<BackendTlsFacts>();
  readonly #byTarget = this.#policies.index(({ targets }) => [...new Set(targets.map(({ ref }) => termOf(ref)))]);
  readonly #followers: (() => void)[] = [];
  /** Keys of policies whose status is to be looked at. */
  readonly #dirty = new Set<string>();
  readonly #said = new Map<string, RouteStatus>();

  constructor(parts: BackendTlsPoliciesParts) {
    this.#parts = parts;
    this.#policies.follow(({ key, old, next }) => {
      this.#dirty.add(key);
      // The others of its targets may win now, or lose.
      for (const one of [old, next]) for (const { ref } of one?.targets ?? []) this.targetChanged(ref);
      for (const follower of this.#followers) follower();
    });
  }

  /** An object is new, changed or (undefined) gone. `key` is `namespace/name`. */
  note(key: string, object: KubeObject | undefined): void {
    this.#policies.set(key, object && readBackendTlsPolicy(object));
  }

  /** Told whenever any policy is another than before. */
  follow(follower: () => void): void {
    this.#followers.push(follower);
  }

  /** A Service or ServiceEntry came, changed or went. */
  targetChanged(ref: ServiceRef): void {
    for (const { key } of this.#byTarget.of(termOf(ref))) this.#dirty.add(key);
  }

  /** Authorities came, changed or went. */
  materialChanged(): void {
    for (const key of this.#policies.keys()) this.#dirty.add(key);
  }

  /** Objects that hold what policies need. */
  *materials(): Generator<MaterialRef> {
    for (const { wish } of this.#policies.values()) yield* materialsOf(wish);
  }

  /** By port, for those ports that TLS is spoken with. */
  of(ref: ServiceRef, hostname: string): ReadonlyMap<number, TlsVerdict> {
    const verdicts = new Map<number, TlsVerdict>();
    for (const { name, port } of this.#parts.ports(ref) ?? []) {
      const policy = (name !== '' && this.#winner(ref, name)) || this.#winner(ref, '');
      if (policy) verdicts.set(port, this.#verdict(policy, hostname));
    }
    return verdicts;
  }

  /** Statuses that should now stand, of those policies for which they are not what they were. */
  takeStatuses(): readonly RouteStatus[] {
    const changes: RouteStatus[] = [];
    for (const key of this.#dirty) {
      const policy = this.#policies.get(key);
      const old = this.#said.get(key);
      if (policy === undefined) {
        this.#said.delete(key);
        if (old !== undefined) changes.push({ object: old.object, parents: [] });
        continue;
      }
      const parents = policy.targets.map((target) => ({
        parentRef: target.ancestor,
        conditions: this.#conditions(policy, target),
      }));
      const status: RouteStatus = { object: policy.target, parents };
      if (isEqual(old, status)) continue;
      this.#said.set(key, status);
      changes.push(status);
    }
    this.#dirty.clear();
    return changes;
  }

  /** The oldest that is for just this section. One that can not be had counts all the same: else another, or none, would. */
  #winner(ref: ServiceRef, sectionName: string): BackendTlsFacts | undefined {
    const term = termOf(ref);
    const isMeant = (target: TlsTarget) => target.sectionName === sectionName && termOf(target.ref) === term;
    return oldestOf(this.#byTarget.of(term), ({ isIgnored, targets }) => !isIgnored && targets.some(isMeant));
  }

  #verdict(policy: BackendTlsFacts, hostname: string): TlsVerdict {
    const { key, wish, problem } = policy;
    const tls = problem === undefined ? tlsOf(wish, hostname, this.#parts.material) : problem.message;
    return typeof tls === 'string' ? { refusal: `BackendTLSPolicy ${key}: ${tls}` } : tls;
  }

  #conditions(policy: BackendTlsFacts, target: TlsTarget): readonly RouteCondition[] {
    const { ref, sectionName } = target;
    const said = `${ref.kind} ${ref.namespace}/${ref.name}`;
    const no = (reason: string, message: string): RouteCondition => ({
      type: 'Accepted',
      status: 'False',
      reason,
      message,
    });
    if (policy.isIgnored)
      return [no('IgnoredByIstio', 'annotation istio.io/ignore-policy-attachment: waypoints do not follow it')];
    const missing = missingRoots(policy.wish, this.#parts.material);
    const problem = policy.problem ?? problemOf(policy, missing);
    const refs = refsCondition(problem, missing);
    const ports = this.#parts.ports(ref);
    if (ports === undefined) return [no('TargetNotFound', `${said} does not exist`), refs];
    if (sectionName !== '' && !ports.some(({ name }) => name === sectionName)) {
      return [no('TargetNotFound', `${said} has no port called ${sectionName}`), refs];
    }
    const winner = this.#winner(ref, sectionName);
    if (winner !== undefined && winner.key !== policy.key) {
      return [no('Conflicted', `${winner.key} is older and for the same`), refs];
    }
    const { overruled, isWhole } = overrulingOf(this.#portsOf(target, ports), this.#parts.uses(ref));
    if (isWhole) {
      const rules = listed(overruled.map(({ rule }) => rule));
      const message = `nothing of it has an effect: TLS with ${said} is what DestinationRule ${rules} says`;
      return [no('Conflicted', message), refs];
    }
    const places = overruled.map(({ rule, port, gatewayNamespace }) => {
      return `port ${port} for waypoints of ${gatewayNamespace} (DestinationRule ${rule})`;
    });
    const except = places.length === 0 ? '' : `, except where a rule decides about TLS: ${listed(places)}`;
    if (problem !== undefined) {
      return [no(problem.accepted, `nothing is sent to ${said}${except}: ${problem.message}`), refs];
    }
    const { options } = policy;
    const ignored = options.length === 0 ? '' : `; without effect: options ${listed(options)}`;
    const message = `waypoints that send to ${said} speak TLS with it${except}${ignored}`;
    return [{ type: 'Accepted', status: 'True', reason: 'Accepted', message }, refs];
  }

  /** Ports for which the policy that is for all of a target, or for one of its sections, counts if it is the oldest. */
  #portsOf({ ref, sectionName }: TlsTarget, ports: SectionedPorts): readonly number[] {
    const isMeant = (name: string) =>
      sectionName === '' ? name === '' || this.#winner(ref, name) === undefined : name === sectionName;
    return ports.filter(({ name }) => isMeant(name)).map(({ port }) => port);
  }
}

type Overruled = Pick<BackendUse, 'rule' | 'gatewayNamespace'> & { readonly port: number };

/** Where rules decide about these ports, and whether that is everywhere. */
function overrulingOf(ports: readonly number[], uses: readonly BackendUse[]) {
  const overruled = uses.flatMap((use) =>
    ports.flatMap((port): readonly Overruled[] => (use.overruled.includes(port) ? [{ ...use, port }] : [])),
  );
  return { overruled, isWhole: overruled.length > 0 && overruled.length === ports.length * uses.length };
}

/** Names and places in one message. */
const MOST_LISTED = 8;

/** Each once, in an order that hangs on nothing else: what is said must not change while nothing does. */
function listed(all: readonly string[]): string {
  const inOrder = [...new Set(all)].sort();
  const more = inOrder.length - MOST_LISTED;
  return `${inOrder.slice(0, MOST_LISTED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** Some authorities are enough; none are not. */
function problemOf({ wish }: BackendTlsFacts, missing: readonly string[]): TlsProblem | undefined {
  if (wish.roots.length === 0 || missing.length < wish.roots.length) return undefined;
  return { accepted: 'NoValidCACertificate', refs: 'InvalidCACertificateRef', message: missing.join('; ') };
}

function refsCondition(problem: TlsProblem | undefined, missing: readonly string[]): RouteCondition {
  const type = 'ResolvedRefs';
  if (problem?.refs !== undefined) return { type, status: 'False', reason: problem.refs, message: problem.message };
  if (missing.length > 0) {
    return {
      type,
      status: 'False',
      reason: 'InvalidCACertificateRef',
      message: `the others count: ${missing.join('; ')}`,
    };
  }
  return { type, status: 'True', reason: 'ResolvedRefs', message: 'all references are resolved' };
}

const termOf = ({ kind, namespace, name }: ServiceRef) => `${kind} ${namespace}/${name}`;
