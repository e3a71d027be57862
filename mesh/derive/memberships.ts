/** Which services a pod or a machine is an endpoint of, and on which of its ports. */
import type { MeshConfig } from '../kube-object.ts';
import { type ServicePort, serviceKey } from '../model.ts';
import type { Hosts } from './hosts.ts';
import type { Inputs } from './inputs.ts';
import { endpointPorts, hostnameOf, machinePorts, type ServiceFacts } from './kube-service.ts';
import type { PodFacts } from './pod.ts';
import type { ServiceEntryFacts } from './service-entry.ts';
import { hostPorts } from './service-entry-resources.ts';
import type { WorkloadEntryFacts } from './workload-entry.ts';

type Membership = readonly [serviceKey: string, ports: readonly ServicePort[]];

export class Memberships {
  readonly #inputs: Inputs;
  readonly #hosts: Hosts;
  readonly #config: () => MeshConfig;

  constructor(inputs: Inputs, hosts: Hosts, config: () => MeshConfig) {
    this.#inputs = inputs;
    this.#hosts = hosts;
    this.#config = config;
  }

  /** By `namespace/hostname`, sorted. */
  of(member: PodFacts | WorkloadEntryFacts): ReadonlyMap<string, readonly ServicePort[]> {
    const selecting = this.#inputs.selecting(member.namespace, member.labels);
    const services = [...selecting, ...(member.kind === 'Pod' ? this.#naming(member) : [])];
    const found = services.flatMap((service) =>
      service.kind === 'Service' ? [this.#inService(service, member)] : this.#inEntry(service, member),
    );
    return new Map(found.sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** Services without selector, whose endpoints somebody else writes. */
  #naming(pod: PodFacts): readonly ServiceFacts[] {
    const found: ServiceFacts[] = [];
    for (const slice of this.#inputs.slicesByPod.of(pod.key)) {
      const service = this.#inputs.services.get(slice.service);
      const meant = slice.pods.get(pod.key) ?? '';
      // The slice may still mean an earlier pod of this name.
      if (service !== undefined && service.selector === undefined && (meant === '' || meant === pod.objectUid)) {
        found.push(service);
      }
    }
    return found;
  }

  #inService(service: ServiceFacts, member: PodFacts | WorkloadEntryFacts): Membership {
    const key = serviceKey({ namespace: service.namespace, hostname: hostnameOf(service, this.#config()) });
    if (member.kind === 'Pod') return [key, endpointPorts(service, member.ports)];
    return [key, machinePorts(service, member.endpoint.ports)];
  }

  #inEntry(entry: ServiceEntryFacts, member: PodFacts | WorkloadEntryFacts): readonly Membership[] {
    const ports = hostPorts(entry, member.kind === 'Pod' ? member.ports : member.endpoint.ports);
    return this.#hosts.servedBy(entry).map((hostname) => [serviceKey({ namespace: entry.namespace, hostname }), ports]);
  }
}
