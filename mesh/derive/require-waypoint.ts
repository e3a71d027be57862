/**
 * A waypoint that L7 policy hangs on cannot be gone around: for each service that asks for one and has such policy, an ordinary
 * DENY of whoever is not that waypoint, on the ports of the service's endpoints. It stands while the waypoint is not there, too.
 */
import type { HttpPolicies } from '../http-policy/derive/http-policies.ts';
import type { MeshConfig } from '../kube-object.ts';
import { type Authorization, authorizationKey, EMPTY_MATCH, type StringMatch, serviceKey } from '../model.ts';
import { requireWaypointName } from '../policy/require-waypoint.ts';
import { targetPorts } from './endpoint-ports.ts';
import { isEqual } from './equal.ts';
import type { Hosts } from './hosts.ts';
import type { Inputs } from './inputs.ts';
import { hostnameOf, type ServiceFacts } from './kube-service.ts';
import { policiesOfService, policiesOfWaypoint } from './l7-policies.ts';
import type { Condition, Outputs } from './outputs.ts';
import type { ServiceEntryFacts } from './service-entry.ts';
import { gatewayKey, REQUIRE_WAYPOINT } from './waypoint-wish.ts';
import type { WaypointBinding, Waypoints } from './waypoints.ts';

export const WAYPOINT_REQUIRED = 'ambit.io/WaypointRequired';

export type RequirementParts = {
  readonly config: () => MeshConfig;
  readonly inputs: Inputs;
  readonly hosts: Hosts;
  readonly waypoints: Waypoints;
  readonly httpPolicies: HttpPolicies;
  readonly outputs: Outputs;
};

type Facts = ServiceFacts | ServiceEntryFacts;
type Requirement = {
  readonly authorization: Authorization | undefined;
  /** Whose endpoints name it, `namespace/hostname`. */
  readonly services: readonly string[];
  readonly condition: Condition | undefined;
};

const NOT_REQUIRED: Requirement = { authorization: undefined, services: [], condition: undefined };

const NOTHING: ReadonlyMap<string, string> = new Map();

export class Requirements {
  readonly #parts: RequirementParts;
  /** Keys of policies by the services whose endpoints name them (`namespace/hostname`). */
  readonly #byService = new Map<string, string>();
  /** The part of {@link #byService} that comes of one object. */
  readonly #owned = new Map<string, ReadonlyMap<string, string>>();

  constructor(parts: RequirementParts) {
    this.#parts = parts;
  }

  /** Policies that an endpoint of these services names. */
  naming(services: ReadonlyMap<string, unknown>): readonly string[] {
    if (this.#byService.size === 0) return [];
    const named = new Set<string>();
    for (const key of services.keys()) {
      const policy = this.#byService.get(key);
      if (policy !== undefined) named.add(policy);
    }
    return [...named].sort();
  }

  /** As of when it was last looked at. */
  isRequired({ kind, key }: Pick<Facts, 'kind' | 'key'>): boolean {
    return this.#owned.has(`${kind} ${key}`);
  }

  /** Looks at one object anew. True: its endpoints are to name other policies than before. */
  derive(kind: Facts['kind'], key: string): boolean {
    const { inputs, outputs } = this.#parts;
    const facts = kind === 'Service' ? inputs.services.get(key) : inputs.serviceEntries.get(key);
    const { authorization, services, condition } = facts === undefined ? NOT_REQUIRED : this.#of(facts);
    const owner = `${kind} ${key}`;
    outputs.authorizations.set(owner, authorization === undefined ? [] : [authorization]);
    if (facts !== undefined) outputs.setCondition(facts.target, WAYPOINT_REQUIRED, condition);
    const policy = authorization && authorizationKey(authorization);
    const named = new Map(policy === undefined ? [] : services.map((service) => [service, policy]));
    const before = this.#owned.get(owner) ?? NOTHING;
    if (isEqual(before, named)) return false;
    for (const [service, policy] of before) {
      // Its next owner may have come first.
      if (this.#byService.get(service) === policy) this.#byService.delete(service);
    }
    for (const [service, policy] of named) this.#byService.set(service, policy);
    if (named.size === 0) this.#owned.delete(owner);
    else this.#owned.set(owner, named);
    return true;
  }

  /** `namespace/hostname` of each. */
  #servicesOf(facts: Facts): readonly string[] {
    const { config, hosts } = this.#parts;
    const { namespace } = facts;
    const names = facts.kind === 'Service' ? [hostnameOf(facts, config())] : hosts.servedBy(facts);
    return names.map((hostname) => serviceKey({ namespace, hostname }));
  }

  #of(facts: Facts): Requirement {
    const { inputs, waypoints, httpPolicies, hosts } = this.#parts;
    const { namespace } = facts;
    const wish = facts.waypoint ?? inputs.namespaces.get(namespace)?.waypoint;
    if (wish === undefined || wish.optOut) return NOT_REQUIRED;
    const isPrivate = facts.kind === 'ServiceEntry' && hosts.visibilityOf(facts) === 'NAMESPACE';
    const binding = waypoints.bind({ namespace, waypoint: facts.waypoint, traffic: 'service', isPrivate });
    const asked = gatewayKey(wish, namespace);
    const own = policiesOfService(httpPolicies, facts);
    // A waypoint for other traffic has policy about that: it says nothing about services, which do not come through it.
    const isForOthers = binding.kind === 'unbound' && binding.reason === 'UnsupportedTrafficType';
    const shared = isForOthers ? [] : policiesOfWaypoint(httpPolicies, namesIn(asked), inputs.gateways.get(asked));
    const names = new Set([...own, ...shared].map(({ object }) => formatPolicy(object)));
    const services = names.size === 0 ? [] : this.#servicesOf(facts);
    if (services.length === 0) return NOT_REQUIRED;
    const because = listed([...names].sort());
    if (!facts.requiresWaypoint) {
      const message = `annotation ${REQUIRE_WAYPOINT} is false: who goes around waypoint ${asked} meets nothing of ${because}`;
      return { ...NOT_REQUIRED, condition: { status: 'False', reason: 'OptedOut', message } };
    }
    const ports = targetPorts(inputs, facts);
    if (ports.length === 0) {
      const message = `no endpoint in the mesh serves its ports, and who dials others around waypoint ${asked} meets nothing of ${because}`;
      return { ...NOT_REQUIRED, condition: { status: 'False', reason: 'NoPorts', message } };
    }
    const accounts = this.#accounts(asked, binding);
    return {
      services,
      authorization: this.#authorization(facts, accounts, ports),
      condition: required({ asked, binding, accounts, ports, because }),
    };
  }

  /** `namespace/account` of the waypoint, also of one that does not exist yet, and of its canary. */
  #accounts(asked: string, binding: WaypointBinding): readonly string[] {
    const canary = binding.kind === 'bound' && binding.canary?.kind === 'canary' ? [binding.canary.gateway.key] : [];
    const accounts = [asked, ...canary].map((key) => {
      const { namespace, name } = namesIn(key);
      return `${namespace}/${this.#parts.inputs.gateways.get(key)?.account ?? name}`;
    });
    return [...new Set(accounts)];
  }

  #authorization(facts: Facts, accounts: readonly string[], ports: readonly number[]): Authorization {
    const { trustDomain, trustDomainAliases } = this.#parts.config();
    const principals = accounts.flatMap((account) => {
      const [namespace = '', name = ''] = account.split('/');
      const inDomain = (domain: string): StringMatch => ({
        kind: 'exact',
        value: `${domain}/ns/${namespace}/sa/${name}`,
      });
      return [trustDomain, ...trustDomainAliases].map(inDomain);
    });
    return {
      name: requireWaypointName(facts.namespace, facts.name, facts.kind),
      namespace: facts.namespace,
      scope: 'WORKLOAD_SELECTOR',
      action: 'DENY',
      rules: [{ clauses: [{ matches: [{ ...EMPTY_MATCH, notPrincipals: principals, destinationPorts: ports }] }] }],
      dryRun: false,
    };
  }
}

function required(o: {
  readonly asked: string;
  readonly binding: WaypointBinding;
  readonly accounts: readonly string[];
  readonly ports: readonly number[];
  readonly because: string;
}): Condition {
  const { asked, binding, accounts, ports, because } = o;
  const where = `port${ports.length === 1 ? '' : 's'} ${listed(ports.map(String))}`;
  const who = `only service account ${accounts.join(' and ')} (waypoint ${asked}) reaches ${where} of its endpoints`;
  const why = `because of ${because}; annotation ${REQUIRE_WAYPOINT}: "false" lifts this`;
  if (binding.kind !== 'unbound') return { status: 'True', reason: 'PolicyAttached', message: `${who}, ${why}` };
  const message = `everybody is denied, since ${binding.message}: ${who}, ${why}`;
  return { status: 'True', reason: 'WaypointUnavailable', message };
}

/** A condition's message is bounded, and the rest of a long list says nothing new. */
const MAX_LISTED = 8;

function listed(items: readonly string[]): string {
  const more = items.length - MAX_LISTED;
  return [...items.slice(0, MAX_LISTED), ...(more > 0 ? [`${more} more`] : [])].join(', ');
}

function formatPolicy({ kind, metadata }: { kind: string; metadata: { namespace?: string; name: string } }): string {
  return `${kind} ${metadata.namespace ?? ''}/${metadata.name}`;
}

/** Of `namespace/name`. */
function namesIn(key: string): { readonly namespace: string; readonly name: string } {
  const slash = key.indexOf('/');
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}
