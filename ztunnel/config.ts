/**
 * The ztunnel's configuration: environment variables under the reference's names, over `PROXY_CONFIG`, over the mesh file.
 * Parsed once; every problem is told in one error. What the reference has and we do not is refused when it is asked for,
 * never ignored.
 */
import { availableParallelism } from 'node:os';
import { parse as parseYaml } from 'yaml';
import * as z from 'zod';
import {
  configError,
  deepFreeze,
  type Env,
  envBoolean,
  envDuration,
  envInteger,
  envOptionalText,
  envSome,
  envText,
  ownVersion,
  parseEnv,
  secret,
} from '../core/config/index.ts';
import { type CipherSuite, SUITES } from '../core/hbone/index.ts';
import { describeError } from '../core/telemetry/index.ts';
import { DEFAULT_HANG_MS } from '../core/threads/index.ts';
import { type ControlPlaneConfig, rootSource, type TokenSource, tokenSource, withScheme } from '../core/xds/index.ts';
import { type DataConfig, defaultDataConfig } from './data/index.ts';
import { type DnsConfig, dnsConfig } from './dns/index.ts';
import { workerThreads } from './threads/count.ts';

/** What is read of `defaultConfig` in the mesh file and of `PROXY_CONFIG`. */
const proxyConfig = z
  .object({
    discoveryAddress: z.string().optional(),
    proxyAdminPort: z.int().min(0).max(65_535).optional(),
    statsPort: z.int().min(0).max(65_535).optional(),
    concurrency: z.int().min(0).optional(),
    proxyMetadata: z.record(z.string(), z.string()).optional(),
  })
  .loose();
type ProxyConfig = z.output<typeof proxyConfig>;

export type ProxyMode = 'shared' | 'dedicated';

const PORT = { min: 1, max: 65_535 } as const;
const defaults = defaultDataConfig();

const variables = z.object({
  PROXY_MODE: z.enum(['shared', 'dedicated']).default('shared'),
  PROXY_WORKLOAD_INFO: envOptionalText(),
  NODE_NAME: envText(''),
  NETWORK: envText(''),
  CLUSTER_ID: envText('Kubernetes'),
  CLUSTER_DOMAIN: envText('cluster.local'),
  TRUST_DOMAIN: envText('cluster.local'),
  POD_NAME: envText(''),
  POD_NAMESPACE: envText(''),
  SERVICE_ACCOUNT: envText(''),
  INSTANCE_IP: envText('1.1.1.1'),
  KUBERNETES_SERVICE_HOST: envOptionalText(),
  // empty means something here, so it is not the same as unset
  XDS_ADDRESS: z.string().optional(),
  CA_ADDRESS: envOptionalText(),
  XDS_ROOT_CA: envText('./var/run/secrets/istio/root-cert.pem'),
  CA_ROOT_CA: envText('./var/run/secrets/istio/root-cert.pem'),
  ALT_XDS_HOSTNAME: envOptionalText(),
  ALT_CA_HOSTNAME: envOptionalText(),
  AUTH_TOKEN: secret(envOptionalText()),
  CRL_PATH: envOptionalText(),
  SECRET_TTL: envDuration(24 * 3_600_000),
  INPOD_UDS: envText('/var/run/ztunnel/ztunnel.sock'),
  INPOD_PORT_REUSE: envBoolean(true),
  PACKET_MARK: envInteger(undefined, { min: 1, max: 0xffff_ffff }),
  ENABLE_ORIG_SRC: envBoolean(undefined),
  IPV6_ENABLED: envBoolean(true),
  KEEPALIVE_ENABLED: envBoolean(true),
  KEEPALIVE_TIME: envDuration(180_000),
  KEEPALIVE_INTERVAL: envDuration(180_000),
  KEEPALIVE_RETRIES: envInteger(9, { min: 1, max: 127 }),
  HTTP2_STREAM_WINDOW_SIZE: envInteger(defaults.streamWindowBytes, { min: 65_535, max: 2 ** 31 - 1 }),
  HTTP2_CONNECTION_WINDOW_SIZE: envInteger(defaults.connectionWindowBytes, { min: 65_535, max: 2 ** 31 - 1 }),
  HTTP2_FRAME_SIZE: envInteger(defaults.frameBytes, { min: 16_384, max: 16_777_215 }),
  POOL_MAX_STREAMS_PER_CONNECTION: envInteger(defaults.poolMaxStreams, { min: 1, max: 65_535 }),
  POOL_UNUSED_RELEASE_TIMEOUT: envDuration(defaults.poolUnusedReleaseMs),
  CONNECTION_TERMINATION_DEADLINE: envDuration(undefined),
  TERMINATION_GRACE_PERIOD_SECONDS: envInteger(undefined, { min: 1, max: 1_000_000 }),
  ENABLE_RESPONSE_BAGGAGE: envBoolean(true),
  LOCALHOST_APP_TUNNEL: envBoolean(defaults.localhostAppTunnel),
  AUTHZ_POLICY_INFO_LOGGING: envText('false'),
  LOG_FORMAT: z.enum(['plain', 'json']).default('plain'),
  RUST_LOG: envText('info'),
  ISTIO_META_CLUSTER_ID: envOptionalText(),
  ISTIO_META_ISTIO_VERSION: envOptionalText(),
  PREFERED_SERVICE_NAMESPACE: envOptionalText(),
  PROXY_CONFIG: envOptionalText(),
  ZTUNNEL_WORKER_THREADS: envOptionalText(),
  ZTUNNEL_CPU_LIMIT: envOptionalText(),
  ZTUNNEL_RESOURCE_CPU_LIMIT: envOptionalText(),
  ZTUNNEL_RESOURCE_CPU_REQUEST: envOptionalText(),
  AMBIT_HBONE: z.enum(['auto', 'http2', 'plane']).default('auto'),
  AMBIT_HBONE_SUITES: envSome(SUITES),
  AMBIT_ZTUNNEL_SAME_NODE: z.enum(['direct', 'tunnel']).default(defaults.sameNode),
  AMBIT_ZTUNNEL_RECEIPT_HEADER: envBoolean(defaults.receiptHeader),
  AMBIT_ZTUNNEL_CONNECT_TIMEOUT: envDuration(defaults.connectTimeoutMs),
  AMBIT_ZTUNNEL_IDLE_TIMEOUT: envDuration(defaults.idleTimeoutMs),
  AMBIT_ZTUNNEL_MISSING_POLICY_WAIT: envDuration(defaults.missingPolicyWaitMs),
  AMBIT_ZTUNNEL_HANG_TIMEOUT: envDuration(DEFAULT_HANG_MS).refine((ms) => ms >= 1_000, 'must be at least 1s'),
  AMBIT_ZTUNNEL_MAX_POD_CONNECTIONS: envInteger(defaults.maxConnections, { min: 1, max: 1_000_000 }),
  AMBIT_ZTUNNEL_ADMIN_PORT: envInteger(undefined, PORT),
  AMBIT_ZTUNNEL_STATS_PORT: envInteger(undefined, PORT),
  AMBIT_ZTUNNEL_READINESS_PORT: envInteger(15_021, PORT),
});

/** Settings of the reference that are not built here, and the values under which that makes no difference. */
const NOT_BUILT: Readonly<Record<string, readonly string[]>> = {
  ENABLE_PROXY: ['true'],
  XDS_ON_DEMAND: ['false'],
  LOCAL_XDS_PATH: [],
  LOCAL_XDS: [],
  FAKE_CA: ['false'],
  UNSTABLE_ENABLE_SOCKS5: ['false'],
  USER_TIMEOUT_ENABLED: ['false'],
  TLS12_ENABLED: ['false'],
  COMPLIANCE_POLICY: [],
};

export type WorkloadInfo = { readonly name: string; readonly namespace: string; readonly serviceAccount: string };

export type ZtunnelConfig = {
  readonly mode: ProxyMode;
  /** Dedicated mode: whom we serve. */
  readonly workload: WorkloadInfo | undefined;
  readonly localNode: string;
  readonly network: string;
  readonly clusterId: string;
  readonly clusterDomain: string;
  readonly trustDomain: string;
  readonly pod: { readonly name: string; readonly namespace: string; readonly serviceAccount: string };
  readonly instanceIp: string;
  /** Undefined: no control plane. */
  readonly xds: ControlPlaneConfig | undefined;
  readonly ca: ControlPlaneConfig;
  readonly token: TokenSource;
  readonly secretTtlMs: number;
  /** File of revocation lists; undefined: nothing is revoked. */
  readonly crlPath: string | undefined;
  /** Of tunnels, the preferred one first; undefined: the default. */
  readonly suites: readonly CipherSuite[] | undefined;
  readonly inpodUds: string;
  readonly data: DataConfig;
  /** Undefined: pods have no DNS proxy, and their DNS must not be captured. */
  readonly dns: DnsConfig | undefined;
  /** Threads that carry pods; 1: the main thread does it. */
  readonly workerThreads: number;
  readonly drainDeadlineMs: number;
  /** A worker thread that does not answer for so long ends the process. */
  readonly hangTimeoutMs: number;
  readonly adminPort: number;
  readonly statsPort: number;
  readonly readinessPort: number;
  readonly logAllowedConnections: boolean;
  readonly logFormat: 'plain' | 'json';
  readonly logLevel: string;
  readonly version: string;
  /** Node metadata: text, and what `ISTIO_METAJSON_` variables gave. */
  readonly proxyMetadata: Readonly<Record<string, string>>;
  readonly jsonMetadata: Readonly<Record<string, unknown>>;
  /** Settings that were given and change nothing, for one warning each. */
  readonly warnings: readonly string[];
};

export type ConfigInput = {
  readonly env: Env;
  /** The text of a file, or undefined when there is none. */
  readonly readFile: (path: string) => string | undefined;
  /** Default: those that this process may use. */
  readonly cpus?: number;
};

const MESH_FILE = './etc/istio/config/mesh';

/** Throws `CONFIG_INVALID` with every problem. */
export function parseConfig({ env, readFile, cpus = availableParallelism() }: ConfigInput): ZtunnelConfig {
  const problems: string[] = [];
  const warnings: string[] = [];
  refuseUnknown(env, problems);
  const proxy = mergeProxyConfigs(env, readFile, problems);
  const metadata = collectMetadata(env, proxy, warnings);
  let v: z.output<typeof variables>;
  try {
    v = parseEnv(variables, env);
  } catch (error) {
    throw problems.length === 0 ? error : configError([...problems, stripPrefix(error)]);
  }
  const workload = parseWorkloadInfo(v.PROXY_MODE, v.PROXY_WORKLOAD_INFO, problems);
  const headers = { xds: headersOf(env, 'XDS_HEADER_', problems), ca: headersOf(env, 'CA_HEADER_', problems) };
  const threads = threadCount(v, proxy.concurrency, cpus, problems);
  if (v.SECRET_TTL < 60_000) problems.push(`SECRET_TTL="${env['SECRET_TTL']}": the authority signs for 60s or more`);
  const dns = dnsConfig(
    {
      capture: metadata.text['DNS_CAPTURE'],
      address: metadata.text['DNS_PROXY_ADDR'],
      clusterDomain: v.CLUSTER_DOMAIN,
      preferredNamespace: v.PREFERED_SERVICE_NAMESPACE,
      ipv6: v.IPV6_ENABLED,
      dedicated: v.PROXY_MODE === 'dedicated',
    },
    problems,
  );
  if (problems.length > 0) throw configError(problems);

  const inCluster = v.KUBERNETES_SERVICE_HOST !== undefined;
  const standard = inCluster ? 'https://istiod.istio-system.svc:15012' : 'https://localhost:15012';
  const xdsAddress = v.XDS_ADDRESS ?? proxy.discoveryAddress ?? standard;
  return deepFreeze({
    mode: v.PROXY_MODE,
    workload,
    localNode: v.NODE_NAME,
    network: v.NETWORK,
    clusterId: v.ISTIO_META_CLUSTER_ID ?? v.CLUSTER_ID,
    clusterDomain: v.CLUSTER_DOMAIN,
    trustDomain: v.TRUST_DOMAIN,
    pod: { name: v.POD_NAME, namespace: v.POD_NAMESPACE, serviceAccount: v.SERVICE_ACCOUNT },
    instanceIp: v.INSTANCE_IP,
    xds:
      xdsAddress === ''
        ? undefined
        : {
            address: withScheme(xdsAddress),
            roots: rootSource(v.XDS_ROOT_CA),
            altHostname: v.ALT_XDS_HOSTNAME,
            headers: headers.xds,
          },
    ca: {
      address: withScheme(v.CA_ADDRESS ?? standard),
      roots: rootSource(v.CA_ROOT_CA),
      altHostname: v.ALT_CA_HOSTNAME,
      headers: headers.ca,
    },
    token: tokenSource(v.AUTH_TOKEN, readFile),
    secretTtlMs: v.SECRET_TTL,
    crlPath: v.CRL_PATH,
    suites: v.AMBIT_HBONE_SUITES,
    inpodUds: v.INPOD_UDS,
    data: dataConfig(v),
    dns,
    workerThreads: threads,
    hangTimeoutMs: v.AMBIT_ZTUNNEL_HANG_TIMEOUT,
    drainDeadlineMs: drainDeadline(v.CONNECTION_TERMINATION_DEADLINE, v.TERMINATION_GRACE_PERIOD_SECONDS),
    adminPort: v.AMBIT_ZTUNNEL_ADMIN_PORT ?? proxy.proxyAdminPort ?? 15_000,
    statsPort: v.AMBIT_ZTUNNEL_STATS_PORT ?? proxy.statsPort ?? 15_020,
    readinessPort: v.AMBIT_ZTUNNEL_READINESS_PORT,
    logAllowedConnections: v.AUTHZ_POLICY_INFO_LOGGING === 'true',
    logFormat: v.LOG_FORMAT,
    logLevel: v.RUST_LOG,
    version: v.ISTIO_META_ISTIO_VERSION ?? ownVersion(),
    proxyMetadata: metadata.text,
    jsonMetadata: metadata.json,
    warnings,
  });
}

function threadCount(
  v: z.output<typeof variables>,
  concurrency: number | undefined,
  cpus: number,
  problems: string[],
): number {
  const settings = {
    threads: v.ZTUNNEL_WORKER_THREADS,
    concurrency,
    cpus: v.ZTUNNEL_CPU_LIMIT,
    limit: v.ZTUNNEL_RESOURCE_CPU_LIMIT,
    request: v.ZTUNNEL_RESOURCE_CPU_REQUEST,
  };
  try {
    const count = workerThreads(settings, cpus);
    return v.PROXY_MODE === 'dedicated' ? 1 : count; // one pod is one thread's
  } catch (error) {
    problems.push(describeError(error));
    return 1;
  }
}

function dataConfig(v: z.output<typeof variables>): DataConfig {
  return {
    ...defaults,
    ipv6: v.IPV6_ENABLED,
    mark: v.PACKET_MARK ?? (v.PROXY_MODE === 'shared' ? defaults.mark : undefined),
    reusePort: v.INPOD_PORT_REUSE,
    originalSource: v.ENABLE_ORIG_SRC === undefined ? 'auto' : v.ENABLE_ORIG_SRC ? 'required' : 'never',
    keepAlive: v.KEEPALIVE_ENABLED
      ? {
          idleS: Math.max(1, Math.round(v.KEEPALIVE_TIME / 1_000)),
          intervalS: Math.max(1, Math.round(v.KEEPALIVE_INTERVAL / 1_000)),
          probes: v.KEEPALIVE_RETRIES,
        }
      : undefined,
    responseBaggage: v.ENABLE_RESPONSE_BAGGAGE,
    localhostAppTunnel: v.LOCALHOST_APP_TUNNEL,
    hbone: v.AMBIT_HBONE,
    sameNode: v.AMBIT_ZTUNNEL_SAME_NODE,
    receiptHeader: v.AMBIT_ZTUNNEL_RECEIPT_HEADER,
    connectTimeoutMs: v.AMBIT_ZTUNNEL_CONNECT_TIMEOUT,
    idleTimeoutMs: v.AMBIT_ZTUNNEL_IDLE_TIMEOUT,
    missingPolicyWaitMs: v.AMBIT_ZTUNNEL_MISSING_POLICY_WAIT,
    maxConnections: v.AMBIT_ZTUNNEL_MAX_POD_CONNECTIONS,
    streamWindowBytes: v.HTTP2_STREAM_WINDOW_SIZE,
    connectionWindowBytes: v.HTTP2_CONNECTION_WINDOW_SIZE,
    frameBytes: v.HTTP2_FRAME_SIZE,
    poolMaxStreams: v.POOL_MAX_STREAMS_PER_CONNECTION,
    poolUnusedReleaseMs: v.POOL_UNUSED_RELEASE_TIMEOUT,
  };
}

/** n - 5 s of the grace period, or n - 1 s of a short one, at least 1 s; 5 s when nothing is said. */
function drainDeadline(explicitMs: number | undefined, graceSeconds: number | undefined): number {
  if (explicitMs !== undefined) return explicitMs;
  if (graceSeconds === undefined) return 5_000;
  return Math.max(1, graceSeconds > 10 ? graceSeconds - 5 : graceSeconds - 1) * 1_000;
}

function refuseUnknown(env: Env, problems: string[]): void {
  for (const [name, harmless] of Object.entries(NOT_BUILT)) {
    const value = env[name];
    if (value !== undefined && value !== '' && !harmless.includes(value.toLowerCase())) {
      problems.push(`${name}="${value}": this ztunnel does not have that`);
    }
  }
  for (const name of Object.keys(env)) {
    if (name.startsWith('AMBIT_ZTUNNEL_') && !(name in variables.shape)) problems.push(`${name}: no such variable`);
  }
}

function mergeProxyConfigs(env: Env, readFile: ConfigInput['readFile'], problems: string[]): ProxyConfig {
  const merged: ProxyConfig = { proxyMetadata: {} };
  const add = (source: string, read: () => unknown): void => {
    try {
      const parsed = proxyConfig.parse(read() ?? {});
      Object.assign(merged, parsed, { proxyMetadata: { ...merged.proxyMetadata, ...parsed.proxyMetadata } });
    } catch (error) {
      problems.push(`${source}: ${describeError(error)}`);
    }
  };
  const file = readFile(MESH_FILE);
  if (file !== undefined)
    add(MESH_FILE, () => z.object({ defaultConfig: z.unknown() }).parse(parseYaml(file)).defaultConfig);
  const inline = env['PROXY_CONFIG'];
  if (inline !== undefined && inline !== '') add('PROXY_CONFIG', () => parseYaml(inline));
  return merged;
}

function collectMetadata(env: Env, proxy: ProxyConfig, warnings: string[]) {
  const text: Record<string, string> = {};
  const json: Record<string, unknown> = {};
  const prefix = 'ISTIO_META_';
  for (const [key, value] of Object.entries(proxy.proxyMetadata ?? {})) {
    text[key.startsWith(prefix) ? key.slice(prefix.length) : key] = value;
  }
  for (const [key, value] of Object.entries(env)) {
    if (value === undefined) continue;
    if (key.startsWith(prefix)) text[key.slice(prefix.length)] = value;
    else if (key.startsWith('ISTIO_METAJSON_')) {
      try {
        json[key.slice('ISTIO_METAJSON_'.length)] = JSON.parse(value);
      } catch {
        warnings.push(`${key}: not JSON, left out`); // as the reference: it only informs the control plane
      }
    }
  }
  return { text, json };
}

function parseWorkloadInfo(mode: ProxyMode, text: string | undefined, problems: string[]): WorkloadInfo | undefined {
  if (mode === 'shared') return undefined;
  const [namespace, name, serviceAccount, ...rest] = (text ?? '').split('/');
  if (!namespace || !name || !serviceAccount || rest.length > 0) {
    problems.push(`PROXY_WORKLOAD_INFO="${text ?? ''}": dedicated mode needs namespace/name/serviceaccount`);
    return undefined;
  }
  return { namespace, name, serviceAccount };
}

function headersOf(env: Env, prefix: string, problems: string[]): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  for (const [key, value] of Object.entries(env)) {
    if (!key.startsWith(prefix) || value === undefined) continue;
    const name = key.slice(prefix.length).toLowerCase();
    if (!/^[0-9a-z_.-]+$/.test(name)) problems.push(`${key}: "${name}" is not a header name`);
    else if (!/^[\x20-\x7e]*$/.test(value)) problems.push(`${key}: the value is not printable ASCII`);
    else headers[name] = value;
  }
  return headers;
}

function stripPrefix(error: unknown): string {
  return describeError(error).replace(/^.*?not usable: /, '');
}
