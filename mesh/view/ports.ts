/** Which port of an endpoint a port of its service means. */
import type { Service, ServicePort, Workload } from '../model.ts';

/** A workload behind a service, with its own port mapping. */
export type Endpoint = { readonly workload: Workload; readonly ports: readonly ServicePort[] };

/**
 * `standard`: the service must define the port. `waypoint`: on the way to a waypoint an endpoint that takes its traffic
 * through an application tunnel serves any port.
 */
export type LookupMode = 'standard' | 'waypoint';

/** The endpoint's own mapping, then the service's number; undefined when neither has one (0: a port known by name only). */
export function mappedPort(port: number, own: readonly ServicePort[], service: Service): number | undefined {
  const mapped = targetIn(own, port);
  if (mapped > 0) return mapped;
  const defined = targetIn(service.ports, port);
  return defined > 0 ? defined : undefined;
}

/** Where this endpoint takes connections to `port` of the service; undefined when it takes none. */
export function endpointPort(
  service: Service,
  { workload, ports }: Endpoint,
  port: number,
  mode: LookupMode,
): number | undefined {
  const tunnel = mode === 'waypoint' ? workload.applicationTunnel : undefined;
  const isDefined = service.ports.some((p) => p.servicePort === port);
  if (!isDefined && tunnel === undefined) return undefined;
  return mappedPort(port, ports, service) ?? ((tunnel?.port ?? 0) > 0 ? port : undefined);
}

function targetIn(ports: readonly ServicePort[], port: number): number {
  return ports.find((p) => p.servicePort === port)?.targetPort ?? 0;
}
