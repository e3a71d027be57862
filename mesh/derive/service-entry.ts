/** ServiceEntries: what derivation reads of a service that is not Kubernetes' own (controller.md sections 1.8, 1.9). */
import { type IpAddress, ipFamily, parseIp } from '../address.ts';
import { type Cidr, FAMILY_BITS, maskedAddress, parseCidr } from '../cidr.ts';
import type { KubeObject } from '../kube-object.ts';
import type { AppProtocol } from '../model.ts';
import { createdOf } from './age.ts';
import { protocolNamed } from './app-protocol.ts';
import { DISTRIBUTION_ANNOTATION } from './balancing.ts';
import { type EndpointFacts, isHostname, readEndpoint } from './endpoint.ts';
import { type ConditionTarget, conditionTarget } from './outputs.ts';
import { fields, invalid, type Labels, labelsOf, list, portNumber, type Reading, text, texts } from './read.ts';
import { type Tunnel, tunnelOf } from './tunnel.ts';
import { ingressWish, requireWish, type WaypointWish, waypointWish } from './waypoint-wish.ts';

export type ServiceEntryPort = {
  readonly name: string;
  readonly port: number;
  /** Undefined: the port itself. */
  readonly target: number | undefined;
  readonly appProtocol: AppProtocol;
};

const RESOLUTIONS = ['NONE', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN', 'DYNAMIC_DNS'] as const;
type Resolution = (typeof RESOLUTIONS)[number];

export type ServiceEntryFacts = {
  readonly kind: 'ServiceEntry';
  /** `namespace/name`. */
  readonly key: string;
  readonly name: string;
  readonly namespace: string;
  readonly target: ConditionTarget;
  /** RFC 3339; among entries for one host the oldest counts. */
  readonly created: string;
  readonly labels: Labels;
  /** Each once; `*.` in front of one means every name below it. */
  readonly hosts: readonly string[];
  /** Chosen by the user; bits beyond a prefix are zero. */
  readonly addresses: readonly Cidr[];
  /** Chosen by the controller and kept in the status, by host. */
  readonly allocated: ReadonlyMap<string, readonly IpAddress[]>;
  readonly ports: readonly ServiceEntryPort[];
  readonly resolution: Resolution;
  /** Selects the pods and WorkloadEntries that serve it. */
  readonly selector: Labels | undefined;
  readonly endpoints: readonly EndpointFacts[];
  readonly subjectAltNames: readonly string[];
  readonly distribution: string | undefined;
  readonly waypoint: WaypointWish | undefined;
  readonly ingress: boolean | undefined;
  /** Nobody may go around the waypoint, where policy hangs on it. */
  readonly requiresWaypoint: boolean;
  readonly tunnel: Tunnel;
  /** A waypoint is to try all addresses at once. */
  readonly racesConnects: boolean;
  /** Automatic addresses are not switched off. */
  readonly allowsAllocation: boolean;
};

export function readServiceEntry(object: KubeObject): Reading<ServiceEntryFacts> {
  const { name, namespace = '', annotations } = object.metadata;
  const spec = fields(object['spec']);
  const labels = labelsOf(object.metadata.labels);
  const hosts = [...new Set(texts(spec['hosts']))];
  const malformed = hosts.find((host) => !isHostname(host.startsWith('*.') ? host.slice(2) : host));
  if (malformed !== undefined) return invalid(`spec.hosts: ${JSON.stringify(malformed)} is no host name`);
  if (hosts.length === 0) return invalid('spec.hosts: at least one is needed');
  const addresses = readAddresses(texts(spec['addresses']));
  if (typeof addresses === 'string') return invalid(`spec.addresses: ${JSON.stringify(addresses)} is no address`);
  const resolution = RESOLUTIONS.find((known) => known === (spec['resolution'] ?? 'NONE'));
  if (resolution === undefined) {
    return invalid(`spec.resolution: ${JSON.stringify(spec['resolution'])} is none of ${RESOLUTIONS.join(', ')}`);
  }
  const endpoints: EndpointFacts[] = [];
  for (const [index, entry] of list(spec['endpoints']).entries()) {
    const reading = readEndpoint(entry, `spec.endpoints[${index}]`);
    if (reading.kind !== 'facts') return reading;
    endpoints.push(reading.facts);
  }
  const selector = labelsOf(fields(spec['workloadSelector'])['labels']);
  return {
    kind: 'facts',
    facts: {
      kind: 'ServiceEntry',
      key: `${namespace}/${name}`,
      name,
      namespace,
      target: conditionTarget(object),
      created: createdOf(object.metadata),
      labels,
      hosts,
      addresses,
      allocated: readAllocated(object),
      ports: readPorts(spec['ports']),
      resolution,
      selector: Object.keys(selector).length > 0 ? selector : undefined,
      endpoints,
      subjectAltNames: texts(spec['subjectAltNames']),
      distribution: labelsOf(annotations)[DISTRIBUTION_ANNOTATION],
      waypoint: waypointWish(labels, annotations),
      ingress: ingressWish(labels),
      requiresWaypoint: requireWish(annotations),
      tunnel: tunnelOf(labels, annotations),
      racesConnects: labelsOf(annotations)['istio.io/connect-strategy'] === 'RACE_FIRST_TCP_CONNECT',
      allowsAllocation: labels['networking.istio.io/enable-autoallocate-ip'] !== 'false',
    },
  };
}

/** The first that can not be read, if there is one. */
function readAddresses(written: readonly string[]): readonly Cidr[] | string {
  const addresses: Cidr[] = [];
  for (const one of written) {
    const cidr = parseCidr(one);
    if (cidr === undefined) return one;
    addresses.push({ address: maskedAddress(cidr), prefix: cidr.prefix });
  }
  return addresses;
}

function readAllocated(object: KubeObject): ReadonlyMap<string, readonly IpAddress[]> {
  const allocated = new Map<string, IpAddress[]>();
  for (const entry of list(fields(object['status'])['addresses'])) {
    const { host, value } = fields(entry);
    const ip = parseIp(text(value));
    if (ip === undefined || text(host) === '') continue;
    allocated.set(text(host), [...(allocated.get(text(host)) ?? []), ip]);
  }
  return allocated;
}

function readPorts(value: unknown): readonly ServiceEntryPort[] {
  return list(value).flatMap((entry): readonly ServiceEntryPort[] => {
    const { name, number, targetPort, protocol } = fields(entry);
    const port = portNumber(number);
    if (port === undefined) return [];
    return [{ name: text(name), port, target: portNumber(targetPort), appProtocol: protocolNamed(text(protocol)) }];
  });
}

/** Covers more than one address. */
export function isRange({ address, prefix }: Cidr): boolean {
  return prefix < FAMILY_BITS[ipFamily(address)];
}

/** Whether the controller is to choose addresses for this host. */
export function wantsAllocation(entry: ServiceEntryFacts, host: string): boolean {
  if (entry.resolution === 'NONE' || entry.addresses.length > 0) return false;
  return !host.startsWith('*') || entry.resolution === 'DYNAMIC_DNS';
}
