/** What each waypoint needs of the addresses, kept from what it is told. */
import { type Address, gatewayOfResource, type WaypointResource } from '../../mesh/index.ts';
import type { WaypointScope } from './access.ts';

type Needs = { readonly resources: Map<string, WaypointResource>; readonly references: Map<string, number> };

export class WaypointNeeds implements WaypointScope {
  readonly #addresses: () => ReadonlyMap<string, Address>;
  readonly #byGateway = new Map<string, Needs>();

  /** `addresses`: all that are derived now, by resource name. */
  constructor(addresses: () => ReadonlyMap<string, Address>) {
    this.#addresses = addresses;
  }

  /** Takes over a change of what waypoints are told. */
  apply(change: { readonly upserted: readonly WaypointResource[]; readonly removed: readonly string[] }): void {
    for (const resource of change.upserted) {
      this.#remove(resource.name);
      this.#add(resource);
    }
    for (const name of change.removed) this.#remove(name);
  }

  exists(gateway: string): boolean {
    return this.#byGateway.get(gateway)?.resources.has(gateway) === true;
  }

  /** A service that is referred to, an endpoint of one, or a workload that is bound itself. */
  needs(gateway: string, name: string): boolean {
    const needs = this.#byGateway.get(gateway);
    if (needs === undefined) return false;
    if (needs.references.has(name)) return true;
    const address = this.#addresses().get(name);
    if (address?.kind !== 'workload') return false;
    for (const service of address.workload.services.keys()) if (needs.references.has(service)) return true;
    return false;
  }

  #add(resource: WaypointResource): void {
    const gateway = gatewayOfResource(resource.name);
    let needs = this.#byGateway.get(gateway);
    if (needs === undefined) {
      needs = { resources: new Map(), references: new Map() };
      this.#byGateway.set(gateway, needs);
    }
    needs.resources.set(resource.name, resource);
    for (const key of referencesOf(resource)) needs.references.set(key, (needs.references.get(key) ?? 0) + 1);
  }

  #remove(name: string): void {
    const gateway = gatewayOfResource(name);
    const needs = this.#byGateway.get(gateway);
    const resource = needs?.resources.get(name);
    if (needs === undefined || resource === undefined) return;
    needs.resources.delete(name);
    for (const key of referencesOf(resource)) {
      const left = (needs.references.get(key) ?? 1) - 1;
      if (left === 0) needs.references.delete(key);
      else needs.references.set(key, left);
    }
    if (needs.resources.size === 0) this.#byGateway.delete(gateway);
  }
}

function referencesOf({ gateway, service, workload }: WaypointResource): readonly string[] {
  return service?.references ?? gateway?.references ?? (workload === undefined ? [] : [workload.uid]);
}
