/** Whom a pod's questions may be passed on to. */
import { type IpAddress, isLoopback } from '../address.ts';
import type { Workload } from '../model.ts';
import type { View } from '../view/view.ts';

/** A name server that is left out, and why. */
export type LeftOut = { readonly server: IpAddress; readonly because: 'loopback' | 'itself' };

/**
 * Name servers for the questions of a pod. One on loopback means the machine that the list is from, not the pod. One that is
 * the pod itself, or a service that the pod is an endpoint of, would ask us again, and so on without an end: the cluster's
 * DNS server, say, when it is a pod of the mesh.
 */
export function usableServers(
  view: View,
  client: Workload,
  servers: readonly IpAddress[],
  ownNetns: boolean,
): { readonly usable: readonly IpAddress[]; readonly leftOut: readonly LeftOut[] } {
  const usable: IpAddress[] = [];
  const leftOut: LeftOut[] = [];
  for (const server of servers) {
    if (!ownNetns && isLoopback(server)) leftOut.push({ server, because: 'loopback' });
    else if (isItself(view, client, server)) leftOut.push({ server, because: 'itself' });
    else usable.push(server);
  }
  return { usable, leftOut };
}

function isItself(view: View, client: Workload, server: IpAddress): boolean {
  if (client.networkMode !== 'HOST_NETWORK' && client.addresses.includes(server)) return true;
  const service = view.serviceByVip(client.network, server);
  return service !== undefined && view.endpoint(service, client.uid) !== undefined;
}
