/** Where does a connection that arrives at a pod end? Policy is asked afterwards, with the final target. */
import type { IpAddress, SocketAddress } from '../address.ts';
import { parseAuthority } from '../authority.ts';
import { type Service, serviceKey, type Workload } from '../model.ts';
import { targetPortOf } from '../view/balancer.ts';
import type { View } from '../view/view.ts';
import { isBehindGateway } from './gateway.ts';
import { ILLEGAL_PORTS } from './outbound.ts';

export type InboundDecision =
  | {
      readonly kind: 'accept';
      readonly target: SocketAddress;
      readonly service?: Service;
      /** What a PROXY protocol header names as the destination; present when the application wants that header. */
      readonly proxyDestination?: SocketAddress;
    }
  | { readonly kind: 'reject'; readonly status: 400 | 503; readonly reason: string };

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
  if (authority === undefined) return reject(400, `malformed authority ${JSON.stringify(req.authority.slice(0, 300))}`);
  let named: Service | undefined;
  let requested: SocketAddress | undefined;
  let port: number | undefined;
  if (authority.kind === 'address') {
    requested = authority.address;
    if (!isForUs(view, local, connectionDst.ip, requested.ip)) {
      return reject(400, `authority ${requested.ip} is not ${connectionDst.ip} nor served by this workload`);
    }
    port = requested.port;
  } else {
    named = view.serviceByHostname(authority.host, local.namespace);
    if (named === undefined) return reject(503, `no service is known as ${authority.host}`);
    port = servicePortToTarget(named, local, authority.port);
    if (port === undefined)
      return reject(503, `${authority.host} maps port ${authority.port} to no port of this workload`);
    requested = vipOf(named, view.network, authority.port);
  }
  if (ILLEGAL_PORTS.has(port)) return reject(503, `port ${port} is the proxy's own`);

  const tunnel = local.applicationTunnel;
  if (tunnel !== undefined && tunnel.port > 0) port = tunnel.port;
  if (ILLEGAL_PORTS.has(port)) return reject(503, `application tunnel port ${port} is the proxy's own`);
  const wantsHeader = tunnel?.protocol === 'PROXY';
  if (wantsHeader && requested === undefined) {
    return reject(503, `${req.authority} has no address that a PROXY header could name`);
  }
  const service = guessService(view, local, port, named, req.forwardedHost);
  return {
    kind: 'accept',
    target: { ip: connectionDst.ip, port },
    ...(service && { service }),
    ...(wantsHeader && requested && { proxyDestination: requested }),
  };
}

/** A connection that came in the clear goes where it was going, unless that is the proxy itself. */
export function decideInboundPlaintext(
  view: View,
  { local, originalDst }: { readonly local: Workload; readonly originalDst: SocketAddress },
): InboundDecision {
  if (ILLEGAL_PORTS.has(originalDst.port)) return reject(503, `port ${originalDst.port} is the proxy's own`);
  const service = guessService(view, local, originalDst.port, undefined, undefined);
  return { kind: 'accept', target: originalDst, ...(service && { service }) };
}

/**
 * Our own address; anything, where an application tunnel says that the workload takes traffic for others; or the address of
 * something whose waypoint we are (a waypoint whose tunnel we terminate for it).
 */
function isForUs(view: View, local: Workload, own: IpAddress, requested: IpAddress): boolean {
  if (requested === own || local.applicationTunnel !== undefined) return true;
  const target = view.workloadByAddress(view.network, requested) ?? view.serviceByVip(view.network, requested);
  return target?.waypoint !== undefined && isBehindGateway(view, target.waypoint, local, own);
}

function servicePortToTarget(service: Service, local: Workload, port: number): number | undefined {
  const own = local.services.get(serviceKey(service)) ?? [];
  const defined = service.ports.find((p) => p.servicePort === port);
  return targetPortOf(port, own, defined, local);
}

/** A virtual address of the service: of this network if any, IPv4 if any. */
function vipOf(service: Service, network: string, port: number): SocketAddress | undefined {
  const rank = (a: Service['addresses'][number]) => (a.network === network ? 0 : 2) + (a.address.includes(':') ? 1 : 0);
  const [best] = [...service.addresses].sort((a, b) => rank(a) - rank(b));
  return best && { ip: best.address, port };
}

/**
 * For telemetry: the service that the authority named; else the one the sender says it forwarded for, if we are behind it;
 * else the first of ours (by key) with this target port.
 */
function guessService(
  view: View,
  local: Workload,
  port: number,
  named: Service | undefined,
  forwardedHost: string | undefined,
): Service | undefined {
  let guess: Service | undefined;
  for (const key of [...local.services.keys()].sort()) {
    const service = view.serviceByKey(key);
    if (service === undefined) continue;
    if (forwardedHost !== undefined && service.hostname === forwardedHost) return service;
    guess ??= servesTarget(service, local, port) ? service : undefined;
  }
  return named ?? guess;
}

function servesTarget(service: Service, local: Workload, port: number): boolean {
  const own = local.services.get(serviceKey(service)) ?? [];
  if (own.some((p) => p.targetPort === port)) return true;
  return service.ports.some((p) => p.targetPort === port && !own.some((o) => o.servicePort === p.servicePort));
}

function reject(status: 400 | 503, reason: string): InboundDecision {
  return { kind: 'reject', status, reason };
}
