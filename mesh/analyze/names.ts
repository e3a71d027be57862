/**
 * The labels and annotations that mean something to the mesh, where they do, and which values they have (controller.md section 2).
 * A kind is named as in `World.objects`; no kinds: anywhere.
 */

export type NameRule = {
  readonly on?: readonly string[];
  /** The values that exist, or a test and what it expects in words. */
  readonly values?: readonly string[] | { readonly test: (value: string) => boolean; readonly expected: string };
  /** Its values are read in any case. */
  readonly anyCase?: boolean;
};

/** As Go's ParseBool spells truth and falsehood. */
const BOOLEANS = ['1', 't', 'T', 'TRUE', 'true', 'True', '0', 'f', 'F', 'FALSE', 'false', 'False'];
const BOOLEAN = { test: (value: string) => BOOLEANS.includes(value), expected: 'true or false' };
const PERCENT = { test: (value: string) => /^\d{1,3}$/.test(value) && Number(value) <= 100, expected: '0 to 100' };
const DISTRIBUTION = ['PreferClose', 'PreferSameZone', 'PreferSameNode', 'Any'];

const NAMESPACE = '/Namespace';
const POD = '/Pod';
const SERVICE = '/Service';
const SERVICE_ENTRY = 'networking.istio.io/ServiceEntry';
const WORKLOAD_ENTRY = 'networking.istio.io/WorkloadEntry';
const GATEWAY = 'gateway.networking.k8s.io/Gateway';
const GATEWAY_CLASS = 'gateway.networking.k8s.io/GatewayClass';
const USES_WAYPOINT = [NAMESPACE, POD, SERVICE, SERVICE_ENTRY, WORKLOAD_ENTRY];
const SERVED = [NAMESPACE, SERVICE, SERVICE_ENTRY];

export const LABELS: ReadonlyMap<string, NameRule> = new Map<string, NameRule>([
  ['istio.io/dataplane-mode', { on: [NAMESPACE, POD], values: ['ambient', 'none'] }],
  ['istio.io/use-waypoint', { on: USES_WAYPOINT }],
  ['istio.io/use-waypoint-namespace', { on: USES_WAYPOINT }],
  ['istio.io/use-waypoint-canary', { on: SERVED }],
  ['istio.io/use-waypoint-canary-namespace', { on: SERVED }],
  ['istio.io/ingress-use-waypoint', { on: SERVED, values: BOOLEAN }],
  ['istio.io/waypoint-for', { on: [GATEWAY, GATEWAY_CLASS], values: ['service', 'workload', 'all', 'none'] }],
  ['istio.io/rev', {}],
  ['istio.io/tag', {}],
  ['istio.io/global', {}],
  ['istio.io/config', {}],
  ['istio.io/gateway-name', {}],
  ['istio.io/dataplane-id', {}],
  ['topology.istio.io/network', {}],
  ['topology.istio.io/cluster', {}],
  ['topology.istio.io/subzone', {}],
  ['topology.istio.io/controlPlaneClusters', {}],
  ['service.istio.io/canonical-name', {}],
  ['service.istio.io/canonical-revision', {}],
  ['service.istio.io/workload-name', {}],
  ['gateway.istio.io/managed', {}],
  ['gateway.istio.io/defaults-for-class', {}],
  ['networking.istio.io/tunnel', { on: [POD, WORKLOAD_ENTRY] }],
  ['networking.istio.io/enable-autoallocate-ip', { on: [SERVICE_ENTRY], values: BOOLEAN }],
  ['networking.istio.io/gatewayPort', {}],
  ['security.istio.io/tlsMode', {}],
  ['sidecar.istio.io/inject', { values: BOOLEAN }],
  ['istio-injection', { on: [NAMESPACE], values: ['enabled', 'disabled'] }],
]);

export const ANNOTATIONS: ReadonlyMap<string, NameRule> = new Map<string, NameRule>([
  ['ambient.istio.io/redirection', { on: [POD], values: ['enabled', 'pending'] }],
  ['ambient.istio.io/bypass-inbound-capture', { on: [POD], values: BOOLEAN }],
  ['ambient.istio.io/dns-capture', { on: [POD], values: BOOLEAN }],
  ['ambient.istio.io/waypoint-inbound-binding', { on: [GATEWAY, GATEWAY_CLASS] }],
  ['istio.io/reroute-virtual-interfaces', { on: [POD] }],
  ['istio.io/rev', { on: [POD] }], // of whom a gateway's pods are
  ['networking.istio.io/traffic-distribution', { on: SERVED, values: DISTRIBUTION, anyCase: true }],
  ['networking.istio.io/exportTo', {}],
  ['networking.istio.io/service-type', {}],
  ['istio.io/use-waypoint-canary-weight', { on: SERVED, values: PERCENT }],
  ['istio.io/dry-run', { on: ['security.istio.io/AuthorizationPolicy'], values: BOOLEAN }],
  ['istio.io/connect-strategy', { on: [SERVICE_ENTRY] }],
  ['gateway.istio.io/name-override', {}],
  ['gateway.istio.io/service-account', {}],
  ['gateway.istio.io/controller-version', {}],
  ['gateway.istio.io/tls-terminate-mode', {}],
  ['istio.io/autoRegistrationGroup', {}],
  ['istio.io/workloadController', {}],
  ['istio.io/connectedAt', {}],
  ['istio.io/disconnectedAt', {}],
  ['galley.istio.io/analyze-suppress', {}],
]);

/** Domains with names of ours in them: a slip in the domain itself is looked for, too. */
export const DOMAINS: readonly string[] = [
  ...new Set([...LABELS.keys(), ...ANNOTATIONS.keys()].filter((key) => key.includes('/')).map(domainOf)),
  'ambit.io',
];

/** Domains of the reference that only sidecars and installers use; what stands in them is not ours to judge. */
export const FOREIGN_DOMAINS: ReadonlySet<string> = new Set([
  'sidecar.istio.io',
  'proxy.istio.io',
  'prometheus.istio.io',
  'status.sidecar.istio.io',
  'readiness.status.sidecar.istio.io',
  'traffic.sidecar.istio.io',
  'inject.istio.io',
  'install.operator.istio.io',
  'operator.istio.io',
  'internal.istio.io',
  'kubernetes.istio.io',
]);

/** What stands before the slash; '' when there is none. */
export function domainOf(key: string): string {
  const slash = key.indexOf('/');
  return slash === -1 ? '' : key.slice(0, slash);
}
