/** Gateways and their classes (Gateway API): what makes one a waypoint, for whom, and how it is reached. */
import { type IpAddress, parseIp } from '../address.ts';
import type { KubeObject } from '../kube-object.ts';
import type { ApplicationTunnel, GatewayAddress } from '../model.ts';
import { type LabelSelector, readLabelSelector, selectorHolds } from './label-selector.ts';
import { type Fields, fields, type Labels, labelsOf, list, portNumber, type Reading, text } from './read.ts';

const WAYPOINT_FOR = 'istio.io/waypoint-for';
const INBOUND_BINDING = 'ambient.istio.io/waypoint-inbound-binding';
const SERVICE_ACCOUNT = 'gateway.istio.io/service-account';
const NAME_OVERRIDE = 'gateway.istio.io/name-override';
/** Every waypoint is reached here, whatever its listeners say. */
const HBONE_PORT = 15_008;

export type GatewayFacts = {
  /** `namespace/name`. */
  readonly key: string;
  readonly name: string;
  readonly namespace: string;
  readonly className: string;
  /** The service account, in its namespace, that its pods run as. */
  readonly account: string;
  /** The first of each kind that its status names; with neither it can not be used yet. */
  readonly hostname: string | undefined;
  readonly ip: IpAddress | undefined;
  readonly settings: WaypointSettings;
  readonly listeners: readonly ListenerFacts[];
};

/** What a gateway says for itself, and else its class for all of its gateways. */
export type WaypointSettings = {
  /** Label `istio.io/waypoint-for`. */
  readonly traffic: string | undefined;
  readonly binding: ApplicationTunnel | undefined;
};

type ListenerFacts = {
  readonly port: number;
  readonly protocol: string;
  readonly from: string;
  readonly selector: LabelSelector | undefined;
};

export type GatewayClassFacts = { readonly settings: WaypointSettings };

export function readGateway(object: KubeObject): Reading<GatewayFacts> {
  const { name, namespace = '' } = object.metadata;
  const annotations = labelsOf(object.metadata.annotations);
  const spec = fields(object['spec']);
  const addresses = list(fields(object['status'])['addresses']).map(fields);
  const hostnames = addresses.filter(({ type }) => type === 'Hostname').map(({ value }) => text(value));
  const ips = addresses.flatMap(({ type, value }) => (type === 'Hostname' ? [] : (parseIp(text(value)) ?? [])));
  const facts = {
    key: `${namespace}/${name}`,
    name,
    namespace,
    className: text(spec['gatewayClassName']),
    account: annotations[SERVICE_ACCOUNT] || annotations[NAME_OVERRIDE] || name,
    hostname: hostnames.find((hostname) => hostname !== ''),
    ip: ips[0],
    settings: settingsOf(object),
    listeners: list(spec['listeners']).map((entry) => readListener(fields(entry))),
  };
  return { kind: 'facts', facts };
}

export function readGatewayClass(object: KubeObject): Reading<GatewayClassFacts> {
  return { kind: 'facts', facts: { settings: settingsOf(object) } };
}

function settingsOf({ metadata }: KubeObject): WaypointSettings {
  return {
    traffic: labelsOf(metadata.labels)[WAYPOINT_FOR],
    binding: readBinding(labelsOf(metadata.annotations)[INBOUND_BINDING]),
  };
}

/** `PROXY`, `PROXY/15088`, `NONE/15088`; anything else says nothing. */
function readBinding(written: string | undefined): ApplicationTunnel | undefined {
  const [protocol, port, ...rest] = (written ?? '').split('/');
  if ((protocol !== 'PROXY' && protocol !== 'NONE') || rest.length > 0) return undefined;
  if (port === undefined) return { protocol, port: 0 };
  const number = /^\d{1,5}$/.test(port) ? portNumber(Number(port)) : undefined;
  return number === undefined ? undefined : { protocol, port: number };
}

function readListener({ port, protocol, allowedRoutes }: Fields): ListenerFacts {
  const namespaces = fields(fields(allowedRoutes)['namespaces']);
  return {
    port: portNumber(port) ?? 0,
    protocol: text(protocol),
    from: text(namespaces['from']) || 'Same',
    selector: readLabelSelector(namespaces['selector']),
  };
}

/** The gateway's own settings, where it has none those of its class. */
export function effectiveSettings(gateway: GatewayFacts, ofClass: GatewayClassFacts | undefined): WaypointSettings {
  return {
    traffic: gateway.settings.traffic ?? ofClass?.settings.traffic,
    binding: gateway.settings.binding ?? ofClass?.settings.binding,
  };
}

export function isReady({ hostname, ip }: GatewayFacts): boolean {
  return hostname !== undefined || ip !== undefined;
}

/**
 * Whether objects of a namespace may use the gateway: what its HBONE listener, or the one that the binding means, allows to
 * routes (controller.md section 4.5). A selector that can not be read allows nobody.
 */
export function allowsNamespace(
  gateway: GatewayFacts,
  binding: ApplicationTunnel | undefined,
  namespace: string,
  labels: Labels,
): boolean {
  const listener = listenerFor(gateway.listeners, binding);
  switch (listener?.from ?? 'Same') {
    case 'All':
      return true;
    case 'Same':
      return namespace === gateway.namespace;
    case 'Selector':
      return listener?.selector !== undefined && selectorHolds(listener.selector, withName(namespace, labels));
    default:
      return false;
  }
}

function listenerFor(listeners: readonly ListenerFacts[], binding: ApplicationTunnel | undefined) {
  const bound =
    binding &&
    (listeners.find(({ port }) => port === binding.port) ??
      listeners.find(({ protocol }) => binding.protocol === 'PROXY' && protocol === 'istio.io/PROXY'));
  return bound ?? listeners.find(({ port, protocol }) => port === HBONE_PORT && protocol === 'HBONE');
}

/** Every namespace carries its name as a label, whether or not the object at hand shows it. */
export function withName(namespace: string, labels: Labels): Labels {
  return { ...labels, 'kubernetes.io/metadata.name': namespace };
}

/** How proxies find it: by name where there is one. Undefined while it is nowhere. */
export function gatewayAddress(gateway: GatewayFacts, network: string): GatewayAddress | undefined {
  const { namespace, hostname, ip } = gateway;
  const hboneMtlsPort = HBONE_PORT;
  if (hostname !== undefined) return { destination: { kind: 'hostname', namespace, hostname }, hboneMtlsPort };
  return ip && { destination: { kind: 'address', network, address: ip }, hboneMtlsPort };
}
