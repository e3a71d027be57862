/** The control plane put together: caches, authority, discovery, and what is written back to the cluster. */
import type { KubeClient } from '../core/kube/index.ts';
import {
  type Logger,
  loggingRoute,
  metricsRoute,
  Readiness,
  Registry,
  readinessRoute,
  serveHttp,
} from '../core/telemetry/index.ts';
import { ADDRESS_TYPE, AUTHORIZATION_TYPE, ResourceStore, WAYPOINT_TYPE } from '../core/xds/index.ts';
import { changedAuthority, loadRoot } from './authority/root.ts';
import { Serving, servingNames } from './authority/serving.ts';
import type { Clock } from './clock.ts';
import type { ControllerConfig } from './config.ts';
import { SYSTEM_TIMERS } from './discovery/debounce.ts';
import { Derivation } from './discovery/derivation.ts';
import { serveGrpc } from './discovery/grpc.ts';
import { Materials } from './discovery/materials.ts';
import { controlPlaneServices } from './discovery/services.ts';
import { createInformers } from './informers.ts';
import { Leaders } from './kube/leaders.ts';
import { PodIndex } from './kube/pod-index.ts';
import { MeshSettings } from './mesh-settings.ts';
import { debugRoutes } from './observe/debug.ts';
import { controllerMetrics } from './observe/metrics.ts';
import { VERSION } from './version.ts';
import { startWaypoints } from './waypoints/start.ts';
import { startWebhook } from './webhook/webhook.ts';
import { Writers } from './writers.ts';

export type ControllerDeps = {
  readonly client: KubeClient;
  readonly log: Logger;
  readonly clock: Clock;
  /** Address of the gRPC port; default all. */
  readonly host?: string;
};

export interface Controller extends AsyncDisposable {
  readonly ports: ControllerConfig['ports'];
  /** What clients must trust. */
  readonly rootPem: string;
  /** Not ready any more, leases given back, clients sent elsewhere. */
  drain(): Promise<void>;
}

/** Keys that waypoints had from the controller before us are known to us, too, before anybody asks. */
const MATERIAL_WAIT_MS = 5_000;
/** How often files and our own certificate are looked at. */
const CERTIFICATE_CHECK_MS = 60_000;

/** Resolves when everything is synced and served. Throws when something that it needs is missing or broken. */
export async function startController(config: ControllerConfig, deps: ControllerDeps): Promise<Controller> {
  await using stack = new AsyncDisposableStack(); // given away at the end; until then a failure takes everything down
  const { client, clock, log } = deps;
  const now = (): Date => new Date(clock.now());
  const registry = new Registry();
  const metrics = controllerMetrics(registry, VERSION, clock.now);
  const readiness = new Readiness();
  const [caches, serving, running] = [readiness.task('caches'), readiness.task('serving'), readiness.task('running')];
  running.ready();
  const ready = stack.use(
    await serveHttp({ port: config.ports.ready, routes: { '/ready': readinessRoute(readiness) } }),
  );
  const monitoring = stack.use(
    await serveHttp({
      port: config.ports.monitoring,
      routes: { '/metrics': metricsRoute(registry), '/version': () => ({ body: VERSION }) },
    }),
  );

  // The mesh's own configuration comes first: root and identities depend on the trust domain.
  const mesh = stack.use(await MeshSettings.load({ client, config, log }));
  const { rootCaDir } = config;
  const { trustDomain } = mesh.current;
  const root = await loadRoot({ client, namespace: config.namespace, trustDomain, rootCaDir, now: now() });
  const { rootPem } = root.authority;
  let { authority } = root;
  log.info('root certificate', { from: root.from, notAfter: authority.notAfter.toISOString() });
  registry.onCollect(() => metrics.rootExpiry(authority.notAfter.getTime(), clock.now()));

  const informers = createInformers(client, log.scope('kube'));
  const pods = new PodIndex(clock);
  pods.follow(informers.pods);
  const { podName: identity, namespace, electsLeader: elects } = config;
  const leaders = stack.use(new Leaders({ client, namespace, identity, elects, clock, log }));
  const { allocationRanges, revision, writesStatus } = config;
  const writers = stack.use(
    new Writers({ client, informers, rootPem, revision, allocationRanges, writesStatus, leaders, clock, log }),
  );
  const stores = {
    addresses: new ResourceStore(ADDRESS_TYPE),
    authorizations: new ResourceStore(AUTHORIZATION_TYPE),
    waypoints: new ResourceStore(WAYPOINT_TYPE),
  };
  const derivation = stack.use(
    new Derivation({
      config: mesh.current,
      stores,
      quietMs: config.debounceAfterMs,
      maxMs: config.debounceMaxMs,
      timers: SYSTEM_TIMERS,
      metrics,
      onMaterials: (refs) => materials.want(refs),
      onConditions: (changes) => writers.setConditions(changes),
      onRouteStatuses: (statuses) => writers.setRouteStatuses(statuses),
      onDerived: (object) => writers.lookAt(object),
      onGone: (object) => writers.forget(object),
    }),
  );
  const materials = stack.use(
    new Materials({
      client,
      log: log.scope('kube'),
      onSet: (object) => derivation.set(object),
      onGone: (object) => derivation.gone(object),
    }),
  );
  const everything = Object.values(informers);
  for (const informer of everything) derivation.follow(informer);
  for (const informer of everything) stack.use(informer.start());
  await Promise.all(everything.map((informer) => informer.synced));
  const deployed = config.deploysWaypoints
    ? stack.use(
        startWaypoints({
          config,
          client,
          informers,
          mesh: () => mesh.current,
          leaders,
          metrics: metrics.waypoints,
          clock,
          log,
        }),
      )
    : undefined;
  await mesh.follow((changed) => {
    derivation.reconfigure(changed);
    deployed?.lookAtAll();
  });
  derivation.begin();
  await materials.settled(MATERIAL_WAIT_MS);
  derivation.flush();
  await writers.start();
  caches.ready();
  log.info('caches are synced', {
    pods: informers.pods.size,
    services: informers.services.size,
    addresses: derivation.deriver.addresses.size,
    authorizations: derivation.deriver.authorizations.size,
  });

  const tls = await Serving.create(() => authority, servingNames(config), now());
  stack.defer(
    every(CERTIFICATE_CHECK_MS, clock, async () => {
      if ((await tls.renewIfDue(now())) === 'fresh') return;
      log.info('serving certificate renewed', { serial: tls.certificate.serial });
    }),
  );
  const webhook = stack.use(
    await startWebhook({
      config,
      client,
      informers,
      mesh: () => mesh.current,
      serving: tls,
      rootPem,
      leaders,
      metrics: metrics.webhook,
      clock,
      log,
      ...(deps.host === undefined ? {} : { host: deps.host }),
    }),
  );
  leaders.start();
  const takeChangedAuthority = async (): Promise<void> => {
    try {
      const next = changedAuthority(rootCaDir, authority, now());
      if (next === undefined) return;
      authority = next;
      await tls.renew(now());
      log.info('signing certificate changed', { notAfter: next.notAfter.toISOString() });
    } catch (error) {
      log.error('plugged-in authority refused, the last good one goes on', { error: String(error) });
    }
  };
  if (root.from === 'plugged-in') stack.defer(every(CERTIFICATE_CHECK_MS, clock, takeChangedAuthority));
  const derived = derivation.deriver;
  const { waypoints } = derivation;
  const parts = { config, client, pods, stores, derived, waypoints, clock, log, metrics };
  const services = controlPlaneServices({
    ...parts,
    authority: () => authority,
    trustDomain: () => mesh.current.trustDomain,
  });
  registry.onCollect(() => {
    metrics.clients.set(services.discovery.clients().length);
    metrics.services.set(informers.services.size);
    metrics.unboundPods.set(derived.unboundPods.size);
  });
  const grpc = stack.use(
    await serveGrpc({
      port: config.ports.grpc,
      ...(deps.host === undefined ? {} : { host: deps.host }),
      credentials: tls.credentials,
      services: services.all,
    }),
  );
  const debug = stack.use(
    await serveHttp({
      port: config.ports.debug,
      host: 'localhost',
      routes: { ...debugRoutes({ derived, discovery: services.discovery }), '/logging': loggingRoute(log.filter) },
    }),
  );
  serving.ready();
  const ports = {
    grpc: grpc.port,
    webhook: webhook.port,
    ready: ready.port,
    monitoring: monitoring.port,
    debug: debug.port,
  };
  log.info('serving', ports);
  const open = stack.move();
  return {
    ports,
    rootPem,
    async drain() {
      running.notReady();
      await leaders[Symbol.asyncDispose]();
      await grpc.drain(config.drainDeadlineMs);
    },
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

/** Runs `work` again and again; the result stops it. */
function every(ms: number, clock: Clock, work: () => Promise<void>): () => Promise<void> {
  const abort = new AbortController();
  const running = (async () => {
    while (!abort.signal.aborted) {
      try {
        await clock.delay(ms, abort.signal);
      } catch {
        return; // stopped
      }
      await work();
    }
  })();
  return async () => {
    abort.abort();
    await running;
  };
}
