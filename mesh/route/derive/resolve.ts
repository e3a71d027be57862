/** From what a route names as a backend to a service of the mesh, or to the reason why it is none. */
import type { AppProtocol } from '../../model.ts';
import type { BackendRef, RouteFacts, ServiceRef } from './facts.ts';
import { type GrantFacts, isGranted } from './grants.ts';

/** A service of the mesh, as far as routes care. */
export type RoutedService = {
  readonly namespace: string;
  readonly hostname: string;
  readonly ports: readonly { readonly port: number; readonly protocol: AppProtocol }[];
};

/** Which waypoint a Service or ServiceEntry has. */
export type RoutedBinding =
  | { readonly kind: 'bound'; readonly gateway: string }
  /** Nobody asks for one. */
  | { readonly kind: 'none' }
  | { readonly kind: 'unbound'; readonly reason: string; readonly message: string };

/** What routes need to know of the mesh. */
export type Surroundings = {
  /** The services that an object is: one for each host of a ServiceEntry; none when there is no such object. */
  services(ref: ServiceRef): readonly RoutedService[];
  /** The service of that name, as it is seen from a namespace. */
  host(hostname: string, namespace: string): RoutedService | undefined;
  binding(ref: ServiceRef): RoutedBinding;
  /** Of a namespace. */
  grants(namespace: string): Iterable<GrantFacts>;
};

export type RefReason = 'BackendNotFound' | 'RefNotPermitted' | 'InvalidKind' | 'InvalidDestination';

export type Resolved =
  | { readonly kind: 'service'; readonly service: string; readonly port: number }
  | { readonly kind: 'invalid'; readonly reason: RefReason; readonly message: string };

export function resolveBackend(route: RouteFacts, ref: BackendRef, around: Surroundings): Resolved {
  const { group, kind, namespace, name, port } = ref;
  const isHost = group === 'networking.istio.io' && kind === 'Hostname';
  const said = isHost ? `host ${name}` : `${kind} ${namespace}/${name}`;
  if (!isHost && !(group === '' && kind === 'Service')) {
    return invalid('InvalidKind', `${group === '' ? '' : `${group} `}${kind} can not be a backend`);
  }
  if (port === undefined) return invalid('InvalidDestination', `${said} is named without a port`);
  // Before it is looked up: who may not name it is not told whether it exists.
  if (!isHost && !mayName(route, ref, around)) {
    return invalid('RefNotPermitted', `no ReferenceGrant lets ${route.kind}s of ${route.namespace} name ${said}`);
  }
  const service = isHost
    ? around.host(name, route.namespace)
    : around.services({ kind: 'Service', namespace, name })[0];
  if (service === undefined) return invalid('BackendNotFound', `${said} does not exist`);
  if (!service.ports.some((one) => one.port === port)) return invalid('BackendNotFound', `${said} has no port ${port}`);
  return { kind: 'service', service: serviceKeyOf(service), port };
}

/**
 * The reference asks for no grant where the parent is a Service. Here a waypoint would lend its identity to whoever names a
 * service, so that a grant is needed, as Gateway API has it; but not for the parent itself, to which the request was going anyway.
 */
function mayName(route: RouteFacts, { namespace, name }: BackendRef, around: Surroundings): boolean {
  if (namespace === route.namespace) return true;
  const isParent = route.parents.some(
    ({ ref }) => ref.kind === 'Service' && ref.namespace === namespace && ref.name === name,
  );
  return isParent || isGranted(around.grants(namespace), route, { group: '', kind: 'Service', name });
}

export function serviceKeyOf({ namespace, hostname }: RoutedService): string {
  return `${namespace}/${hostname}`;
}

function invalid(reason: RefReason, message: string): Resolved {
  return { kind: 'invalid', reason, message };
}
