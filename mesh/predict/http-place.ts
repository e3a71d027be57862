/** Which waypoint it is, and what it was told about the service or workload that is called. */
import { parseIp } from '../address.ts';
import type { OutboundDecision } from '../decide/decision.ts';
import { fields, list, text } from '../derive/read.ts';
import { getOrAdd } from '../derive/selector.ts';
import type { KubeObject } from '../kube-object.ts';
import { type GatewayConfig, gatewayOfResource, type PortConfig, type ServiceConfig } from '../l7/model.ts';
import { type GatewayAddress, serviceKey } from '../model.ts';
import { lookupOf } from './lookup.ts';
import type { MeshModel } from './model.ts';

const WAYPOINT_CLASS = 'istio-waypoint';
const MESH_CONTROLLER = 'istio.io/mesh-controller';

export type WaypointPlace = {
  /** `namespace/name` of its Gateway. */
  readonly key: string;
  readonly gateway: GatewayConfig;
  /** Absent for calls of a workload's own address. */
  readonly service?: ServiceConfig;
  readonly port?: PortConfig;
};

export type PlaceFound =
  | { readonly kind: 'place'; readonly place: WaypointPlace }
  /** Nobody here knows what it does. */
  | { readonly kind: 'foreign'; readonly because: string }
  | { readonly kind: 'refused'; readonly because: string };

export function waypointPlace(
  model: MeshModel,
  decision: Extract<OutboundDecision, { kind: 'hbone' }>,
  port: number,
): PlaceFound {
  const { because } = decision;
  if (because.code !== 'has-waypoint') return foreign('it is not known which waypoint it is');
  const { of, waypoint } = because;
  const names = toldOf(model).get('uid' in of ? of.uid : serviceKey(of)) ?? [];
  const name = names.find((one) => isAt(gatewayObject(model, gatewayOfResource(one)), waypoint));
  if (name === undefined) return foreign('nothing is known of what it was told');
  const key = gatewayOfResource(name);
  if (!isOurs(model, gatewayObject(model, key))) return foreign(`Gateway ${key} is run by another controller`);
  const gateway = model.deriver.waypoints.get(key)?.gateway;
  if (gateway === undefined) return foreign(`nothing is known of Gateway ${key}`);
  const service = model.deriver.waypoints.get(name)?.service;
  if (service === undefined) return { kind: 'place', place: { key, gateway } };
  const declared = service.ports.find((one) => one.port === port);
  if (declared === undefined) return { kind: 'refused', because: `service ${service.hostname} has no port ${port}` };
  return { kind: 'place', place: { key, gateway, service, port: declared } };
}

const foreign = (because: string): PlaceFound => ({ kind: 'foreign', because });

const known = new WeakMap<MeshModel, ReadonlyMap<string, readonly string[]>>();

/** Names of resources, by the key of the service, or the uid of the workload, that they are about. */
function toldOf(model: MeshModel): ReadonlyMap<string, readonly string[]> {
  let told = known.get(model);
  if (told === undefined) {
    const gathered = new Map<string, string[]>();
    for (const [name, { service, workload }] of model.deriver.waypoints) {
      const key = service === undefined ? workload?.uid : serviceKey(service);
      if (key !== undefined) getOrAdd(gathered, key, () => []).push(name);
    }
    told = gathered;
    known.set(model, told);
  }
  return told;
}

function gatewayObject(model: MeshModel, key: string): KubeObject | undefined {
  const [namespace = '', name = ''] = key.split('/');
  return lookupOf(model).gateway(namespace, name);
}

/** Whether that is its address: two waypoints may serve one service. */
function isAt(gateway: KubeObject | undefined, { destination }: GatewayAddress): boolean {
  const addresses = list(fields(gateway?.['status'])['addresses']).map((one) => text(fields(one)['value']));
  if (destination.kind === 'hostname') return addresses.includes(destination.hostname);
  return addresses.some((address) => parseIp(address) === destination.address);
}

function isOurs(model: MeshModel, gateway: KubeObject | undefined): boolean {
  const className = text(fields(gateway?.['spec'])['gatewayClassName']);
  if (className === WAYPOINT_CLASS) return true;
  return text(fields(lookupOf(model).gatewayClass(className)?.['spec'])['controllerName']) === MESH_CONTROLLER;
}
