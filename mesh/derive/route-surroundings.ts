/** What routes need to know of the mesh, out of the facts that derivation holds. */
import type { MeshConfig } from '../kube-object.ts';
import type { RoutedService, Surroundings } from '../route/derive/resolve.ts';
import type { Hosts } from './hosts.ts';
import type { Inputs } from './inputs.ts';
import { hostnameOf, type ServiceFacts } from './kube-service.ts';
import type { ServiceEntryFacts } from './service-entry.ts';
import type { WaypointBinding, Waypoints } from './waypoints.ts';

export type RouteSurroundingsParts = {
  readonly config: () => MeshConfig;
  readonly inputs: Inputs;
  readonly hosts: Hosts;
  readonly waypoints: Waypoints;
};

export function routeSurroundings(parts: RouteSurroundingsParts): Omit<Surroundings, 'grants'> {
  const { inputs, hosts, waypoints, config } = parts;
  const bindingOf = (ref: Parameters<Surroundings['binding']>[0]): WaypointBinding => {
    const key = `${ref.namespace}/${ref.name}`;
    if (ref.kind === 'Service') {
      const waypoint = inputs.services.get(key)?.waypoint;
      return waypoints.bind({ namespace: ref.namespace, waypoint, traffic: 'service' });
    }
    const entry = inputs.serviceEntries.get(key);
    const isPrivate = entry !== undefined && hosts.visibilityOf(entry) === 'NAMESPACE';
    return waypoints.bind({ namespace: ref.namespace, waypoint: entry?.waypoint, traffic: 'service', isPrivate });
  };
  return {
    services({ kind, namespace, name }) {
      const key = `${namespace}/${name}`;
      if (kind === 'Service') {
        const service = inputs.services.get(key);
        return service === undefined ? [] : [routedService(service, hostnameOf(service, config()))];
      }
      const entry = inputs.serviceEntries.get(key);
      return entry === undefined ? [] : hosts.servedBy(entry).map((host) => routedService(entry, host));
    },
    // Only hosts of ServiceEntries: the name of a Service of Kubernetes is no way around its ReferenceGrants.
    host(hostname, namespace) {
      const serving = [...inputs.entriesByHost.of(hostname)].filter((entry) =>
        hosts.servedBy(entry).includes(hostname),
      );
      const own = serving.find((entry) => entry.namespace === namespace);
      const entry = own ?? serving.find((one) => hosts.isCanonical(one, hostname));
      return entry && routedService(entry, hostname);
    },
    binding(ref) {
      const binding = bindingOf(ref);
      return binding.kind === 'bound' ? { kind: 'bound', gateway: binding.gateway.key } : binding;
    },
  };
}

export function routedService(facts: ServiceFacts | ServiceEntryFacts, hostname: string): RoutedService {
  const ports = facts.kind === 'Service' ? facts.ports.filter(({ isTcp }) => isTcp) : facts.ports;
  return {
    namespace: facts.namespace,
    hostname,
    ports: ports.map(({ port, appProtocol }) => ({ port, protocol: appProtocol })),
  };
}
