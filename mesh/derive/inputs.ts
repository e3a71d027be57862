/** The facts that resources are made of, one collection for each kind of object, and the indexes over them. */
import type { Locality } from '../model.ts';
import { type Change, Collection } from './collection.ts';
import type { SliceFacts } from './endpoint-slice.ts';
import type { GatewayClassFacts, GatewayFacts } from './gateway.ts';
import type { ServiceFacts } from './kube-service.ts';
import type { NamespaceFacts } from './namespace.ts';
import type { PodFacts } from './pod.ts';
import type { Labels } from './read.ts';
import { LabelIndex, SelectorIndex } from './selector.ts';
import type { ServiceEntryFacts } from './service-entry.ts';
import { waypointWish, wishedGateways } from './waypoint-wish.ts';
import type { WorkloadEntryFacts } from './workload-entry.ts';

/** What labels select. Policies select the endpoints of a ServiceEntry by the entry's labels; services select only the others. */
export type Selectable = PodFacts | WorkloadEntryFacts | ServiceEntryFacts;
/** What can have a waypoint. */
export type Member = Selectable | ServiceFacts;

export class Inputs {
  readonly pods = new Collection<PodFacts>();
  readonly services = new Collection<ServiceFacts>();
  readonly slices = new Collection<SliceFacts>();
  readonly workloadEntries = new Collection<WorkloadEntryFacts>();
  readonly serviceEntries = new Collection<ServiceEntryFacts>();
  readonly gateways = new Collection<GatewayFacts>();
  /** By name, as nodes and namespaces. */
  readonly gatewayClasses = new Collection<GatewayClassFacts>();
  readonly nodes = new Collection<Locality>();
  readonly namespaces = new Collection<NamespaceFacts>();

  readonly podsByNode = this.pods.index(({ node }) => (node === '' ? [] : [node]));
  readonly slicesByService = this.slices.index(({ service }) => [service]);
  readonly slicesByPod = this.slices.index(({ pods }) => [...pods.keys()]);
  readonly servicesByNamespace = this.services.index(({ namespace }) => [namespace]);
  readonly entriesByNamespace = this.serviceEntries.index(({ namespace }) => [namespace]);
  readonly entriesByHost = this.serviceEntries.index(({ hosts }) => hosts);
  readonly gatewaysByClass = this.gateways.index(({ className }) => [className]);
  /** By `allowedRoutes.namespaces.from` of their listeners. */
  readonly gatewaysByAdmission = this.gateways.index(({ listeners }) => listeners.map(({ from }) => from));
  /** Namespaces by the gateways that they ask for. */
  readonly namespacesByGateway = this.namespaces.index(({ waypoint, name }) => wishedGateways(waypoint, name));
  /** Objects by the gateways that they ask for themselves. */
  readonly #askers = [
    this.pods.index(gatewaysOf),
    this.services.index(gatewaysOf),
    this.workloadEntries.index(gatewaysOf),
    this.serviceEntries.index(gatewaysOfEntry),
  ];
  readonly #selectable = new LabelIndex<Selectable>();
  readonly #selecting = new SelectorIndex<ServiceFacts | ServiceEntryFacts>();

  constructor() {
    const select = ({ old, next }: Change<Selectable>): void => {
      if (old !== undefined) this.#selectable.remove(old);
      if (next !== undefined) this.#selectable.add(next);
    };
    this.pods.follow(select);
    this.workloadEntries.follow(select);
    this.serviceEntries.follow(select);
    const serve = ({ old, next }: Change<ServiceFacts | ServiceEntryFacts>): void => {
      if (old?.selector !== undefined) this.#selecting.remove(old.namespace, old.selector, old);
      if (next?.selector !== undefined) this.#selecting.add(next.namespace, next.selector, next);
    };
    this.services.follow(serve);
    this.serviceEntries.follow(serve);
  }

  /** What a policy or a service selects, in one namespace or in all. */
  selected(namespace: string | undefined, selector: Labels): Iterable<Selectable> {
    return this.#selectable.selected(namespace, selector);
  }

  /** Services of Kubernetes and others whose selector selects these labels. */
  selecting(namespace: string, labels: Labels): readonly (ServiceFacts | ServiceEntryFacts)[] {
    return this.#selecting.selecting(namespace, labels);
  }

  /** All that can have a waypoint in a namespace. */
  *membersOf(namespace: string): Iterable<Member> {
    yield* this.servicesByNamespace.of(namespace);
    yield* this.#selectable.selected(namespace, {});
  }

  /** What asks for this gateway by a label of its own. */
  *askersOf(gateway: string): Iterable<Member> {
    for (const index of this.#askers) yield* index.of(gateway);
  }
}

function gatewaysOf({ waypoint, namespace }: Member): readonly string[] {
  return wishedGateways(waypoint, namespace);
}

/** Its endpoints may have labels of their own. */
function gatewaysOfEntry(entry: ServiceEntryFacts): readonly string[] {
  const endpoints = entry.endpoints.flatMap(({ labels }) => wishedGateways(waypointWish(labels), entry.namespace));
  return [...gatewaysOf(entry), ...endpoints];
}
