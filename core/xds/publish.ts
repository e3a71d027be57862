/** From what the pipeline derived to what the stores serve. */
import { type Address, type Authorization, addressKey, authorizationKey, type Delta } from '../../mesh/index.ts';
import { encodeAddress } from './address-codec.ts';
import { encodeAuthorization } from './authorization-codec.ts';
import type { ResourceStore } from './resource-store.ts';
import { encodeWaypoint } from './waypoint-codec.ts';

export type MeshStores = {
  readonly addresses: ResourceStore;
  readonly authorizations: ResourceStore;
  readonly waypoints: ResourceStore;
};

/** Puts a delta into the stores. The order towards clients is the discovery service's business, not the caller's. */
export function publishDelta(
  stores: MeshStores,
  delta: Pick<Delta, 'addresses' | 'authorizations' | 'waypoints'>,
): void {
  for (const authorization of delta.authorizations.upserted) setAuthorization(stores.authorizations, authorization);
  for (const resource of delta.waypoints.upserted) stores.waypoints.set(resource.name, encodeWaypoint(resource));
  for (const address of delta.addresses.upserted) setAddress(stores.addresses, address);
  for (const name of delta.addresses.removed) stores.addresses.delete(name);
  for (const name of delta.waypoints.removed) stores.waypoints.delete(name);
  for (const name of delta.authorizations.removed) stores.authorizations.delete(name);
}

export function setAddress(store: ResourceStore, address: Address): void {
  store.set(addressKey(address), encodeAddress(address), {
    aliases: aliasesOf(address),
    groups: address.kind === 'workload' ? [...address.workload.services.keys()] : [],
  });
}

export function setAuthorization(store: ResourceStore, authorization: Authorization): void {
  store.set(authorizationKey(authorization), encodeAuthorization(authorization));
}

function aliasesOf(address: Address): readonly string[] {
  if (address.kind === 'workload') {
    const { network, addresses } = address.workload;
    return addresses.map((ip) => `${network}/${ip}`);
  }
  return address.service.addresses.map(({ network, address: ip, length }) =>
    length === undefined ? `${network}/${ip}` : `${network}/${ip}/${length}`,
  );
}
