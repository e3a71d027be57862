/** Which services are behind which waypoints, and what asks for one that it can not have: from what derivation made of both. */
import { fields, labelsOf, text, texts } from '../derive/read.ts';
import { WAYPOINT_BOUND } from '../derive/service-waypoint.ts';
import { waypointWish } from '../derive/waypoint-wish.ts';
import type { KubeObject } from '../kube-object.ts';
import { gatewayOfResource, type PortConfig } from '../l7/model.ts';
import { formatRef } from './finding.ts';
import type { World } from './world.ts';

export const GATEWAY = 'gateway.networking.k8s.io/Gateway';
export const GATEWAY_CLASS = 'gateway.networking.k8s.io/GatewayClass';
const WAYPOINT_CLASS = 'istio-waypoint';
const MESH_CONTROLLER = 'istio.io/mesh-controller';

export type BoundService = {
  /** `namespace/name`; the second is the one that is tried beside the first. */
  readonly gateways: readonly string[];
  readonly namespace: string;
  readonly hostname: string;
  readonly ports: readonly PortConfig[];
};

/** A wish that could not be fulfilled. */
export type Unfulfilled = {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly reason: string;
  readonly message: string;
};

export type Bindings = {
  /** By `namespace/hostname`. */
  readonly services: ReadonlyMap<string, BoundService>;
  /** By `Kind namespace/name` of who asks. */
  readonly unfulfilled: ReadonlyMap<string, Unfulfilled>;
};

const known = new WeakMap<World, Bindings>();

export function bindingsOf(world: World): Bindings {
  let bindings = known.get(world);
  if (bindings === undefined) {
    bindings = { services: boundServices(world), unfulfilled: unfulfilled(world) };
    known.set(world, bindings);
  }
  return bindings;
}

function boundServices({ model }: World): ReadonlyMap<string, BoundService> {
  const services = new Map<string, BoundService>();
  for (const [name, { service }] of model.deriver.waypoints) {
    if (service === undefined) continue;
    const { namespace, hostname, ports } = service;
    const key = `${namespace}/${hostname}`;
    const gateways = [...(services.get(key)?.gateways ?? []), gatewayOfResource(name)].sort();
    services.set(key, { gateways, namespace, hostname, ports });
  }
  return services;
}

function unfulfilled({ model }: World): ReadonlyMap<string, Unfulfilled> {
  const conditions = model.conditions.filter(({ type, status }) => type === WAYPOINT_BOUND && status === 'False');
  const objects = conditions.map(({ object: { kind, namespace, name }, reason, message }) => ({
    kind,
    namespace,
    name,
    reason,
    message,
  }));
  const pods = [...model.deriver.unboundPods].map(([key, { reason, message }]) => {
    const [namespace = '', name = ''] = key.split('/');
    return { kind: 'Pod', namespace, name, reason, message };
  });
  return new Map([...objects, ...pods].map((one) => [formatRef(one), one]));
}

/** What a Service, or each host of a ServiceEntry, is bound to; empty for what has no waypoint. */
export function boundTo(object: KubeObject, world: World): readonly BoundService[] {
  const { namespace = '', name } = object.metadata;
  const hosts =
    object.kind === 'Service'
      ? [`${name}.${namespace}.svc.${world.config.clusterDomain}`]
      : texts(fields(object['spec'])['hosts']);
  const { services } = bindingsOf(world);
  return hosts.flatMap((host) => services.get(`${namespace}/${host}`) ?? []);
}

/** Who says that the object uses a waypoint: itself, or its namespace. */
export function wisherOf(object: KubeObject, world: World): KubeObject | undefined {
  const { labels, namespace = '' } = object.metadata;
  if (waypointWish(labelsOf(labels)) !== undefined) return object;
  return world.find('/Namespace', '', namespace);
}

/** Whether the mesh runs it, as a waypoint. */
export function isWaypoint(gateway: KubeObject, world: World): boolean {
  const className = text(fields(gateway['spec'])['gatewayClassName']);
  const ofClass = world.find(GATEWAY_CLASS, '', className);
  return className === WAYPOINT_CLASS || text(fields(ofClass?.['spec'])['controllerName']) === MESH_CONTROLLER;
}
