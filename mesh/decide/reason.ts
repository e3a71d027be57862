/**
 * Why a connection goes where it goes, as data. Every connection makes one, so it only points at what was looked at;
 * `formatReason` puts it into words for who asks: a log line of a refusal, `ambit why`, a test.
 */
import { formatSocketAddress, type IpAddress, type SocketAddress } from '../address.ts';
import type { GatewayAddress, Service, Workload } from '../model.ts';
import type { PickFailure } from '../view/balancer.ts';

export type GatewayFailure = PickFailure | 'gateway-not-found';

type Outbound =
  | { readonly code: 'destination-unknown'; readonly ip: IpAddress }
  | { readonly code: 'client-chooses'; readonly service: Service }
  | { readonly code: 'speaks-hbone' | 'not-in-mesh'; readonly workload: Workload }
  | { readonly code: 'has-waypoint'; readonly of: Service | Workload; readonly waypoint: GatewayAddress };

/** How a prediction has it for those who have no proxy of the mesh. */
type Unmeshed = { readonly code: 'caller-not-in-mesh' | 'behind-waypoint' };

type Refusal =
  | { readonly code: 'own-port'; readonly port: number }
  | {
      readonly code: 'waypoint-unusable';
      readonly of: Service | Workload;
      readonly waypoint: GatewayAddress;
      readonly failure: GatewayFailure;
    }
  | { readonly code: 'no-endpoint'; readonly service: Service; readonly port: number; readonly failure: PickFailure }
  | { readonly code: 'other-network'; readonly service: Service; readonly network: string }
  | { readonly code: 'no-address' | 'no-identity'; readonly workload: Workload }
  | { readonly code: 'hostname-not-resolved'; readonly workload: Workload; readonly error: string };

type Inbound =
  | { readonly code: 'own-address' | 'takes-for-others'; readonly ip: IpAddress }
  | { readonly code: 'is-waypoint'; readonly of: Service | Workload }
  | { readonly code: 'service-port'; readonly service: Service; readonly port: number }
  | { readonly code: 'as-dialled'; readonly to: SocketAddress };

type InboundRefusal =
  | { readonly code: 'malformed-authority'; readonly authority: string }
  | { readonly code: 'not-for-us'; readonly requested: IpAddress; readonly own: IpAddress }
  | { readonly code: 'name-unknown'; readonly host: string }
  | { readonly code: 'port-not-mapped' | 'no-virtual-address'; readonly service: Service; readonly port: number }
  | { readonly code: 'tunnel-to-own-port'; readonly port: number };

export type RouteReason = Outbound | Unmeshed | Refusal | Inbound | InboundRefusal;

/** One sentence without its full stop, naming what decided. */
export function formatReason(r: RouteReason): string {
  switch (r.code) {
    case 'destination-unknown':
      return `${r.ip} belongs to no workload or service of the mesh`;
    case 'client-chooses':
      return `service ${nameOf(r.service)} leaves the choice of address to the client`;
    case 'speaks-hbone':
      return `${nameOf(r.workload)} speaks HBONE`;
    case 'not-in-mesh':
      return `${nameOf(r.workload)} is not in the mesh`;
    case 'has-waypoint':
      return `${kindAndName(r.of)} has waypoint ${formatGateway(r.waypoint)}`;
    case 'caller-not-in-mesh':
      return 'the caller is not in the mesh';
    case 'behind-waypoint':
      return 'it is behind the waypoint';
    case 'own-port':
      return `port ${r.port} is the proxy's own`;
    case 'waypoint-unusable':
      return `waypoint ${formatGateway(r.waypoint)} of ${kindAndName(r.of)} can not be used: ${GATEWAY_FAILURE[r.failure]}`;
    case 'no-endpoint':
      return `service ${nameOf(r.service)}: ${noEndpoint(r.service, r.port, r.failure)}`;
    case 'other-network':
      return `service ${nameOf(r.service)} has that address, but not on network ${JSON.stringify(r.network)} of the caller`;
    case 'no-address':
      return `${nameOf(r.workload)} has no address${r.workload.addresses.length > 0 ? ' of a family in use' : ''}`;
    case 'no-identity':
      return `${nameOf(r.workload)} has no identity that could be verified`;
    case 'hostname-not-resolved':
      return `${nameOf(r.workload)} is only known as ${r.workload.hostname}: ${r.error}`;
    case 'own-address':
      return `${r.ip} is this workload`;
    case 'takes-for-others':
      return `this workload takes traffic for ${r.ip} through its application tunnel`;
    case 'is-waypoint':
      return `this workload is the waypoint of ${kindAndName(r.of)}`;
    case 'service-port':
      return `service ${nameOf(r.service)} maps port ${r.port} to it`;
    case 'as-dialled':
      return `${formatSocketAddress(r.to)} was dialled`;
    case 'malformed-authority':
      return `malformed authority ${JSON.stringify(r.authority.slice(0, SHOWN_CHARACTERS))}`;
    case 'not-for-us':
      return `authority ${r.requested} is not ${r.own} nor served by this workload`;
    case 'name-unknown':
      return `no service is known as ${r.host}`;
    case 'port-not-mapped':
      return `${r.service.hostname} maps port ${r.port} to no port of this workload`;
    case 'no-virtual-address':
      return `${r.service.hostname}:${r.port} has no address that a PROXY header could name`;
    case 'tunnel-to-own-port':
      return `application tunnel port ${r.port} is the proxy's own`;
    default:
      return r satisfies never;
  }
}

/** Of what a peer sent, no more than this is repeated. */
const SHOWN_CHARACTERS = 300;

/** In words: `namespace/hostname` or an address. */
export function formatGateway({ destination }: GatewayAddress): string {
  return destination.kind === 'hostname' ? `${destination.namespace}/${destination.hostname}` : destination.address;
}

const nameOf = ({ namespace, name }: Service | Workload) => `${namespace}/${name}`;

function kindAndName(of: Service | Workload): string {
  return `${'uid' in of ? 'workload' : 'service'} ${nameOf(of)}`;
}

function noEndpoint(service: Service, port: number, failure: PickFailure): string {
  if (failure !== 'port-not-served') return PICK_FAILURE[failure];
  if (service.ports.some(({ servicePort }) => servicePort === port)) return `no endpoint serves its port ${port}`;
  const ports = service.ports.map(({ servicePort }) => servicePort);
  return `it has no port ${port}${ports.length > 0 ? `, only ${ports.join(', ')}` : ''}`;
}

const PICK_FAILURE: Readonly<Record<PickFailure, string>> = {
  'no-endpoint': 'it has no endpoint',
  'no-healthy-endpoint': 'it has no healthy endpoint',
  'port-not-served': 'no endpoint serves this port',
  'no-address': 'no endpoint has an address',
  'no-endpoint-in-scope': 'no endpoint is where its traffic must stay',
  'no-network-gateway': 'its endpoints are on other networks, and no gateway leads to them',
  'cross-network': 'its endpoints are on other networks, behind gateways, which is not supported',
};

const GATEWAY_FAILURE: Readonly<Record<GatewayFailure, string>> = {
  ...PICK_FAILURE,
  'gateway-not-found': 'nothing is known by this name or address',
};
