/** Who may serve a host name that several objects define, and who is preferred (controller.md section 1.9). */
import type { MeshConfig, Visibility } from '../kube-object.ts';
import { oldestOf } from './age.ts';
import { withName } from './gateway.ts';
import type { Inputs } from './inputs.ts';
import { hostnameOf, type ServiceFacts } from './kube-service.ts';
import { selectorHolds } from './label-selector.ts';
import type { ServiceEntryFacts } from './service-entry.ts';

export class Hosts {
  readonly #inputs: Inputs;
  readonly #config: () => MeshConfig;

  constructor(inputs: Inputs, config: () => MeshConfig) {
    this.#inputs = inputs;
    this.#config = config;
  }

  /** Entries that share a name with a service of Kubernetes. */
  sharing(service: ServiceFacts): Iterable<ServiceEntryFacts> {
    return this.#inputs.entriesByHost.of(this.nameOf(service));
  }

  /** Of a service of Kubernetes. */
  nameOf(service: ServiceFacts): string {
    return hostnameOf(service, this.#config());
  }

  /** Hosts that the entry serves: in its namespace a service of Kubernetes comes before it, and so does an older entry. */
  servedBy(entry: ServiceEntryFacts): readonly string[] {
    if (this.visibilityOf(entry) === 'NONE') return [];
    return entry.hosts.filter((host) => {
      if (this.#kubernetesService(host)?.namespace === entry.namespace) return false;
      return this.#oldest(host, (other) => other.namespace === entry.namespace)?.key === entry.key;
    });
  }

  /** Of all namespaces' definitions of a host one is canonical: Kubernetes' own, else the oldest that all may see. */
  isCanonical(entry: ServiceEntryFacts, host: string): boolean {
    if (this.#kubernetesService(host) !== undefined) return false;
    return this.#oldest(host, (other) => this.visibilityOf(other) === 'PUBLIC')?.key === entry.key;
  }

  /** Who may see it, as the mesh configuration says: the first rule that is about its namespace, else the default. */
  visibilityOf({ namespace }: ServiceEntryFacts): Visibility {
    const rules = this.#config().serviceEntryVisibility;
    if (rules === undefined) return 'PUBLIC';
    const labels = withName(namespace, this.#inputs.namespaces.get(namespace)?.labels ?? {});
    const rule = rules.policies.find(({ namespaces }) => namespaces.every((one) => selectorHolds(one, labels)));
    return rule?.visibility ?? rules.default;
  }

  /** What a host of a namespace is of. */
  ownerOf(namespace: string, host: string): ServiceFacts | ServiceEntryFacts | undefined {
    const service = this.#kubernetesService(host);
    if (service?.namespace === namespace) return service;
    return this.#oldest(host, (entry) => entry.namespace === namespace);
  }

  #oldest(host: string, counts: (entry: ServiceEntryFacts) => boolean): ServiceEntryFacts | undefined {
    return oldestOf(this.#inputs.entriesByHost.of(host), counts);
  }

  /** `name.namespace.svc.<domain>` is only ever one. */
  #kubernetesService(host: string): ServiceFacts | undefined {
    const suffix = `.svc.${this.#config().clusterDomain}`;
    if (!host.endsWith(suffix)) return undefined;
    const [name, namespace, ...rest] = host.slice(0, -suffix.length).split('.');
    return rest.length === 0 ? this.#inputs.services.get(`${namespace}/${name}`) : undefined;
  }
}
