/** The controller's configuration: the reference's environment names, and our own beginning with AMBIT_. */
import { hostname } from 'node:os';
import * as z from 'zod';
import {
  configError,
  type Env,
  envBoolean,
  envDuration,
  envInteger,
  envList,
  envOptionalText,
  envText,
  parseEnv,
} from '../core/config/index.ts';
import { AddressPool, type Cidr, formatCidr, parseCidr } from '../mesh/index.ts';

const HOUR_MS = 3_600_000;

/** controller.md section 1.11. */
const DEFAULT_RANGES = { 4: '240.240.0.0/16', 6: '2001:2::/48' } as const;

const SCHEMA = z.object({
  /** Which control plane this is, of several in one cluster. */
  REVISION: envText('default'),
  CLUSTER_ID: envText('Kubernetes'),
  POD_NAME: envOptionalText(),
  POD_NAMESPACE: envText('istio-system'),
  /** `namespace/account`, comma separated: who may ask for the certificates of others. */
  CA_TRUSTED_NODE_ACCOUNTS: envList(),
  TOKEN_AUDIENCES: envText('istio-ca'),
  DEFAULT_WORKLOAD_CERT_TTL: envDuration(24 * HOUR_MS),
  MAX_WORKLOAD_CERT_TTL: envDuration(90 * 24 * HOUR_MS),
  ROOT_CA_DIR: envText('/etc/cacerts'),
  ISTIOD_CUSTOM_HOST: envList(),
  PILOT_DEBOUNCE_AFTER: envDuration(100),
  PILOT_DEBOUNCE_MAX: envDuration(10_000),
  AMBIENT_ENABLE_STATUS: envBoolean(true),
  PILOT_ENABLE_IP_AUTOALLOCATE: envBoolean(true),
  PILOT_IP_AUTOALLOCATE_IPV4_PREFIX: envText(DEFAULT_RANGES[4]),
  PILOT_IP_AUTOALLOCATE_IPV6_PREFIX: envText(DEFAULT_RANGES[6]),
  /** Whether Gateways of our class become waypoints; without, somebody else runs them. */
  PILOT_ENABLE_GATEWAY_API_DEPLOYMENT_CONTROLLER: envBoolean(true),
  /** What waypoints run. */
  AMBIT_WAYPOINT_IMAGE: envText('ambit/waypoint:0.1.0'),
  ENABLE_LEADER_ELECTION: envBoolean(true),
  KUBECONFIG: envOptionalText(),
  AMBIT_CLUSTER_DOMAIN: envText('cluster.local'),
  AMBIT_GRPC_PORT: envInteger(15012, { max: 65_535 }),
  AMBIT_WEBHOOK_PORT: envInteger(15017, { max: 65_535 }),
  AMBIT_READY_PORT: envInteger(8080, { max: 65_535 }),
  AMBIT_MONITORING_PORT: envInteger(15014, { max: 65_535 }),
  AMBIT_DEBUG_PORT: envInteger(15000, { max: 65_535 }),
  AMBIT_DRAIN_DEADLINE: envDuration(5_000),
  /** A pod that has just been enrolled may not have reached our caches yet. */
  AMBIT_INFORMER_LAG: envDuration(2_000),
  AMBIT_LOG_LEVEL: envText('info'),
  AMBIT_LOG_FORMAT: z.preprocess((v) => (v === '' ? undefined : v), z.enum(['plain', 'json']).default('plain')),
});

export type ControllerConfig = {
  readonly revision: string;
  readonly clusterId: string;
  readonly podName: string;
  readonly namespace: string;
  readonly clusterDomain: string;
  /** `namespace/account`. */
  readonly trustedNodeAccounts: ReadonlySet<string>;
  readonly tokenAudiences: readonly string[];
  readonly defaultTtlMs: number;
  readonly maxTtlMs: number;
  readonly rootCaDir: string;
  readonly customHosts: readonly string[];
  readonly debounceAfterMs: number;
  readonly debounceMaxMs: number;
  readonly writesStatus: boolean;
  /** ServiceEntries without an address get one of each range for each host; empty: they get none. */
  readonly allocationRanges: readonly Cidr[];
  readonly deploysWaypoints: boolean;
  readonly waypointImage: string;
  readonly electsLeader: boolean;
  readonly kubeconfig: string | undefined;
  readonly ports: {
    readonly grpc: number;
    readonly webhook: number;
    readonly ready: number;
    readonly monitoring: number;
    readonly debug: number;
  };
  readonly drainDeadlineMs: number;
  /** How long a decision about a pod waits for the caches before it is a refusal. */
  readonly informerLagMs: number;
  readonly logLevel: string;
  readonly logFormat: 'plain' | 'json';
};

const ACCOUNT = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?\/[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/;

/** Throws CONFIG_INVALID with every problem. */
export function parseConfig(env: Env): ControllerConfig {
  const e = parseEnv(SCHEMA, env);
  const audiences = e.TOKEN_AUDIENCES.split(',')
    .map((a) => a.trim())
    .filter((a) => a !== '');
  const problems = e.CA_TRUSTED_NODE_ACCOUNTS.filter((account) => !ACCOUNT.test(account)).map(
    (account) => `CA_TRUSTED_NODE_ACCOUNTS="${account}": must be namespace/account`,
  );
  if (audiences.length === 0) problems.push(`TOKEN_AUDIENCES="${e.TOKEN_AUDIENCES}": names no audience`);
  if (e.DEFAULT_WORKLOAD_CERT_TTL > e.MAX_WORKLOAD_CERT_TTL) {
    problems.push('DEFAULT_WORKLOAD_CERT_TTL: is longer than MAX_WORKLOAD_CERT_TTL');
  }
  const allocationRanges = e.PILOT_ENABLE_IP_AUTOALLOCATE
    ? [
        readRange('PILOT_IP_AUTOALLOCATE_IPV4_PREFIX', e.PILOT_IP_AUTOALLOCATE_IPV4_PREFIX, 4, problems),
        readRange('PILOT_IP_AUTOALLOCATE_IPV6_PREFIX', e.PILOT_IP_AUTOALLOCATE_IPV6_PREFIX, 6, problems),
      ].filter((range) => range !== undefined)
    : [];
  if (problems.length > 0) throw configError(problems);
  return Object.freeze({
    revision: e.REVISION,
    clusterId: e.CLUSTER_ID,
    podName: e.POD_NAME ?? hostname(),
    namespace: e.POD_NAMESPACE,
    clusterDomain: e.AMBIT_CLUSTER_DOMAIN,
    trustedNodeAccounts: new Set(e.CA_TRUSTED_NODE_ACCOUNTS),
    tokenAudiences: audiences,
    defaultTtlMs: e.DEFAULT_WORKLOAD_CERT_TTL,
    maxTtlMs: e.MAX_WORKLOAD_CERT_TTL,
    rootCaDir: e.ROOT_CA_DIR,
    customHosts: e.ISTIOD_CUSTOM_HOST,
    debounceAfterMs: e.PILOT_DEBOUNCE_AFTER,
    debounceMaxMs: e.PILOT_DEBOUNCE_MAX,
    writesStatus: e.AMBIENT_ENABLE_STATUS,
    allocationRanges,
    deploysWaypoints: e.PILOT_ENABLE_GATEWAY_API_DEPLOYMENT_CONTROLLER,
    waypointImage: e.AMBIT_WAYPOINT_IMAGE,
    electsLeader: e.ENABLE_LEADER_ELECTION,
    kubeconfig: e.KUBECONFIG,
    ports: {
      grpc: e.AMBIT_GRPC_PORT,
      webhook: e.AMBIT_WEBHOOK_PORT,
      ready: e.AMBIT_READY_PORT,
      monitoring: e.AMBIT_MONITORING_PORT,
      debug: e.AMBIT_DEBUG_PORT,
    },
    drainDeadlineMs: e.AMBIT_DRAIN_DEADLINE,
    informerLagMs: e.AMBIT_INFORMER_LAG,
    logLevel: e.AMBIT_LOG_LEVEL,
    logFormat: e.AMBIT_LOG_FORMAT,
  });
}

function readRange(name: string, written: string, family: 4 | 6, problems: string[]): Cidr | undefined {
  const range = parseCidr(written);
  try {
    if (range === undefined || new AddressPool(range).family !== family) throw new Error('of another family');
    return range;
  } catch {
    problems.push(`${name}="${written}": must be a range of IPv${family} addresses, such as ${DEFAULT_RANGES[family]}`);
    return undefined;
  }
}

/** The configuration as fields of one log line; there are no secrets in it. */
export function describeConfig(config: ControllerConfig): Record<string, string | number | boolean | undefined> {
  const { allocationRanges, ports, trustedNodeAccounts, tokenAudiences, customHosts, ...plain } = config;
  return {
    ...plain,
    trustedNodeAccounts: [...trustedNodeAccounts].join(','),
    tokenAudiences: tokenAudiences.join(','),
    customHosts: customHosts.join(','),
    allocationRanges: allocationRanges.map(formatCidr).join(','),
    grpcPort: ports.grpc,
    webhookPort: ports.webhook,
    readyPort: ports.ready,
    monitoringPort: ports.monitoring,
    debugPort: ports.debug,
  };
}
