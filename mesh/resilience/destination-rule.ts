/**
 * What is read of a DestinationRule (waypoint.md section 3.2, crds.md section 6). What this mesh does not have is told; where the
 * rule asks for protection that it would then not get, nothing is sent.
 */
import { createdOf } from '../derive/age.ts';
import { type ConditionTarget, conditionTarget } from '../derive/outputs.ts';
import { type Fields, fields, isFields, list, portNumber, type Reading, text, texts } from '../derive/read.ts';
import type { KubeObject } from '../kube-object.ts';
import { parseDuration } from '../validate/durations.ts';
import { readConsistentHash } from './consistent-hash.ts';
import { type BackendPolicy, DEFAULT_OUTLIERS, NO_LIMITS, type OutlierPolicy, type SlowStart } from './model.ts';
import { readTls, type TlsReading, type TlsWish } from './tls-wish.ts';

/** A policy without the service that it is for, and with TLS as it is asked for. */
export type PolicyFacts = Omit<BackendPolicy, 'service' | 'port' | 'tls'> & {
  readonly tls?: TlsWish;
  /** It says something of TLS, if only that there is none. */
  readonly saysTls: boolean;
};

export type DestinationRuleFacts = {
  /** `namespace/name`. */
  readonly key: string;
  readonly namespace: string;
  readonly target: ConditionTarget;
  /** RFC 3339; of rules for one host the oldest counts. */
  readonly created: string;
  /** As written: a full name, a short one of the rule's namespace, or `*.` and a domain. */
  readonly host: string;
  /** Namespaces whose waypoints follow it; `*`: all. */
  readonly exportTo: readonly string[];
  readonly policy: PolicyFacts | undefined;
  /** By port; each stands alone. */
  readonly byPort: ReadonlyMap<number, PolicyFacts>;
  /** Fields that have no effect here, each with why. */
  readonly ignored: readonly string[];
};

export function readDestinationRule(object: KubeObject): Reading<DestinationRuleFacts> {
  const { name, namespace = '' } = object.metadata;
  const spec = fields(object['spec']);
  const host = text(spec['host']);
  if (host === '') return { kind: 'invalid', problem: 'spec.host: missing' };
  const ignored: string[] = [];
  if (list(spec['subsets']).length > 0) ignored.push('subsets: only VirtualServices choose them');
  if (spec['workloadSelector'] !== undefined) {
    // It is about sidecars of some pods only, and this is none of them.
    return { kind: 'nothing' };
  }
  const general = fields(spec['trafficPolicy']);
  const byPort = new Map<number, PolicyFacts>();
  for (const [index, entry] of list(general['portLevelSettings']).entries()) {
    const settings = fields(entry);
    const port = portNumber(fields(settings['port'])['number']);
    const at = `trafficPolicy.portLevelSettings[${index}]`;
    if (port === undefined) ignored.push(`${at}.port.number: missing`);
    else byPort.set(port, readPolicy(settings, namespace, at, ignored));
  }
  const facts: DestinationRuleFacts = {
    key: `${namespace}/${name}`,
    namespace,
    target: conditionTarget(object),
    created: createdOf(object.metadata),
    host,
    exportTo: texts(spec['exportTo']),
    policy: isFields(spec['trafficPolicy']) ? readPolicy(general, namespace, 'trafficPolicy', ignored) : undefined,
    byPort,
    ignored,
  };
  return { kind: 'facts', facts };
}

function readPolicy(policy: Fields, namespace: string, at: string, ignored: string[]): PolicyFacts {
  const tls = readTls(fields(policy['tls']), namespace);
  const balancer = fields(policy['loadBalancer']);
  const pool = fields(policy['connectionPool']);
  const [tcp, http] = [fields(pool['tcp']), fields(pool['http'])];
  const outliers = readOutliers(policy['outlierDetection']);
  const slowStart = readSlowStart(balancer);
  for (const name of ['backendUtilization', 'zoneAwareLbSetting'] as const) {
    if (balancer[name] !== undefined) ignored.push(`${at}.loadBalancer.${name}: not known here, least request is used`);
  }
  const hashed = isFields(balancer['consistentHash'])
    ? readConsistentHash(balancer['consistentHash'], `${at}.loadBalancer.consistentHash`)
    : undefined;
  ignored.push(...(hashed?.ignored ?? []));
  if (hashed?.hash && slowStart) ignored.push(`${at}.loadBalancer.warmup: goes not together with consistentHash`);
  if (balancer['simple'] === 'PASSTHROUGH') {
    ignored.push(`${at}.loadBalancer.simple: a waypoint always chooses the endpoint, by least request`);
  }
  const locality = fields(balancer['localityLbSetting']);
  for (const name of ['enabled', 'distribute', 'failover', 'failoverPriority'] as const) {
    if (locality[name] !== undefined && locality[name] !== null) {
      ignored.push(
        `${at}.loadBalancer.localityLbSetting.${name}: distance is for trafficDistribution of the Service to say`,
      );
    }
  }
  // `interval` is no such field: endpoints are looked at with each of their answers, which is never later.
  if (fields(policy['outlierDetection'])['outlierDetectionHttpErrorCodes'] !== undefined) {
    ignored.push(`${at}.outlierDetection.outlierDetectionHttpErrorCodes: answers of 500 and above count`);
  }
  const written = fields(policy['tls']);
  if (tls.kind === 'none' && asksOfTls(written)) {
    ignored.push(
      `${at}.tls: mode ${text(written['mode']) || 'DISABLE, the default,'} originates no TLS: name SIMPLE or MUTUAL`,
    );
  }
  for (const name of ['maxConnectionDuration', 'tcpKeepalive'] as const) {
    if (tcp[name] !== undefined) ignored.push(`${at}.connectionPool.tcp.${name}: not known here`);
  }
  for (const name of [
    'maxRetries',
    'h2UpgradePolicy',
    'useClientProtocol',
    'maxConcurrentStreams',
    'http2KeepAlive',
  ] as const) {
    if (http[name] !== undefined) ignored.push(`${at}.connectionPool.http.${name}: not known here`);
  }
  for (const name of ['tunnel', 'retryBudget'] as const) {
    if (policy[name] !== undefined) ignored.push(`${at}.${name}: not known here`);
  }
  return {
    balancing: balancingOf(balancer['simple']),
    refusal: refusalOf(policy, tls, at),
    limits: {
      ...NO_LIMITS,
      maxConnections: count(tcp['maxConnections']),
      connectTimeoutMs: duration(tcp['connectTimeout']),
      maxPending: count(http['http1MaxPendingRequests']),
      maxRequests: count(http['http2MaxRequests']),
      maxRequestsPerConnection: count(http['maxRequestsPerConnection']),
      idleTimeoutMs: duration(http['idleTimeout']) || duration(tcp['idleTimeout']),
    },
    ...(outliers && { outliers }),
    ...(slowStart && { slowStart }),
    ...(hashed?.hash && { hash: hashed.hash }),
    ...(tls.kind === 'wish' && { tls: tls.wish }),
    saysTls: isFields(policy['tls']),
  };
}

/** More than whether there is any. */
function asksOfTls({ mode: _, ...more }: Fields): boolean {
  return Object.values(more).some((value) => value !== undefined && value !== null && value !== '' && value !== false);
}

function balancingOf(simple: unknown): BackendPolicy['balancing'] {
  return simple === 'ROUND_ROBIN' || simple === 'RANDOM' ? simple : 'LEAST_REQUEST';
}

/** TLS, and PROXY headers, are asked for by whoever could not do without. */
function refusalOf(policy: Fields, tls: TlsReading, at: string): string {
  if (tls.kind === 'refused') return `${at}.${tls.problem}`;
  if (policy['proxyProtocol'] !== undefined) return `${at}.proxyProtocol: this waypoint writes no PROXY header`;
  return '';
}

function readOutliers(written: unknown): OutlierPolicy | undefined {
  if (!isFields(written)) return undefined;
  const base = duration(written['baseEjectionTime']);
  return {
    consecutive5xx: number(written['consecutive5xxErrors'], number(written['consecutiveErrors'], 5)),
    consecutiveGateway: number(written['consecutiveGatewayErrors'], 0),
    consecutiveLocal: number(written['consecutiveLocalOriginFailures'], DEFAULT_OUTLIERS.consecutiveLocal),
    baseEjectionMs: base === 0 ? 30_000 : base,
    maxEjectionPercent: Math.min(100, number(written['maxEjectionPercent'], 10)),
    minHealthPercent: Math.min(100, number(written['minHealthPercent'], 0)),
  };
}

function readSlowStart(balancer: Fields): SlowStart | undefined {
  const warmup = fields(balancer['warmup']);
  const windowMs = duration(warmup['duration']) || duration(balancer['warmupDurationSecs']);
  if (windowMs === 0) return undefined;
  const aggression = typeof warmup['aggression'] === 'number' && warmup['aggression'] > 0 ? warmup['aggression'] : 1;
  return { windowMs, minPercent: Math.min(100, number(warmup['minimumPercent'], 10)), aggression };
}

function number(value: unknown, otherwise: number): number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : otherwise;
}

const UNLIMITED = 2 ** 31 - 1;

/** 0 for none: what the reference's default amounts to. */
function count(value: unknown): number {
  const written = number(value, 0);
  return written >= UNLIMITED ? 0 : written;
}

function duration(value: unknown): number {
  return Math.min(Math.round(parseDuration(text(value)) ?? 0), UNLIMITED);
}
