/**
 * Which resources a change of facts concerns: the one table that keeps derivation incremental. Marking too much costs time,
 * marking too little is a bug that the tests of random histories find.
 */
import { isEqual } from './equal.ts';
import type { Hosts } from './hosts.ts';
import type { Inputs, Member } from './inputs.ts';
import type { ServiceFacts } from './kube-service.ts';
import type { ServiceEntryFacts } from './service-entry.ts';
import { GATEWAY_NAME_LABEL } from './waypoints.ts';

/** The kinds whose objects become addresses, or tell waypoints something. */
export type OwnerKind = 'Pod' | 'Service' | 'EndpointSlice' | 'WorkloadEntry' | 'ServiceEntry' | 'Gateway';
export type Mark = (kind: OwnerKind, key: string) => void;

export function followDependents(inputs: Inputs, hosts: Hosts, mark: Mark): void {
  const markAll = (members: Iterable<Member>): void => {
    for (const { kind, key } of members) mark(kind, key);
  };
  /** Itself, and whom it makes its endpoints. */
  const markEntry = (entry: ServiceEntryFacts): void => {
    mark('ServiceEntry', entry.key);
    if (entry.selector !== undefined) markAll(inputs.selected(entry.namespace, entry.selector));
  };
  const markPods = (keys: Iterable<string>): void => {
    for (const key of keys) mark('Pod', key);
  };
  const markEndpoints = (service: ServiceFacts): void => {
    if (service.selector !== undefined) markAll(inputs.selected(service.namespace, service.selector));
    else for (const slice of inputs.slicesByService.of(service.key)) markPods(slice.pods.keys());
  };
  const markUsers = (gateway: string): void => {
    markAll(inputs.askersOf(gateway));
    for (const { name } of inputs.namespacesByGateway.of(gateway)) markAll(inputs.membersOf(name));
    const slash = gateway.indexOf('/');
    const instances = { [GATEWAY_NAME_LABEL]: gateway.slice(slash + 1) };
    markAll(inputs.selected(gateway.slice(0, slash), instances));
  };

  inputs.pods.follow(({ key }) => mark('Pod', key));
  inputs.workloadEntries.follow(({ key }) => mark('WorkloadEntry', key));
  inputs.nodes.follow(({ key }) => markAll(inputs.podsByNode.of(key)));
  inputs.services.follow(({ key, old, next }) => {
    mark('Service', key);
    for (const slice of inputs.slicesByService.of(key)) mark('EndpointSlice', slice.key);
    // Endpoints change only with what they are chosen by and how their ports map.
    if (old && next && isEqual(old.selector, next.selector) && isEqual(old.ports, next.ports)) return;
    for (const service of some(old, next)) {
      markEndpoints(service);
      for (const entry of hosts.sharing(service)) markEntry(entry);
    }
  });
  inputs.slices.follow(({ key, old, next }) => {
    mark('EndpointSlice', key);
    for (const slice of some(old, next)) {
      // With a selector, pods join by their labels: their slices repeat what is known already.
      const service = inputs.services.get(slice.service);
      if (service !== undefined && service.selector === undefined) markPods(slice.pods.keys());
    }
  });
  inputs.serviceEntries.follow(({ key, old, next }) => {
    mark('ServiceEntry', key);
    for (const entry of some(old, next)) {
      markEntry(entry);
      for (const host of entry.hosts) for (const other of inputs.entriesByHost.of(host)) markEntry(other);
    }
  });
  inputs.gateways.follow(({ key }) => {
    mark('Gateway', key);
    markUsers(key);
  });
  inputs.gatewayClasses.follow(({ key }) => {
    for (const gateway of inputs.gatewaysByClass.of(key)) markUsers(gateway.key);
  });
  inputs.namespaces.follow(({ key, old, next }) => {
    const labelsMatter = [...inputs.gatewaysByAdmission.of('Selector')].length > 0;
    const moved = !isEqual(old?.waypoint, next?.waypoint) || (labelsMatter && !isEqual(old?.labels, next?.labels));
    markAll(moved ? inputs.membersOf(key) : inputs.servicesByNamespace.of(key));
    for (const entry of inputs.entriesByNamespace.of(key)) {
      // Who may see an entry can hang on the labels of its namespace, and with it who serves a host.
      for (const host of entry.hosts) for (const other of inputs.entriesByHost.of(host)) markEntry(other);
    }
  });
}

function some<T>(...values: readonly (T | undefined)[]): readonly T[] {
  return values.filter((value) => value !== undefined);
}
