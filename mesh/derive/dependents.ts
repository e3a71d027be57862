/**
 * Which resources a change of facts concerns: the one table that keeps derivation incremental. Marking too much costs time,
 * marking too little is a bug that the tests of random histories find.
 */
import { hangsOnPods } from './endpoint-ports.ts';
import type { SliceFacts } from './endpoint-slice.ts';
import { isEqual } from './equal.ts';
import type { Hosts } from './hosts.ts';
import type { Inputs, Member } from './inputs.ts';
import type { ServiceFacts } from './kube-service.ts';
import type { PodFacts } from './pod.ts';
import type { Senders } from './senders.ts';
import type { ServiceEntryFacts } from './service-entry.ts';
import { GATEWAY_NAME_LABEL } from './waypoints.ts';
import type { WorkloadEntryFacts } from './workload-entry.ts';

/** The kinds whose objects become addresses, or tell waypoints something. */
export type OwnerKind = 'Pod' | 'Service' | 'EndpointSlice' | 'WorkloadEntry' | 'ServiceEntry' | 'Gateway';
export type Mark = (kind: OwnerKind, key: string) => void;
export type Marked = { readonly kind: OwnerKind; readonly key: string };

export function followDependents(inputs: Inputs, hosts: Hosts, mark: Mark): void {
  const markAll = (members: Iterable<Marked>): void => {
    for (const { kind, key } of members) mark(kind, key);
  };
  /** Itself, and whom it makes its endpoints. */
  const markEntry = (entry: ServiceEntryFacts): void => {
    mark('ServiceEntry', entry.key);
    markAll(endpointsOf(inputs, entry));
  };
  const markPods = (keys: Iterable<string>): void => {
    for (const key of keys) mark('Pod', key);
  };
  const markUsers = (gateway: string): void => {
    markAll(usersOf(inputs, gateway));
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
      markAll(endpointsOf(inputs, service));
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

/** Services whose endpoints' ports may be others now: what a required waypoint is required on (`endpoint-ports.ts`). */
export function followEndpointPorts(
  inputs: Inputs,
  mark: (kind: 'Service' | 'ServiceEntry', key: string) => void,
): void {
  const markServices = (member: PodFacts | WorkloadEntryFacts): void => {
    for (const service of inputs.selecting(member.namespace, member.labels)) {
      if (member.kind === 'WorkloadEntry' || hangsOnPods(service)) mark(service.kind, service.key);
    }
  };
  /** With a selector, slices repeat what is known already. */
  const markSliced = ({ service }: SliceFacts): void => {
    if (inputs.services.get(service)?.selector === undefined) mark('Service', service);
  };
  inputs.pods.follow(({ key, old, next }) => {
    if (old && next && isEqual(old.labels, next.labels) && isEqual(old.ports, next.ports)) return;
    for (const pod of some(old, next)) markServices(pod);
    for (const slice of inputs.slicesByPod.of(key)) markSliced(slice);
  });
  inputs.workloadEntries.follow(({ old, next }) => {
    if (old && next && isEqual(old.labels, next.labels) && isEqual(old.endpoint.ports, next.endpoint.ports)) return;
    for (const entry of some(old, next)) markServices(entry);
  });
  inputs.slices.follow(({ old, next }) => {
    for (const slice of some(old, next)) markSliced(slice);
  });
}

/** Who sends to a service that is another now: policies about its ports may count for others, or begin to count at all. */
export function followBackends(inputs: Inputs, hosts: Hosts, senders: Senders, mark: Mark): void {
  const markSenders = (namespace: string, hostname: string): void => {
    for (const { kind, key } of senders.to(`${namespace}/${hostname}`)) mark(kind, key);
  };
  inputs.services.follow(({ old, next }) => {
    if (old && next && isEqual(old.ports, next.ports)) return;
    for (const service of some(old, next)) markSenders(service.namespace, hosts.nameOf(service));
  });
  inputs.serviceEntries.follow(({ old, next }) => {
    for (const { namespace, hosts: names } of some(old, next)) for (const name of names) markSenders(namespace, name);
  });
}

/** Whoever asks for a gateway, by itself or with all of its namespace. */
export function* usersOf(inputs: Inputs, gateway: string): Generator<Member> {
  yield* inputs.askersOf(gateway);
  for (const { name } of inputs.namespacesByGateway.of(gateway)) yield* inputs.membersOf(name);
}

/** What is an endpoint of a service, as far as it is selected or named; an entry's own endpoints come with the entry. */
export function endpointsOf(inputs: Inputs, facts: ServiceFacts | ServiceEntryFacts): readonly Marked[] {
  const { namespace, selector } = facts;
  if (selector !== undefined) return [...inputs.selected(namespace, selector)];
  if (facts.kind === 'ServiceEntry') return [];
  const slices = [...inputs.slicesByService.of(facts.key)];
  return slices.flatMap(({ pods }) => [...pods.keys()].map((key) => ({ kind: 'Pod', key }) as const));
}

function some<T>(...values: readonly (T | undefined)[]): readonly T[] {
  return values.filter((value) => value !== undefined);
}
