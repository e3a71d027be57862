/** Workloads, services and policies in the shape that `istioctl ztunnel-config` reads from `/config_dump`. */
import {
  type Authorization,
  authorizationKey,
  formatCidr,
  type GatewayAddress,
  type Match,
  type Service,
  type StringMatch,
  serviceKey,
  type View,
  type Workload,
} from '../../mesh/index.ts';

/** Plain JSON. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

export function dumpWorkloads(view: View): readonly Json[] {
  return sorted([...view.workloads()], (w) => w.uid).map(dumpWorkload);
}

export function dumpServices(view: View): readonly Json[] {
  return sorted([...view.services()], (s) => s.hostname).map((service) => dumpService(view, service));
}

export function dumpPolicies(view: View): readonly Json[] {
  return sorted([...view.authorizations()], authorizationKey).map(dumpPolicy);
}

function dumpWorkload(w: Workload): Json {
  const services = [...w.services.keys()].sort();
  return {
    workloadIps: [...w.addresses],
    ...(w.waypoint && { waypoint: dumpGateway(w.waypoint) }),
    ...(w.networkGateway && { networkGateway: dumpGateway(w.networkGateway) }),
    protocol: w.tunnelProtocol === 'HBONE' ? 'HBONE' : 'TCP',
    networkMode: w.networkMode === 'HOST_NETWORK' ? 'HostNetwork' : 'Standard', // shown also where it is the default
    uid: w.uid,
    name: w.name,
    namespace: w.namespace,
    ...given({
      trustDomain: w.trustDomain,
      serviceAccount: w.serviceAccount,
      network: w.network,
      workloadName: w.workloadName,
    }),
    workloadType: w.workloadType.toLowerCase(),
    ...given({
      canonicalName: w.canonicalName,
      canonicalRevision: w.canonicalRevision,
      hostname: w.hostname,
      node: w.node,
    }),
    ...(w.nativeTunnel && { nativeTunnel: true }),
    ...(w.applicationTunnel && {
      applicationTunnel: {
        protocol: w.applicationTunnel.protocol,
        ...(w.applicationTunnel.port !== 0 && { port: w.applicationTunnel.port }),
      },
    }),
    ...(w.authorizationPolicies.length > 0 && { authorizationPolicies: [...w.authorizationPolicies] }),
    status: w.status === 'HEALTHY' ? 'Healthy' : 'Unhealthy',
    clusterId: w.clusterId,
    ...(w.locality && { locality: given({ ...w.locality }) }),
    ...(services.length > 0 && { services }),
    capacity: w.capacity,
  };
}

const IP_FAMILIES = { AUTOMATIC: undefined, IPV4_ONLY: 'IPv4', IPV6_ONLY: 'IPv6', DUAL: 'Dual' } as const;
const MODES = {
  UNSPECIFIED_MODE: 'Standard',
  STRICT: 'Strict',
  FAILOVER: 'Failover',
  PASSTHROUGH: 'Passthrough',
} as const;
const title = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1).toLowerCase();

function dumpService(view: View, s: Service): Json {
  const endpoints: Record<string, Json> = {};
  for (const { workload, ports } of sorted([...view.endpoints(s)], (e) => e.workload.uid)) {
    endpoints[workload.uid] = {
      workloadUid: workload.uid,
      port: Object.fromEntries(ports.map((p) => [String(p.servicePort), p.targetPort])),
      status: workload.status === 'HEALTHY' ? 'Healthy' : 'Unhealthy',
    };
  }
  const single = s.addresses.filter((a) => !isRange(a));
  const ranges = s.addresses.filter(isRange);
  const families = IP_FAMILIES[s.ipFamilies];
  return {
    name: s.name,
    namespace: s.namespace,
    hostname: s.hostname,
    vips: single.map((a) => `${a.network}/${a.address}`),
    ...(ranges.length > 0 && {
      cidrVips: ranges.map((a) => ({ network: a.network, cidr: `${a.address}/${a.length}` })),
    }),
    ports: Object.fromEntries(s.ports.map((p) => [String(p.servicePort), p.targetPort])),
    endpoints,
    subjectAltNames: [...s.subjectAltNames],
    ...(s.waypoint && { waypoint: dumpGateway(s.waypoint) }),
    ...(s.weightedWaypoints.length > 0 && {
      weightedWaypoints: s.weightedWaypoints.map((w) => ({
        destination: dumpGateway(w.destination),
        weight: w.weight,
      })),
    }),
    ...(s.loadBalancing && {
      loadBalancer: {
        routingPreferences: s.loadBalancing.routingPreference.map(title),
        mode: MODES[s.loadBalancing.mode],
        healthPolicy: s.loadBalancing.healthPolicy === 'ALLOW_ALL' ? 'AllowAll' : 'OnlyHealthy',
      },
    }),
    ...(families && { ipFamilies: families }),
    canonical: s.canonical,
    visibility: title(s.visibility),
  };
}

/** A VIP with a prefix as long as its address is one address. */
function isRange(a: { readonly address: string; readonly length?: number }): boolean {
  return a.length !== undefined && a.length !== (a.address.includes(':') ? 128 : 32);
}

function dumpPolicy(p: Authorization): Json {
  return {
    name: p.name,
    namespace: p.namespace,
    scope: p.scope.split('_').map(title).join(''),
    action: title(p.action),
    rules: p.rules.map((rule) => rule.clauses.map((clause) => clause.matches.map(dumpMatch))),
    dryRun: p.dryRun,
  };
}

function dumpMatch(m: Match): Json {
  const out: Record<string, Json> = {};
  const put = <T>(key: keyof Match, values: readonly T[], show: (value: T) => Json): void => {
    if (values.length > 0) out[key] = values.map(show);
  };
  put('namespaces', m.namespaces, dumpString);
  put('notNamespaces', m.notNamespaces, dumpString);
  put('principals', m.principals, dumpString);
  put('notPrincipals', m.notPrincipals, dumpString);
  put('serviceAccounts', m.serviceAccounts, (a) => ({ ...a }));
  put('notServiceAccounts', m.notServiceAccounts, (a) => ({ ...a }));
  put('sourceIps', m.sourceIps, formatCidr);
  put('notSourceIps', m.notSourceIps, formatCidr);
  put('destinationIps', m.destinationIps, formatCidr);
  put('notDestinationIps', m.notDestinationIps, formatCidr);
  put('destinationPorts', m.destinationPorts, (port) => port);
  put('notDestinationPorts', m.notDestinationPorts, (port) => port);
  return out;
}

function dumpString(s: StringMatch): Json {
  return s.kind === 'presence' ? { Presence: [] } : { [title(s.kind)]: s.value };
}

function dumpGateway({ destination, hboneMtlsPort }: GatewayAddress): Json {
  const where =
    destination.kind === 'address' ? `${destination.network}/${destination.address}` : serviceKey(destination);
  return { destination: where, hboneMtlsPort };
}

/** Leaves out what is empty. */
function given(fields: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ''));
}

function sorted<T>(items: readonly T[], key: (item: T) => string): readonly T[] {
  return items.toSorted((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
}
