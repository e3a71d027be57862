/**
 * The waypoint as one thing that starts and stops. Order of the start: readiness, metrics and admin first, so that it can be
 * asked; then what it is told; only after it knows all of that, and has its certificate, it listens and is ready.
 */
import { CertificateManager, RevocationFile, revocationMetrics } from '../core/certificates/index.ts';
import {
  describeError,
  type Logger,
  metricsRoute,
  Readiness,
  Registry,
  type Route,
  readinessRoute,
  serveHttp,
} from '../core/telemetry/index.ts';
import { settle } from '../core/threads/index.ts';
import { systemClock } from '../core/time/index.ts';
import {
  ADDRESS_TYPE,
  CaClient,
  controlPlane,
  DeltaClient,
  type DeltaEvent,
  WAYPOINT_TYPE,
} from '../core/xds/index.ts';
import { MeshError, spiffeId } from '../mesh/index.ts';
import { adminRoutes } from './admin.ts';
import type { WaypointConfig } from './config.ts';
import { type DataPlane, localDataPlane } from './data-plane.ts';
import { ownUid } from './place.ts';
import { startPlane } from './plane.ts';
import { WorkerDataPlane } from './threads/workers.ts';

export type AppDeps = {
  readonly config: WaypointConfig;
  readonly log: Logger;
  /** Where lines of other threads go, which are whole. */
  readonly write: (lines: string) => void;
  /** Somebody asked over the admin port, or what we need can't be had. */
  readonly quit: () => void;
  /** Something is beyond repair from within: the process has to be started anew. */
  readonly giveUp: (why: string) => void;
};

export interface Waypoint {
  readonly ports: WaypointConfig['ports'];
  /** Not ready any more; a moment later no more streams; what is under way has its time; then everything is closed. */
  drain(): Promise<void>;
}

/** Resolves once readiness, metrics and admin are served; rejects, with nothing left behind, when something cannot. */
export async function startWaypoint({ config, log, write, quit, giveUp }: AppDeps): Promise<Waypoint> {
  await using resources = new AsyncDisposableStack();
  const readiness = new Readiness((pending) => {
    const ready = pending.length === 0;
    log.scope('readiness').info(ready ? 'ready' : 'not ready', ready ? {} : { pending: pending.join(', ') });
  });
  const [synced, listening] = [readiness.task('what we are told'), readiness.task('tunnel port')];
  const certified = readiness.task('certificate'); // a rollout must not go on to who could shake no hands
  const registry = new Registry();
  registry
    .gauge('istio_build', 'Istio component build info (unstable).', ['component', 'tag'])
    .labels(['proxy', config.version])
    .set(1);

  const { pod, trustDomain } = config;
  const identity = spiffeId(trustDomain, pod.namespace, pod.serviceAccount);
  const ca = resources.use(
    new CaClient({ ...controlPlane(config.ca, config.token, config.clusterId), impersonate: false }),
  );
  const certificates = resources.use(
    new CertificateManager({
      signer: ca,
      ttlSeconds: config.secretTtlMs / 1_000,
      ...(config.suites && { suites: config.suites }),
      clock: systemClock,
      random: Math.random,
      log: log.scope('identity'),
      onReceived: (material) => {
        certified.ready();
        threaded?.renewed(material);
      },
    }),
  );
  const crl = config.crlPath;
  const revocations =
    crl === undefined
      ? undefined
      : resources.use(
          new RevocationFile({
            path: crl,
            clock: systemClock,
            log: log.scope('crl'),
            events: revocationMetrics(registry),
          }),
        );

  const parts = {
    config,
    log,
    registry,
    material: (signal?: AbortSignal) => certificates.fetch(identity, signal),
    demand: (name: string) => discovery.demand(ADDRESS_TYPE, name),
    release: (names: Iterable<string>) => discovery.release(ADDRESS_TYPE, names),
  };
  const threaded =
    config.threads === 1
      ? undefined
      : await WorkerDataPlane.start({ ...parts, threads: config.threads, write, giveUp });
  const plane: DataPlane = resources.use(
    threaded ?? localDataPlane(startPlane({ ...parts, ...(revocations && { revocations }) })),
  );
  const { told } = plane;

  const serve = async (port: number, host: string | undefined, routes: Readonly<Record<string, Route>>) => {
    const onError = (error: unknown, path: string) =>
      log.scope('admin').error('a page failed', { path, error: describeError(error) });
    return resources.use(await serveHttp({ port, ...(host !== undefined && { host }), routes, onError }));
  };
  const wildcard = config.ipv6 ? undefined : '0.0.0.0';
  const ready = await serve(config.ports.readiness, wildcard, { '/healthz/ready': readinessRoute(readiness) });
  const page = metricsRoute(registry, () => plane.collect());
  const stats = await serve(config.ports.stats, wildcard, { '/metrics': page, '/stats/prometheus': page });
  const admin = await serve(
    config.ports.admin,
    'localhost',
    adminRoutes({ config, told, plane, certificates, log, quit }),
  );

  const discovery: DeltaClient = new DeltaClient({
    ...controlPlane(config.xds, config.token, config.clusterId),
    node: {
      id: `waypoint~${config.instanceIp}~${pod.name}.${pod.namespace}~${pod.namespace}.svc.${config.clusterDomain}`,
      metadata: { NAME: pod.name, NAMESPACE: pod.namespace, SERVICE_ACCOUNT: pod.serviceAccount },
    },
    types: [{ typeUrl: WAYPOINT_TYPE }, { typeUrl: ADDRESS_TYPE, onDemand: true }],
    handlers: plane,
    onEvent: (event) => {
      logDiscovery(log.scope('xds'), event);
      if (event.kind === 'connected') certificates.retry();
    },
  });
  resources.use(discovery);
  discovery.start();
  void discovery.demand(ADDRESS_TYPE, ownUid(config)).catch(() => {}); // closing
  void certificates.fetch(identity).catch(() => {}); // it tries again by itself, and says why
  discovery.synced
    .then(async () => {
      await told.addressesKnown();
      synced.ready();
      settle();
      await plane.open();
      listening.ready();
    })
    .catch((error) => {
      if (error instanceof MeshError && error.code === 'XDS_CLIENT_CLOSED') return; // we are stopping
      log.error('serving could not begin', { error: describeError(error) });
      quit();
    });

  const running = resources.move();
  return {
    ports: { hbone: plane.port, admin: admin.port, stats: stats.port, readiness: ready.port },
    drain: async () => {
      listening.notReady();
      // The nodes hear of it from the controller, a moment later; until then they send us callers.
      await new Promise<void>((resolve) => systemClock.after(config.lameDuckMs, resolve));
      await plane.drain(config.drainDeadlineMs);
      await running.disposeAsync();
    },
  };
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
      for (const { name, reason } of event.rejected)
        log.warn('resource refused', { type_url: event.typeUrl, name, reason });
      return;
    case 'unknown-type':
      return;
    case 'terminated':
      log.info('discovery stream ended', {
        reason: event.reason,
        error: event.error === undefined ? undefined : describeError(event.error),
        retry_in: `${event.retryInMs}ms`,
      });
      return;
    default:
      event satisfies never;
  }
}
