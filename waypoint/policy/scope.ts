/** The policies of a waypoint and of one of its services, compiled once for all the ports of that service. */
import {
  compileHttpPolicies,
  type GatewayConfig,
  type HttpPolicy,
  type HttpScope,
  type ServiceConfig,
} from '../../mesh/index.ts';

type Owner = Pick<GatewayConfig | ServiceConfig, 'policies'>;

/** By the last one that was told: both are new objects whenever anything about them changes. */
const SCOPES = new WeakMap<Owner, { readonly gateway: Owner | undefined; readonly scope: HttpScope }>();

export function requestScope(gateway: Owner | undefined, service: Owner | undefined): HttpScope {
  const owner = service ?? gateway;
  const held = owner && SCOPES.get(owner);
  if (held !== undefined && held.gateway === gateway) return held.scope;
  const scope = compileHttpPolicies(policiesOf(gateway, service), 'http');
  if (owner !== undefined) SCOPES.set(owner, { gateway, scope });
  return scope;
}

const BACKENDS = new WeakMap<Owner, HttpScope>();

/** The policies of a service that routes lead to, for requests; undefined where it has none. */
export function backendScope(service: Owner): HttpScope | undefined {
  if (service.policies.length === 0) return undefined;
  let scope = BACKENDS.get(service);
  if (scope === undefined) {
    scope = compileHttpPolicies(service.policies, 'http');
    BACKENDS.set(service, scope);
  }
  return scope;
}

export function policiesOf(gateway: Owner | undefined, service: Owner | undefined): readonly HttpPolicy[] {
  return [...(gateway?.policies ?? []), ...(service?.policies ?? [])];
}
