/** From the address that a CONNECT names to what it means here (waypoint.md section 1.3). The Host of a request plays no part. */
import {
  type AppProtocol,
  parseAuthority,
  type Service,
  type ServiceConfig,
  type SocketAddress,
  serviceKey,
  type View,
  type Workload,
} from '../mesh/index.ts';
import type { Told } from './told.ts';

export type Destination =
  | {
      readonly kind: 'service';
      readonly service: Service;
      readonly config: ServiceConfig;
      readonly port: number;
      readonly protocol: AppProtocol;
      /** What the client dialled; undefined when it was a name. */
      readonly dialled: SocketAddress | undefined;
    }
  | { readonly kind: 'workload'; readonly workload: Workload; readonly dialled: SocketAddress }
  | { readonly kind: 'none'; readonly status: 400 | 503; readonly why: string };

const none = (status: 400 | 503, why: string): Destination => ({ kind: 'none', status, why });

export function dispatch(told: Told, authority: string): Destination {
  const { view } = told;
  const parsed = parseAuthority(authority);
  if (parsed === undefined)
    return none(400, `authority ${JSON.stringify(authority.slice(0, 200))} is no host and port`);
  if (parsed.kind === 'hostname') {
    const service = view.serviceByHostname(parsed.host);
    return service === undefined ? none(400, `no service ${parsed.host} here`) : toService(told, service, parsed.port);
  }
  const dialled = parsed.address;
  const { ip, port } = dialled;
  // A workload's own address is more specific than a range of a service.
  const exact = view.serviceByVip(view.network, ip, undefined, { ranges: false });
  if (exact !== undefined) return toService(told, exact, port, dialled);
  const workload = view.workloadByAddress(view.network, ip);
  if (workload !== undefined && told.hasWorkload(workload.uid)) return { kind: 'workload', workload, dialled };
  const range = serviceByRange(view, dialled);
  if (range !== undefined) return toService(told, range, port, dialled);
  return none(400, `${ip} is not bound to this waypoint`);
}

function serviceByRange(view: View, { ip }: SocketAddress): Service | undefined {
  return view.serviceByVip(view.network, ip);
}

function toService(told: Told, service: Service, port: number, dialled?: SocketAddress): Destination {
  const known = told.service(serviceKey(service));
  if (known === undefined) return none(400, `${service.hostname} is not bound to this waypoint`);
  if (known.kind === 'unreadable') return none(503, `the configuration of ${service.hostname} can not be read here`);
  const { config } = known;
  const declared = config.ports.find((p) => p.port === port);
  if (declared === undefined) return none(400, `${service.hostname} has no port ${port}`);
  return { kind: 'service', service, config, port, protocol: declared.protocol, dialled };
}
