/** The waypoint's configuration: environment variables, parsed once; every problem is told in one error. */
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
import { type CipherSuite, type HboneImplementation, SUITES } from '../core/hbone/index.ts';
import { DEFAULT_LIMITS, type HttpLimits } from '../core/http/index.ts';
import { DEFAULT_HANG_MS } from '../core/threads/index.ts';
import { type ControlPlaneConfig, rootSource, type TokenSource, tokenSource, withScheme } from '../core/xds/index.ts';

const PORT = { min: 0, max: 65_535 } as const;
const BYTES = { min: 1_024, max: 2 ** 30 } as const;

const ACCESS_LOGS = { off: 'off', text: 'TEXT', json: 'JSON' } as const;

const variables = z.object({
  POD_NAME: envText(''),
  POD_NAMESPACE: envText(''),
  SERVICE_ACCOUNT: envText(''),
  INSTANCE_IP: envText('1.1.1.1'),
  NODE_NAME: envText(''),
  NETWORK: envText(''),
  CLUSTER_ID: envText('Kubernetes'),
  ISTIO_META_CLUSTER_ID: envOptionalText(),
  CLUSTER_DOMAIN: envText('cluster.local'),
  TRUST_DOMAIN: envText('cluster.local'),
  XDS_ADDRESS: envText('https://istiod.istio-system.svc:15012'),
  CA_ADDRESS: envText('https://istiod.istio-system.svc:15012'),
  XDS_ROOT_CA: envText('./var/run/secrets/istio/root-cert.pem'),
  CA_ROOT_CA: envText('./var/run/secrets/istio/root-cert.pem'),
  ALT_XDS_HOSTNAME: envOptionalText(),
  ALT_CA_HOSTNAME: envOptionalText(),
  AUTH_TOKEN: secret(envOptionalText()),
  SECRET_TTL: envDuration(24 * 3_600_000),
  CRL_PATH: envOptionalText(),
  IPV6_ENABLED: envBoolean(true),
  CONNECTION_TERMINATION_DEADLINE: envDuration(undefined),
  TERMINATION_GRACE_PERIOD_SECONDS: envInteger(undefined, { min: 1, max: 1_000_000 }),
  LOG_FORMAT: z.enum(['plain', 'json']).default('plain'),
  RUST_LOG: envText('info'),
  AMBIT_HBONE: z.enum(['auto', 'http2', 'plane']).default('auto'),
  AMBIT_HBONE_SUITES: envSome(SUITES),
  AMBIT_WAYPOINT_THREADS: envInteger(undefined, { min: 1, max: 64 }),
  ISTIO_CPU_LIMIT: envInteger(undefined, { min: 1, max: 1_024 }),
  AMBIT_WAYPOINT_ACCESS_LOG: z.enum(['off', 'text', 'json']).default('off'),
  AMBIT_WAYPOINT_PORT: envInteger(15_008, PORT),
  AMBIT_WAYPOINT_ADMIN_PORT: envInteger(15_000, PORT),
  AMBIT_WAYPOINT_STATS_PORT: envInteger(15_020, PORT),
  AMBIT_WAYPOINT_READINESS_PORT: envInteger(15_021, PORT),
  AMBIT_WAYPOINT_HANG_TIMEOUT: envDuration(DEFAULT_HANG_MS).refine((ms) => ms >= 1_000, 'must be at least 1s'),
  AMBIT_WAYPOINT_CONNECT_TIMEOUT: envDuration(10_000),
  /** For so long a pod that is told to stop serves on: until then not every node knows. */
  AMBIT_WAYPOINT_LAME_DUCK: envDuration(3_000),
  AMBIT_WAYPOINT_DETECTION_TIMEOUT: envDuration(5_000),
  AMBIT_WAYPOINT_MAX_HEADER_BYTES: envInteger(DEFAULT_LIMITS.headBytes, BYTES),
  AMBIT_WAYPOINT_MAX_HEADERS: envInteger(DEFAULT_LIMITS.headFields, { min: 10, max: 10_000 }),
  AMBIT_WAYPOINT_MAX_STREAMS: envInteger(DEFAULT_LIMITS.streams, { min: 1, max: 10_000 }),
  AMBIT_WAYPOINT_HEADER_TIMEOUT: envDuration(DEFAULT_LIMITS.headMs),
  AMBIT_WAYPOINT_REPLAY_BYTES: envInteger(64 * 1024, { min: 0, max: 2 ** 30 }),
  AMBIT_WAYPOINT_IDLE_TIMEOUT: envDuration(DEFAULT_LIMITS.idleMs),
  AMBIT_WAYPOINT_STREAM_IDLE_TIMEOUT: envDuration(DEFAULT_LIMITS.streamIdleMs),
  AMBIT_WAYPOINT_MAX_CONNECTION_DURATION: envDuration(DEFAULT_LIMITS.connectionMs),
  AMBIT_WAYPOINT_MAX_REQUEST_DURATION: envDuration(DEFAULT_LIMITS.exchangeMs),
  AMBIT_WAYPOINT_RECEIPT_HEADER: envBoolean(false),
});

export type WaypointConfig = {
  readonly pod: { readonly name: string; readonly namespace: string; readonly serviceAccount: string };
  readonly instanceIp: string;
  readonly localNode: string;
  readonly network: string;
  readonly clusterId: string;
  readonly clusterDomain: string;
  readonly trustDomain: string;
  readonly xds: ControlPlaneConfig;
  readonly ca: ControlPlaneConfig;
  readonly token: TokenSource;
  readonly secretTtlMs: number;
  readonly crlPath: string | undefined;
  /** Of tunnels, the preferred one first; undefined: the default. */
  readonly suites: readonly CipherSuite[] | undefined;
  readonly ipv6: boolean;
  /** Threads that serve; 1: the main thread does it. */
  readonly threads: number;
  readonly hbone: HboneImplementation | 'auto';
  readonly ports: {
    readonly hbone: number;
    readonly admin: number;
    readonly stats: number;
    readonly readiness: number;
  };
  readonly connectTimeoutMs: number;
  /** How long a client may say nothing on a port of which nobody said what is spoken there. */
  readonly detectionTimeoutMs: number;
  readonly limits: HttpLimits;
  /** Bodies of requests up to this size are kept, to be sent again or mirrored. */
  readonly replayBytes: number;
  /** After we were told to stop: how long we still take what comes. */
  readonly lameDuckMs: number;
  /** And then: how long what is under way has. */
  /** Whether denials tell the caller the id of their receipt. */
  readonly receiptHeader: boolean;
  readonly drainDeadlineMs: number;
  /** A worker thread that does not answer for so long ends the process. */
  readonly hangTimeoutMs: number;
  /** Of requests for which nobody configured a log. */
  readonly accessLog: 'off' | 'TEXT' | 'JSON';
  readonly logFormat: 'plain' | 'json';
  readonly logLevel: string;
  readonly version: string;
};

export type ConfigInput = {
  readonly env: Env;
  /** The text of a file, or undefined when there is none. */
  readonly readFile: (path: string) => string | undefined;
};

/** Throws `CONFIG_INVALID` with every problem. */
export function parseConfig({ env, readFile }: ConfigInput): WaypointConfig {
  const unknown = Object.keys(env).filter((name) => name.startsWith('AMBIT_WAYPOINT_') && !(name in variables.shape));
  if (unknown.length > 0) throw configError(unknown.map((name) => `${name}: no such variable`));
  const v = parseEnv(variables, env);
  const problems: string[] = [];
  for (const name of ['POD_NAMESPACE', 'SERVICE_ACCOUNT'] as const) {
    if (v[name] === '') problems.push(`${name} is not set: a waypoint must know who it is`);
  }
  if (v.SECRET_TTL < 60_000) problems.push(`SECRET_TTL="${env['SECRET_TTL']}": the authority signs for 60s or more`);
  if (problems.length > 0) throw configError(problems);
  const grace = v.TERMINATION_GRACE_PERIOD_SECONDS;
  // Some seconds of the grace period are left for what comes after the drain.
  const stoppingMs =
    v.CONNECTION_TERMINATION_DEADLINE ??
    (grace === undefined ? 5_000 : Math.max(1, grace > 10 ? grace - 5 : grace - 1) * 1_000);
  const lameDuckMs = Math.min(v.AMBIT_WAYPOINT_LAME_DUCK, stoppingMs / 2);
  return deepFreeze({
    pod: { name: v.POD_NAME, namespace: v.POD_NAMESPACE, serviceAccount: v.SERVICE_ACCOUNT },
    instanceIp: v.INSTANCE_IP,
    localNode: v.NODE_NAME,
    network: v.NETWORK,
    clusterId: v.ISTIO_META_CLUSTER_ID ?? v.CLUSTER_ID,
    clusterDomain: v.CLUSTER_DOMAIN,
    trustDomain: v.TRUST_DOMAIN,
    xds: plane(v.XDS_ADDRESS, v.XDS_ROOT_CA, v.ALT_XDS_HOSTNAME),
    ca: plane(v.CA_ADDRESS, v.CA_ROOT_CA, v.ALT_CA_HOSTNAME),
    token: tokenSource(v.AUTH_TOKEN, readFile),
    secretTtlMs: v.SECRET_TTL,
    crlPath: v.CRL_PATH,
    suites: v.AMBIT_HBONE_SUITES,
    ipv6: v.IPV6_ENABLED,
    // Who says nothing of CPUs gets a small waypoint; another replica is as good as another thread.
    threads: v.AMBIT_WAYPOINT_THREADS ?? Math.min(v.ISTIO_CPU_LIMIT ?? 1, 64),
    hbone: v.AMBIT_HBONE,
    ports: {
      hbone: v.AMBIT_WAYPOINT_PORT,
      admin: v.AMBIT_WAYPOINT_ADMIN_PORT,
      stats: v.AMBIT_WAYPOINT_STATS_PORT,
      readiness: v.AMBIT_WAYPOINT_READINESS_PORT,
    },
    connectTimeoutMs: v.AMBIT_WAYPOINT_CONNECT_TIMEOUT,
    detectionTimeoutMs: v.AMBIT_WAYPOINT_DETECTION_TIMEOUT,
    limits: {
      headBytes: v.AMBIT_WAYPOINT_MAX_HEADER_BYTES,
      headFields: v.AMBIT_WAYPOINT_MAX_HEADERS,
      streams: v.AMBIT_WAYPOINT_MAX_STREAMS,
      headMs: v.AMBIT_WAYPOINT_HEADER_TIMEOUT,
      idleMs: v.AMBIT_WAYPOINT_IDLE_TIMEOUT,
      streamIdleMs: v.AMBIT_WAYPOINT_STREAM_IDLE_TIMEOUT,
      connectionMs: v.AMBIT_WAYPOINT_MAX_CONNECTION_DURATION,
      exchangeMs: v.AMBIT_WAYPOINT_MAX_REQUEST_DURATION,
    },
    replayBytes: v.AMBIT_WAYPOINT_REPLAY_BYTES,
    lameDuckMs,
    hangTimeoutMs: v.AMBIT_WAYPOINT_HANG_TIMEOUT,
    drainDeadlineMs: stoppingMs - lameDuckMs,
    receiptHeader: v.AMBIT_WAYPOINT_RECEIPT_HEADER,
    accessLog: ACCESS_LOGS[v.AMBIT_WAYPOINT_ACCESS_LOG],
    logFormat: v.LOG_FORMAT,
    logLevel: v.RUST_LOG,
    version: ownVersion(),
  });
}

function plane(address: string, roots: string, altHostname: string | undefined): ControlPlaneConfig {
  return { address: withScheme(address), roots: rootSource(roots), altHostname, headers: {} };
}
