/** What a waypoint's Gateway says of itself (controller.md section 4.7). Pure. */
import { isDeepStrictEqual } from 'node:util';
import type { KubeObject } from '../../mesh/index.ts';
import type { Condition } from '../kube/status-writer.ts';
import { judgeListener, type ListenerVerdict } from './listeners.ts';
import { ADDRESS_TYPE, HBONE_PORT } from './names.ts';
import type { Plan } from './plan.ts';
import type { WaypointWish } from './wish.ts';

type Address = { readonly type: 'IPAddress' | 'Hostname'; readonly value: string };

/** What became of the plan. */
export type Outcome =
  | { readonly kind: 'done' }
  /** An object of that name is somebody else's, or the API server did not take ours. */
  | { readonly kind: 'blocked'; readonly message: string };

export type World = {
  readonly service: KubeObject | undefined;
  readonly deployment: KubeObject | undefined;
  readonly clusterDomain: string;
};

export type GatewayStatus = {
  readonly addresses: readonly Address[];
  readonly conditions: readonly Condition[];
  readonly listeners: readonly {
    readonly name: string;
    readonly supportedKinds: ListenerVerdict['supportedKinds'];
    readonly attachedRoutes: number;
    readonly conditions: readonly Condition[];
  }[];
};

type Finding = { readonly status: 'True' | 'False'; readonly reason: string; readonly message: string };
const yes = (reason: string, message: string): Finding => ({ status: 'True', reason, message });
const no = (reason: string, message: string): Finding => ({ status: 'False', reason, message });

/**
 * The status as it should be; what has not changed keeps its times. Addresses that were given once are kept: taking them away
 * would lead callers past the waypoint, and past its policies.
 */
export function gatewayStatus(
  gateway: KubeObject,
  wish: WaypointWish,
  plan: Plan,
  outcome: Outcome,
  world: World,
  now: string,
): GatewayStatus {
  const present = presentStatus(gateway);
  const programmed = programmedOf(wish, plan, outcome, world, present.addresses.length > 0);
  const reached = programmed.status === 'True' ? addressesOf(wish, plan, world) : [];
  const conditions = (old: readonly Condition[], findings: Readonly<Record<string, Finding>>): readonly Condition[] =>
    Object.entries(findings).map(([type, finding]) => {
      const before = old.find((condition) => condition.type === type);
      const lastTransitionTime = before?.status === finding.status ? before.lastTransitionTime : now;
      return { type, ...finding, lastTransitionTime, observedGeneration: wish.generation };
    });
  const verdicts = wish.listeners.map(judgeListener);
  return {
    addresses: reached.length > 0 ? reached : present.addresses,
    conditions: conditions(present.conditions, {
      Accepted: acceptedOf(plan, verdicts),
      Programmed: programmed,
      ResolvedRefs: yes('ResolvedRefs', 'All references resolved'),
    }),
    listeners: verdicts.map((verdict) => {
      const before = present.listeners.find(({ name }) => name === verdict.name);
      const { name, supportedKinds } = verdict;
      const findings = listenerFindings(verdict);
      return { name, supportedKinds, attachedRoutes: 0, conditions: conditions(before?.conditions ?? [], findings) };
    }),
  };
}

/** Whether what stands is what should; conditions of others do not count. */
export function isSameStatus(gateway: KubeObject, wanted: GatewayStatus): boolean {
  const types = new Set(wanted.conditions.map(({ type }) => type));
  const present = presentStatus(gateway);
  const conditions = present.conditions.filter(({ type }) => types.has(type));
  return isDeepStrictEqual(ordered({ ...present, conditions }), ordered(wanted));
}

/** Lists that the API server keeps by key have no order of their own. */
function ordered({ addresses, conditions, listeners }: GatewayStatus): GatewayStatus {
  const byType = (all: readonly Condition[]) => all.toSorted((a, b) => (a.type < b.type ? -1 : 1));
  return {
    addresses,
    conditions: byType(conditions),
    listeners: listeners
      .map((listener) => ({ ...listener, conditions: byType(listener.conditions) }))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

function presentStatus(gateway: KubeObject): GatewayStatus {
  const { addresses = [], conditions = [], listeners = [] } = (gateway['status'] ?? {}) as Partial<GatewayStatus>;
  return { addresses, conditions, listeners };
}

function acceptedOf(plan: Plan, listeners: readonly ListenerVerdict[]): Finding {
  if (plan.kind === 'refused') return no(plan.reason, plan.message);
  const bad = listeners.find(({ problem }) => problem !== undefined);
  if (bad !== undefined) return yes('ListenersNotValid', `listener ${bad.name}: ${bad.problem}`);
  return yes('Accepted', 'Resource accepted');
}

function programmedOf(wish: WaypointWish, plan: Plan, outcome: Outcome, world: World, isKnown: boolean): Finding {
  if (plan.kind === 'refused') return no('Invalid', plan.message);
  if (outcome.kind === 'blocked') return no('Invalid', outcome.message);
  const addresses = addressesOf(wish, plan, world);
  if (plan.kind === 'elsewhere') {
    if (addresses.length === 0) return no('AddressNotUsable', `there is no Service ${plan.service}`);
    return yes('Programmed', `Resource programmed, run by somebody else at ${plan.hostname}:${HBONE_PORT}`);
  }
  const service = hostnameOf(wish, plan.service, world);
  if (addresses.length === 0) return no('AddressNotAssigned', `Service ${service} has no address yet`);
  if (!isReady(world.deployment)) {
    const lost = 'its addresses are kept, so that nobody passes by it';
    return no('AddressNotAssigned', `no pod of Service ${service} is ready${isKnown ? `; ${lost}` : ' yet'}`);
  }
  return yes('Programmed', `Resource programmed, assigned to service(s) ${service}:${HBONE_PORT}`);
}

/** Whether a pod of it serves. */
export function isReady(deployment: KubeObject | undefined): boolean {
  const { readyReplicas = 0 } = (deployment?.['status'] ?? {}) as { readonly readyReplicas?: number };
  return readyReplicas > 0;
}

function addressesOf(wish: WaypointWish, plan: Plan, world: World): readonly Address[] {
  if (plan.kind === 'refused') return [];
  if (plan.kind === 'elsewhere' && plan.service === undefined) return [{ type: 'Hostname', value: plan.hostname }];
  if (world.service === undefined) return [];
  const hostname: Address = {
    type: 'Hostname',
    value: plan.kind === 'elsewhere' ? plan.hostname : hostnameOf(wish, plan.service, world),
  };
  const outside = outsideAddresses(world.service);
  if (outside.length > 0) return outside;
  const inside = clusterAddresses(world.service);
  switch (wish.annotations[ADDRESS_TYPE]) {
    case 'Hostname':
      return [hostname];
    case 'IPAddress':
      return inside;
    default:
      // Without an address of its own the Service is not ready to be used by name either.
      return inside.length === 0 && plan.kind === 'objects' ? [] : [...inside, hostname];
  }
}

const hostnameOf = ({ namespace }: WaypointWish, service: string, { clusterDomain }: World) =>
  `${service}.${namespace}.svc.${clusterDomain}`;

function clusterAddresses(service: KubeObject): readonly Address[] {
  const { clusterIP, clusterIPs } = (service['spec'] ?? {}) as { clusterIP?: string; clusterIPs?: readonly string[] };
  const all = clusterIPs ?? (clusterIP === undefined ? [] : [clusterIP]);
  return all.filter((ip) => ip !== '' && ip !== 'None').map((value) => ({ type: 'IPAddress', value }));
}

function outsideAddresses(service: KubeObject): readonly Address[] {
  const { loadBalancer } = (service['status'] ?? {}) as {
    readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string; readonly hostname?: string }[] };
  };
  return (loadBalancer?.ingress ?? []).flatMap(({ ip, hostname }): readonly Address[] => {
    if (ip !== undefined && ip !== '') return [{ type: 'IPAddress', value: ip }];
    return hostname === undefined || hostname === '' ? [] : [{ type: 'Hostname', value: hostname }];
  });
}

function listenerFindings({ problem, unknownKinds }: ListenerVerdict): Readonly<Record<string, Finding>> {
  const good = 'No errors found';
  return {
    Accepted: problem === undefined ? yes('Accepted', good) : no('UnsupportedProtocol', problem),
    Programmed: problem === undefined ? yes('Programmed', good) : no('Invalid', problem),
    Conflicted: no('NoConflicts', good),
    ResolvedRefs:
      unknownKinds.length === 0
        ? yes('ResolvedRefs', good)
        : no('InvalidRouteKinds', `a waypoint knows no ${unknownKinds.join(', ')}`),
  };
}
