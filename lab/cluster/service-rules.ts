/**
 * Service addresses as nftables rules of one node. Pure: the whole table is written anew on every change, in one
 * transaction, so the kernel never sees half of it.
 *
 *     prerouting, output --DNAT to a ready endpoint, chosen at random--> postrouting: masquerade a pod that reached itself
 *                        \--no endpoint: refused in the filter chains
 */
import { isIPv6 } from 'node:net';
import type { Endpoint, EndpointSlice, Service, ServicePort } from './types.ts';

/** Everything is in this table; deleting it undoes all. */
const SERVICE_TABLE = 'lab-services';

const SERVICE_NAME = 'kubernetes.io/service-name';

type Family = 'ip' | 'ip6';
type Target = { readonly address: string; readonly port: number };
/** One address and port of a service, and where it leads from this node. */
type Vip = {
  readonly family: Family;
  readonly address: string;
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
  readonly targets: readonly Target[];
  readonly name: string;
  /** With `internalTrafficPolicy: Local` and endpoints only elsewhere, packets are dropped rather than refused. */
  readonly otherwise: 'reject' | 'drop';
};

/** The script for `nft -f -`. `node` decides what counts as local for `internalTrafficPolicy: Local`. */
export function serviceRules(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  node: { readonly name: string },
): string {
  const byService = Map.groupBy(
    slices,
    (slice) => `${slice.metadata.namespace}/${slice.metadata.labels?.[SERVICE_NAME]}`,
  );
  const vips = services
    .toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
    .flatMap((service) => vipsOf(service, byService.get(keyOf(service)) ?? [], node.name));
  return script(vips);
}

const keyOf = (service: Service) => `${service.metadata.namespace}/${service.metadata.name}`;

function vipsOf(service: Service, slices: readonly EndpointSlice[], node: string): readonly Vip[] {
  const { spec } = service;
  if (spec.type === 'ExternalName' || spec.clusterIP === 'None') return [];
  const addresses = spec.clusterIPs ?? (spec.clusterIP ? [spec.clusterIP] : []);
  return addresses.flatMap((address) =>
    (spec.ports ?? []).flatMap((port): readonly Vip[] => {
      const protocol = (port.protocol ?? 'TCP').toLowerCase();
      if (protocol !== 'tcp' && protocol !== 'udp') return [];
      const family = isIPv6(address) ? 'ip6' : 'ip';
      const all = targetsOf(port, slices, family, () => true);
      const isLocal = spec.internalTrafficPolicy === 'Local';
      const targets = isLocal ? targetsOf(port, slices, family, ({ nodeName }) => nodeName === node) : all;
      const otherwise = isLocal && all.length > 0 ? 'drop' : 'reject';
      return [
        { family, address, protocol, port: port.port, targets, name: `${keyOf(service)}:${port.port}`, otherwise },
      ];
    }),
  );
}

/** Ready endpoints; when none is, those that still serve while they terminate (as kube-proxy does). */
function targetsOf(
  port: ServicePort,
  slices: readonly EndpointSlice[],
  family: Family,
  isEligible: (endpoint: Endpoint) => boolean,
): readonly Target[] {
  const of = (isWanted: (endpoint: Endpoint) => boolean): readonly Target[] => {
    const found = slices
      .filter((slice) => slice.addressType === (family === 'ip6' ? 'IPv6' : 'IPv4'))
      .flatMap((slice) => {
        const number = slice.ports?.find(({ name }) => (name ?? '') === (port.name ?? ''))?.port;
        if (number === undefined) return [];
        const endpoints = slice.endpoints.filter((endpoint) => isEligible(endpoint) && isWanted(endpoint));
        return endpoints.flatMap(({ addresses: [address] }) => (address ? [{ address, port: number }] : []));
      });
    const unique = new Map(found.map((target) => [`${target.address} ${target.port}`, target]));
    return [...unique].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, target]) => target);
  };
  const ready = of(({ conditions }) => conditions?.ready !== false);
  return ready.length > 0
    ? ready
    : of(({ conditions }) => conditions?.serving === true && conditions.terminating === true);
}

function script(vips: readonly Vip[]): string {
  const served = vips.filter(({ targets }) => targets.length > 0);
  const unserved = vips.filter(({ targets }) => targets.length === 0);
  return [
    // Adding first makes the deletion right also when there is no table yet.
    `add table inet ${SERVICE_TABLE}`,
    `delete table inet ${SERVICE_TABLE}`,
    `table inet ${SERVICE_TABLE} {`,
    ...hairpinSet('hairpin4', 'ipv4_addr', served, 'ip'),
    ...hairpinSet('hairpin6', 'ipv6_addr', served, 'ip6'),
    ...served.flatMap((vip, i) => chain(`vip-${i}`, targetRules(vip))),
    ...chain(
      'services',
      served.map((vip, i) => `${match(vip)} goto vip-${i} comment "${vip.name}"`),
    ),
    ...chain(
      'unserved',
      unserved.map((vip) => `${match(vip)} ${refusal(vip)} comment "${vip.name}"`),
    ),
    ...chain('prerouting', ['type nat hook prerouting priority dstnat; policy accept;', 'jump services']),
    ...chain('output', ['type nat hook output priority -100; policy accept;', 'jump services']),
    ...chain('postrouting', [
      'type nat hook postrouting priority srcnat; policy accept;',
      // A pod that was led to itself must see another source, or its answer would never pass here again.
      'ct status dnat ip saddr . ip daddr @hairpin4 masquerade',
      'ct status dnat ip6 saddr . ip6 daddr @hairpin6 masquerade',
    ]),
    // Before routing, so that it does not matter whether there is a route to service addresses.
    ...chain('filter-prerouting', ['type filter hook prerouting priority filter; policy accept;', 'jump unserved']),
    ...chain('filter-output', ['type filter hook output priority filter; policy accept;', 'jump unserved']),
    '}',
    '',
  ].join('\n');
}

/** Pairs of one address with itself, for every endpoint. */
function hairpinSet(name: string, type: string, vips: readonly Vip[], family: Family): readonly string[] {
  const addresses = vips.filter((vip) => vip.family === family).flatMap(({ targets }) => targets.map((t) => t.address));
  const pairs = [...new Set(addresses)].sort().map((address) => `${address} . ${address}`);
  const elements = pairs.length === 0 ? [] : [`    elements = { ${pairs.join(', ')} }`];
  return [`  set ${name} {`, `    type ${type} . ${type}`, ...elements, '  }'];
}

const match = (vip: Vip) => `${vip.family} daddr ${vip.address} ${vip.protocol} dport ${vip.port}`;

function refusal(vip: Vip): string {
  if (vip.otherwise === 'drop') return 'drop';
  return vip.protocol === 'tcp' ? 'reject with tcp reset' : 'reject with icmpx port-unreachable';
}

/** One rule per target, each taking its share of what the ones before it left. */
function targetRules({ family, protocol, targets }: Vip): readonly string[] {
  return targets.map(({ address, port }, i) => {
    const left = targets.length - i;
    const share = left === 1 ? '' : `numgen random mod ${left} == 0 `;
    const to = family === 'ip6' ? `[${address}]:${port}` : `${address}:${port}`;
    return `meta l4proto ${protocol} ${share}dnat ${family} to ${to}`;
  });
}

function chain(name: string, rules: readonly string[]): readonly string[] {
  return [`  chain ${name} {`, ...rules.map((rule) => `    ${rule}`), '  }'];
}
