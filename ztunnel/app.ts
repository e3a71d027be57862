/**
 * The ztunnel as one thing that starts and stops. Order of the start: readiness, metrics and admin first, so that it can be asked;
 * then discovery; only after the first full picture of the mesh the CNI agent, so that no pod is served with an empty view.
 */
import { CertificateManager, RevocationFile, revocationMetrics } from '../core/certificates/index.ts';
import { NetnsRef, SeqpacketConnection } from '../core/net/index.ts';
import {
  type HttpEndpoint,
  type Logger,
  metricsRoute,
  Readiness,
  Registry,
  readinessRoute,
  serveHttp,
} from '../core/telemetry/index.ts';
import { settle } from '../core/threads/index.ts';
import { systemClock } from '../core/time/index.ts';
import { CaClient, controlPlane, DeltaClient, type DeltaEvent, type DeltaHandlers } from '../core/xds/index.ts';
import { MeshError, type SpiffeId, View } from '../mesh/index.ts';
import { adminRoutes } from './admin/admin.ts';
import type { ZtunnelConfig } from './config.ts';
import { MeshState } from './mesh-state.ts';
import { nodeInfo } from './node-info.ts';
import { podMetrics, processMetrics, xdsMetrics } from './observe/metrics.ts';
import type { DataPlane, ServedPod } from './threads/data-plane.ts';
import { LocalDataPlane } from './threads/local.ts';
import { WorkerDataPlane } from './threads/workers.ts';
import { PodTable } from './zds/pod-table.ts';
import { WorkloadManager } from './zds/workload-manager.ts';

export type AppDeps = {
  readonly config: ZtunnelConfig;
  readonly log: Logger;
  /** Where log lines of other threads go, which are whole. */
  readonly write: (lines: string) => void;
  /** Somebody asked over the admin port. */
  readonly quit: () => void;
  /** Something is beyond repair from within: the process has to be started anew. */
  readonly giveUp: (why: string) => void;
};

export interface Ztunnel {
  readonly ports: { readonly admin: number; readonly stats: number; readonly readiness: number };
  /** Stops accepting, gives live connections their time, cuts the rest, and closes everything. */
  drain(): Promise<void>;
}

/** Resolves once everything listens; rejects, with nothing left behind, when something cannot. */
export async function startZtunnel({ config, log, write, quit, giveUp }: AppDeps): Promise<Ztunnel> {
  await using resources = new AsyncDisposableStack();
  const readiness = new Readiness((pending) => {
    const ready = pending.length === 0;
    log.scope('readiness').info(ready ? 'ready' : 'not ready', ready ? {} : { pending: pending.join(', ') });
  });
  const synced = readiness.task('state manager');
  const served = readiness.task('workload proxy manager');

  const registry = new Registry();
  processMetrics(registry, 'ztunnel', config.version);

  const ca = resources.use(
    new CaClient({ ...controlPlane(config.ca, config.token, config.clusterId), impersonate: config.mode === 'shared' }),
  );
  const certificates = resources.use(
    new CertificateManager({
      signer: ca,
      ttlSeconds: config.secretTtlMs / 1_000,
      ...(config.suites && { suites: config.suites }),
      clock: systemClock,
      random: Math.random,
      log: log.scope('identity'),
      anyIdentity: config.mode === 'dedicated',
      onReceived: (material) => plane.renewed(material),
    }),
  );
  const revocations =
    config.crlPath === undefined
      ? undefined
      : resources.use(
          new RevocationFile({
            path: config.crlPath,
            clock: systemClock,
            log: log.scope('crl'),
            events: revocationMetrics(registry),
          }),
        );
  const view = new View({ network: config.network, localNode: config.localNode });
  const prefetches = config.mode === 'shared';
  const mesh = new MeshState({
    view,
    localNode: config.localNode,
    clock: systemClock,
    ...(prefetches && {
      onIdentityWanted: (identity) => certificates.prefetch(identity),
      onIdentityGone: (identity) => {
        certificates.forget(identity);
        plane.forgotten(identity);
      },
    }),
  });

  const plane = resources.use(dataPlane({ config, log, write, giveUp, registry, mesh, certificates, revocations }));
  const pods = new PodTable<NetnsRef>({
    start: (info, netns) => plane.start(info, netns),
    counters: podMetrics(registry),
    log: log.scope('inpod'),
  });
  const own = NetnsRef.current();
  resources.use(own);
  const manager = new WorkloadManager<NetnsRef>({
    connect: () => dialAgent(config.inpodUds),
    pods,
    adopt: (fd) => adoptNetns(fd, own),
    readiness: served,
    clock: systemClock,
    log: log.scope('inpod'),
  });

  const serve = async (port: number, host: string | undefined, routes: Parameters<typeof serveHttp>[0]['routes']) => {
    const onError = (error: unknown, path: string) => {
      log.scope('admin').error('a page failed', { path, error: error instanceof Error ? error : String(error) });
    };
    const endpoint = await serveHttp({ port, ...(host !== undefined && { host }), routes, onError });
    return resources.use(endpoint);
  };
  const wildcard = config.data.ipv6 ? undefined : '0.0.0.0';
  const ready: HttpEndpoint = await serve(config.readinessPort, wildcard, {
    '/healthz/ready': readinessRoute(readiness),
  });
  const page = metricsRoute(registry, () => plane.collect());
  const stats = await serve(config.statsPort, wildcard, { '/metrics': page, '/stats/prometheus': page });
  const admin = await serve(
    config.adminPort,
    'localhost',
    adminRoutes({
      config,
      view,
      certificates: () => certificates.dump(),
      pods: config.mode === 'shared' ? () => pods.dump() : undefined,
      plane,
      log,
      quit,
    }),
  );

  let dedicated: ServedPod | undefined;
  const onSynced = async (): Promise<void> => {
    settle();
    synced.ready();
    if (config.workload === undefined) {
      manager.start();
      return;
    }
    dedicated = await plane.start({ uid: '', ...config.workload }, undefined);
    served.ready();
  };
  const count = xdsMetrics(registry);
  const discovery = discoveryClient(config, plane, log, (event) => {
    count(event);
    if (event.kind === 'connected') certificates.retry();
  });
  if (discovery === undefined) await onSynced();
  else {
    resources.use(discovery);
    discovery.start();
    discovery.synced.then(onSynced).catch((error) => {
      if (error instanceof MeshError && error.code === 'XDS_CLIENT_CLOSED') return; // we are stopping
      log.error('serving could not begin', { error: error instanceof Error ? error : String(error) });
      quit();
    });
  }

  const running = resources.move();
  return {
    ports: { admin: admin.port, stats: stats.port, readiness: ready.port },
    drain: async () => {
      await Promise.all([manager.drain(config.drainDeadlineMs), dedicated?.drain(config.drainDeadlineMs)]);
      await running.disposeAsync();
    },
  };
}

type PlaneParts = Pick<AppDeps, 'config' | 'log' | 'write' | 'giveUp'> & {
  readonly registry: Registry;
  readonly mesh: MeshState;
  readonly certificates: CertificateManager;
  readonly revocations: RevocationFile | undefined;
};

/** One thread is this one: a worker would only add its costs. */
function dataPlane({ config, log, write, giveUp, registry, mesh, certificates, revocations }: PlaneParts): DataPlane {
  const { data, dns, network, localNode, logFormat, logLevel, logAllowedConnections: logAllowed } = config;
  const material = (identity: SpiffeId, signal?: AbortSignal) => certificates.fetch(identity, signal);
  const common = { registry, mesh, log, material, data, dns, network, logAllowed };
  if (config.workerThreads === 1) return new LocalDataPlane({ ...common, revocations, thread: 'main' });
  return new WorkerDataPlane({
    ...common,
    threads: config.workerThreads,
    localNode,
    crlPath: config.crlPath,
    logFormat,
    logLevel,
    write,
    giveUp,
    hangTimeoutMs: config.hangTimeoutMs,
  });
}

function discoveryClient(
  config: ZtunnelConfig,
  handlers: DeltaHandlers,
  log: Logger,
  heard: (event: DeltaEvent) => void,
): DeltaClient | undefined {
  if (config.xds === undefined) return undefined;
  const scoped = log.scope('xds');
  return new DeltaClient({
    ...controlPlane(config.xds, config.token, config.clusterId),
    node: nodeInfo(config),
    handlers,
    onEvent: (event) => {
      heard(event);
      logDiscovery(scoped, event);
    },
  });
}

function logDiscovery(log: Logger, event: DeltaEvent): void {
  switch (event.kind) {
    case 'connecting':
      log.debug('connecting', { attempt: event.attempt });
      return;
    case 'connected':
      log.info('discovery stream established', { attempt: event.attempt });
      return;
    case 'received':
      log.debug('received', {
        type_url: event.typeUrl,
        bytes: event.bytes,
        upserted: event.upserted,
        removed: event.removed,
      });
      for (const { name, reason } of event.rejected)
        log.warn('resource refused', { type_url: event.typeUrl, name, reason });
      return;
    case 'unknown-type':
      log.warn('a response of an unknown type', { type_url: event.typeUrl });
      return;
    case 'terminated': {
      const error =
        event.error === undefined ? undefined : event.error instanceof Error ? event.error : String(event.error);
      const level = event.reason === 'Complete' || event.reason === 'Reconnect' ? 'info' : 'warn';
      log.log(level, 'discovery stream ended', { reason: event.reason, error, retry_in: `${event.retryInMs}ms` });
      return;
    }
    default:
      event satisfies never;
  }
}

async function dialAgent(path: string): Promise<SeqpacketConnection> {
  const connection = await SeqpacketConnection.connect(path);
  if (connection.peer.uid === 0) return connection;
  connection[Symbol.dispose]();
  throw new MeshError('ZDS_PEER_UNTRUSTED', `${path} is served by user ${connection.peer.uid}, not by root`);
}

/** A pod in host networking must never come as a pod of ours: its listeners would take the node's own traffic. */
function adoptNetns(fd: number, own: NetnsRef): NetnsRef {
  const netns = NetnsRef.fromFd(fd);
  if (!netns.same(own)) return netns;
  netns[Symbol.dispose]();
  throw new MeshError('ZDS_PROTOCOL_ERROR', 'the descriptor is our own network namespace');
}
