/** What tests ask of a deriver: a workload or a service by its key, in a few words. */
import { DEFAULT_MESH_CONFIG, type Delta, type KubeObject, type MeshConfig } from '../kube-object.ts';
import type { GatewayAddress, Service, Workload } from '../model.ts';
import { Deriver } from './deriver.ts';

export function deriverOf(objects: readonly KubeObject[], config: Partial<MeshConfig> = {}): Deriver {
  const deriver = new Deriver({ ...DEFAULT_MESH_CONFIG, ...config });
  deriver.applyAll(objects);
  return deriver;
}

export function workloadAt(deriver: Deriver, uid: string): Workload {
  const address = deriver.addresses.get(uid);
  if (address?.kind === 'workload') return address.workload;
  throw new Error(`no workload ${uid} among ${[...deriver.addresses.keys()]}`);
}

export function serviceAt(deriver: Deriver, key: string): Service {
  const address = deriver.addresses.get(key);
  if (address?.kind === 'service') return address.service;
  throw new Error(`no service ${key} among ${[...deriver.addresses.keys()]}`);
}

/** `8080>80` for each service port and its target, by service. */
export function portsOf(workload: Workload): Readonly<Record<string, string>> {
  return Object.fromEntries(
    [...workload.services].map(([key, ports]) => [key, ports.map((p) => `${p.servicePort}>${p.targetPort}`).join(' ')]),
  );
}

export function addressesOf(service: Service): readonly string[] {
  return service.addresses.map(({ address, length }) => (length === undefined ? address : `${address}/${length}`));
}

/** `app/w.app.svc.cluster.local` or an address. */
export function waypointText(gateway: GatewayAddress | undefined): string | undefined {
  if (gateway === undefined) return undefined;
  const { destination } = gateway;
  return destination.kind === 'address' ? destination.address : `${destination.namespace}/${destination.hostname}`;
}

/** `status reason message` of the last condition of a type that a delta says about an object. */
export function conditionIn(delta: Delta, type: string): string | undefined {
  const found = delta.conditions.findLast((condition) => condition.type === type);
  return found?.status && `${found.status} ${found.reason}: ${found.message}`;
}
