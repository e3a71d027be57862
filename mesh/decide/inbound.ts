/** Where does a connection that arrives at a pod end? Policy is asked afterwards, with the final target. */
import { ipFamily, type SocketAddress } from '../address.ts';
import { type HostPort, parseAuthority } from '../authority.ts';
import { type NetworkAddress, type Service, type ServicePort, serviceKey, type Workload } from '../model.ts';
import { mappedPort } from '../view/ports.ts';
import { isRange } from '../view/service-index.ts';
import type { View } from '../view/view.ts';
import { isBehindGateway } from './gateway.ts';
import { ILLEGAL_PORTS } from './outbound.ts';
import type { RouteReason } from './reason.ts';

export type InboundDecision =
  | {
      readonly kind: 'accept';
      readonly target: SocketAddress;
      readonly service?: Service;
      /** What a PROXY protocol header names as the destination; present when the application wants that header. */
      readonly proxyDestination?: SocketAddress;
      readonly because: RouteReason;
    }
  | { readonly kind: 'reject'; readonly status: 400 | 503; readonly because: RouteReason };

export type InboundHboneRequest = {
  readonly local: Workload;
  /** The pod's own side of the tunnel connection. */
  readonly connectionDst: SocketAddress;
  /** The CONNECT request's authority, as received. */
  readonly authority: string;
  /** `host` of the `forwarded` header: a hint for telemetry, never for routing. */
  readonly forwardedHost?: string;
};

/** The target's address is always the connection's own: an authority can choose the port, never another machine. */
export function decideInboundHbone(view: View, req: InboundHboneRequest): InboundDecision {
  const { local, connectionDst } = req;
  const authority = parseAuthority(req.authority);
  if (authority === undefined) return reject(400, { code: 'malformed-authority', authority: req.authority });
  const asked =
    authority.kind === 'address' ? askedByAddress(view, req, authority.address) : askedByName(view, local, authority);
  if (asked.kind === 'reject') return asked;
  if (ILLEGAL_PORTS.has(asked.port)) return reject(503, { code: 'own-port', port: asked.port });

  const tunnel = local.applicationTunnel;
  const port = tunnel !== undefined && tunnel.port > 0 ? tunnel.port : asked.port;
  if (ILLEGAL_PORTS.has(port)) return reject(503, { code: 'tunnel-to-own-port', port });
  const service = guessService(view, local, port, asked.service, req.forwardedHost);
  const header = tunnel?.protocol === 'PROXY' ? asked.requested : undefined;
  return {
    kind: 'accept',
    target: { ip: connectionDst.ip, port },
    ...(service && { service }),
    ...(header && { proxyDestination: header }),
    because: asked.because,
  };
}

/** A connection that came in the clear goes where it was going, unless that is the proxy itself. */
export function decideInboundPlaintext(
  view: View,
  { local, originalDst }: { readonly local: Workload; readonly originalDst: SocketAddress },
): InboundDecision {
  const { port } = originalDst;
  if (ILLEGAL_PORTS.has(port)) return reject(503, { code: 'own-port', port });
  const service = guessService(view, local, port, undefined, undefined);
  return {
    kind: 'accept',
    target: originalDst,
    ...(service && { service }),
    because: { code: 'as-dialled', to: originalDst },
  };
}

type Rejection = Extract<InboundDecision, { kind: 'reject' }>;

/** What the authority means for this pod, before its application tunnel is looked at. */
type Asked = {
  readonly kind: 'asked';
  readonly port: number;
  /** The address that was meant, for a PROXY header; a name may have none. */
  readonly requested?: SocketAddress;
  readonly service?: Service;
  readonly because: RouteReason;
};

/**
 * Our own address; anything, where an application tunnel says that the workload takes traffic for others; or the address of
 * something whose waypoint we are (a waypoint whose tunnel we terminate for it).
 */
function askedByAddress(view: View, { local, connectionDst }: InboundHboneRequest, requested: SocketAddress) {
  const { ip, port } = requested;
  const own = connectionDst.ip;
  const asked = (because: RouteReason): Asked => ({ kind: 'asked', port, requested, because });
  if (ip === own) return asked({ code: 'own-address', ip });
  if (local.applicationTunnel !== undefined) return asked({ code: 'takes-for-others', ip });
  const target = view.workloadByAddress(view.network, ip) ?? view.serviceByVip(view.network, ip);
  if (target?.waypoint !== undefined && isBehindGateway(view, target.waypoint, local, own)) {
    return asked({ code: 'is-waypoint', of: target });
  }
  return reject(400, { code: 'not-for-us', requested: ip, own });
}

function askedByName(view: View, local: Workload, { host, port: servicePort }: HostPort): Asked | Rejection {
  const service = view.serviceByHostname(host, local.namespace);
  if (service === undefined) return reject(503, { code: 'name-unknown', host });
  const port = mappedPort(servicePort, local.services.get(serviceKey(service)) ?? [], service);
  if (port === undefined) return reject(503, { code: 'port-not-mapped', service, port: servicePort });
  const vip = vipOf(service, view.network);
  if (vip === undefined && local.applicationTunnel?.protocol === 'PROXY') {
    return reject(503, { code: 'no-virtual-address', service, port: servicePort });
  }
  return {
    kind: 'asked',
    port,
    ...(vip && { requested: { ip: vip.address, port: servicePort } }),
    service,
    because: { code: 'service-port', service, port: servicePort },
  };
}

/** A virtual address of the service: of this network if any, IPv4 if any. A range is no address. */
function vipOf(service: Service, network: string): NetworkAddress | undefined {
  const rank = (a: NetworkAddress) => (a.network === network ? 0 : 2) + (ipFamily(a.address) === 6 ? 1 : 0);
  let best: NetworkAddress | undefined;
  for (const a of service.addresses) {
    if (isRange(a)) continue;
    if (best === undefined || rank(a) < rank(best)) best = a;
  }
  return best;
}

/**
 * For telemetry: the service that the authority named; else, of those that we are behind, the one the sender says it forwarded
 * for; else the first (by key) with this target port.
 */
function guessService(
  view: View,
  local: Workload,
  port: number,
  named: Service | undefined,
  forwardedHost: string | undefined,
): Service | undefined {
  if (named !== undefined) return named;
  let best: { readonly service: Service; readonly key: string; readonly isForwarded: boolean } | undefined;
  for (const [key, own] of local.services) {
    const service = view.serviceByKey(key);
    if (service === undefined) continue;
    const isForwarded = service.hostname === forwardedHost;
    if (!isForwarded && (best?.isForwarded || !servesTarget(service, own, port))) continue;
    if (best === undefined || isForwarded !== best.isForwarded || key < best.key) best = { service, key, isForwarded };
  }
  return best?.service;
}

function servesTarget(service: Service, own: readonly ServicePort[], port: number): boolean {
  if (own.some((p) => p.targetPort === port)) return true;
  return service.ports.some((p) => p.targetPort === port && !own.some((o) => o.servicePort === p.servicePort));
}

function reject(status: 400 | 503, because: RouteReason): Rejection {
  return { kind: 'reject', status, because };
}
