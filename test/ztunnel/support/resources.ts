/** Builders for what the control plane sends: a test names only what matters to it. */
import {
  type Authorization,
  type Clause,
  EMPTY_MATCH,
  type Match,
  mustParseIp,
  type Service,
  type ServicePort,
  type Workload,
} from '../../../mesh/index.ts';

export const NAMESPACE = 'shop';
export const CLUSTER = 'c1';

/** A pod in the mesh, with the service account of its own name. */
export function workload(
  o: { readonly name: string; readonly node: string; readonly ips: readonly string[] } & Partial<
    Omit<Workload, 'addresses' | 'name' | 'node'>
  >,
): Workload {
  const { name, node, ips, ...rest } = o;
  return {
    uid: uidOf(name),
    name,
    namespace: NAMESPACE,
    addresses: ips.map(mustParseIp),
    network: '',
    tunnelProtocol: 'HBONE',
    trustDomain: 'cluster.local',
    serviceAccount: name,
    node,
    canonicalName: name,
    canonicalRevision: 'v1',
    workloadType: 'DEPLOYMENT',
    workloadName: name,
    nativeTunnel: false,
    authorizationPolicies: [],
    status: 'HEALTHY',
    clusterId: CLUSTER,
    hostname: '',
    services: new Map(),
    networkMode: 'STANDARD',
    capacity: 1,
    ...rest,
  };
}

/** A workload's resource name, as Kubernetes pods have it. */
const uidOf = (pod: string) => `${CLUSTER}//v1/Pod/${NAMESPACE}/${pod}`;
export const hostnameOf = (service: string) => `${service}.${NAMESPACE}.svc.cluster.local`;
export const identityOf = (account: string) => `spiffe://cluster.local/ns/${NAMESPACE}/sa/${account}`;

export function service(
  o: {
    readonly name: string;
    readonly vips: readonly string[];
    readonly ports: Readonly<Record<number, number>>;
  } & Partial<Omit<Service, 'ports' | 'addresses' | 'name'>>,
): Service {
  const { name, vips, ports, ...rest } = o;
  return {
    name,
    namespace: NAMESPACE,
    hostname: hostnameOf(name),
    addresses: vips.map((ip) => ({ network: '', address: mustParseIp(ip) })),
    ports: portsOf(ports),
    subjectAltNames: [],
    weightedWaypoints: [],
    ipFamilies: 'AUTOMATIC',
    canonical: true,
    ingressUseWaypoint: false,
    visibility: 'PUBLIC',
    ...rest,
  };
}

/** Service port to target port. */
export function portsOf(ports: Readonly<Record<number, number>>): ServicePort[] {
  return Object.entries(ports).map(([servicePort, targetPort]) => ({
    servicePort: Number(servicePort),
    targetPort,
    appProtocol: 'TCP',
  }));
}

export function match(fields: Partial<Match>): Match {
  return { ...EMPTY_MATCH, ...fields };
}

/** A policy with one rule of one clause, unless `rules` says otherwise. */
export function authorization(
  o: { readonly name: string; readonly matches?: readonly Match[] } & Partial<Authorization>,
): Authorization {
  const { name, matches = [], ...rest } = o;
  const clause: Clause = { matches };
  return {
    name,
    namespace: NAMESPACE,
    scope: 'NAMESPACE',
    action: 'ALLOW',
    rules: [{ clauses: [clause] }],
    dryRun: false,
    ...rest,
  };
}

/** How STRICT reaches a ztunnel: whoever has no identity is denied. */
export const STRICT = authorization({
  name: 'strict',
  action: 'DENY',
  matches: [match({ notPrincipals: [{ kind: 'presence' }] })],
});
