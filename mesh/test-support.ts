/** Builders for tests: name what matters, the rest is an ordinary enrolled pod, service or policy. */
import { type IpAddress, mustParseIp } from './address.ts';
import { parseCidr } from './cidr.ts';
import {
  type Authorization,
  EMPTY_MATCH,
  type GatewayAddress,
  type Match,
  type Service,
  type ServicePort,
  type StringMatch,
  type Workload,
} from './model.ts';
import { View } from './view/view.ts';

export const ip = (text: string): IpAddress => mustParseIp(text);
export const at = (text: string, port: number) => ({ ip: ip(text), port });

export type WorkloadFields = Partial<Omit<Workload, 'addresses' | 'services'>> & {
  readonly addresses?: readonly string[];
  /** `{ 'ns/host': { 80: 8080 } }` */
  readonly services?: Readonly<Record<string, Readonly<Record<number, number>>>>;
};

export function workload(name: string, fields: WorkloadFields = {}): Workload {
  const { addresses = [], services = {}, ...rest } = fields;
  const namespace = fields.namespace ?? 'default';
  return {
    uid: `Kubernetes//Pod/${namespace}/${name}`,
    name,
    namespace,
    network: '',
    tunnelProtocol: 'HBONE',
    trustDomain: 'cluster.local',
    serviceAccount: name,
    node: 'node-1',
    canonicalName: name,
    canonicalRevision: 'latest',
    workloadType: 'POD',
    workloadName: name,
    nativeTunnel: false,
    authorizationPolicies: [],
    status: 'HEALTHY',
    clusterId: 'Kubernetes',
    hostname: '',
    networkMode: 'STANDARD',
    capacity: 1,
    ...rest,
    addresses: addresses.map(ip),
    services: new Map(Object.entries(services).map(([key, ports]) => [key, portList(ports)])),
  };
}

export type ServiceFields = Partial<Omit<Service, 'addresses' | 'ports'>> & {
  /** `10.0.0.1`, `10.0.0.0/8`, or `network/10.0.0.1`. */
  readonly addresses?: readonly string[];
  readonly ports?: Readonly<Record<number, number>>;
};

export function service(name: string, fields: ServiceFields = {}): Service {
  const { addresses = [], ports = { 80: 8080 }, ...rest } = fields;
  const namespace = fields.namespace ?? 'default';
  return {
    name,
    namespace,
    hostname: `${name}.${namespace}.svc.cluster.local`,
    subjectAltNames: [],
    weightedWaypoints: [],
    ipFamilies: 'AUTOMATIC',
    canonical: true,
    ingressUseWaypoint: false,
    visibility: 'PUBLIC',
    ...rest,
    addresses: addresses.map(networkAddress),
    ports: portList(ports),
  };
}

export function authorization(name: string, fields: Partial<Authorization> & { matches?: Partial<Match>[] } = {}) {
  const { matches, ...rest } = fields;
  const rules = matches ? [{ clauses: [{ matches: matches.map(match) }] }] : [];
  return {
    name,
    namespace: 'default',
    scope: 'NAMESPACE',
    action: 'ALLOW',
    rules,
    dryRun: false,
    ...rest,
  } as Authorization;
}

export const match = (fields: Partial<Match>): Match => ({ ...EMPTY_MATCH, ...fields });
export const exact = (value: string): StringMatch => ({ kind: 'exact', value });
export const prefix = (value: string): StringMatch => ({ kind: 'prefix', value });
export const suffix = (value: string): StringMatch => ({ kind: 'suffix', value });
export const presence: StringMatch = { kind: 'presence' };

export function cidr(text: string) {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new Error(`test names a bad range: ${text}`);
  return parsed;
}

export function waypointByIp(text: string, hboneMtlsPort = 15_008): GatewayAddress {
  return { destination: { kind: 'address', network: '', address: ip(text) }, hboneMtlsPort };
}

export function waypointByHost(namespace: string, hostname: string, hboneMtlsPort = 15_008): GatewayAddress {
  return { destination: { kind: 'hostname', namespace, hostname }, hboneMtlsPort };
}

export function viewOf(...resources: readonly (Workload | Service | Authorization)[]): View {
  const view = new View({ network: '', localNode: '' });
  fill(view, resources);
  return view;
}

export function fill(view: View, resources: readonly (Workload | Service | Authorization)[]): void {
  for (const r of resources) {
    if ('uid' in r) view.upsertAddress({ kind: 'workload', workload: r });
    else if ('hostname' in r) view.upsertAddress({ kind: 'service', service: r });
    else view.upsertAuthorization(r);
  }
}

/** A small seeded generator (mulberry32): numbers in [0, 1), the same for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function shuffled<T>(items: readonly T[], random: () => number): readonly T[] {
  const copy = [...items];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const [a, b] = [copy[i], copy[j]];
    if (a !== undefined && b !== undefined) [copy[i], copy[j]] = [b, a];
  }
  return copy;
}

function portList(ports: Readonly<Record<number, number>>): readonly ServicePort[] {
  return Object.entries(ports).map(([servicePort, targetPort]) => ({
    servicePort: Number(servicePort),
    targetPort,
    appProtocol: 'UNKNOWN',
  }));
}

function networkAddress(text: string): Service['addresses'][number] {
  const parts = text.split('/');
  const length = parts.length > 1 && /^\d+$/.test(parts.at(-1) ?? '') ? Number(parts.pop()) : undefined;
  const address = ip(parts.pop() ?? '');
  return { network: parts.pop() ?? '', address, ...(length !== undefined && { length }) };
}
