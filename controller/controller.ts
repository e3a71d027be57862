/** The control plane put together: caches, authority, discovery, and what is written back to the cluster. */
import { Informer, type KubeClient, RESOURCES } from '../core/kube/index.ts';
import {
  type Logger,
  loggingRoute,
  metricsRoute,
  Readiness,
  Registry,
  readinessRoute,
  serveHttp,
} from '../core/telemetry/index.ts';
import {
  ADDRESS_TYPE,
  AUTHORIZATION_TYPE,
  certificateServiceDefinition,
  createCertificateService,
  createDiscoveryService,
  ResourceStore,
} from '../core/xds/index.ts';
import type { KubeObject } from '../mesh/index.ts';
import { Reviews } from './authority/caller.ts';
import { certificateHandler } from './authority/certificates.ts';
import { loadRoot } from './authority/root.ts';
import { RootDistribution } from './authority/root-distribution.ts';
import { Serving, servingNames } from './authority/serving.ts';
import type { Clock } from './clock.ts';
import type { ControllerConfig } from './config.ts';
import { access, ownWorkloads, type Subscriber, subscriber } from './discovery/access.ts';
import { SYSTEM_TIMERS, type Timers } from './discovery/debounce.ts';
import { Derivation } from './discovery/derivation.ts';
import { serveGrpc } from './discovery/grpc.ts';
import { createInformers } from './informers.ts';
import { Leader } from './kube/leader.ts';
import { PodIndex } from './kube/pod-index.ts';
import { StatusWriter } from './kube/status-writer.ts';
import { meshConfigMapName, readMeshConfig } from './mesh-config.ts';
import { debugRoutes } from './observe/debug.ts';
import { controllerMetrics } from './observe/metrics.ts';
import { VERSION } from './version.ts';

export type ControllerDeps = {
  readonly client: KubeClient;
  readonly log: Logger;
  readonly clock: Clock;
  readonly timers?: Timers;
  /** Address of the gRPC port; default all. */
  readonly host?: string;
};

export interface Controller extends AsyncDisposable {
  readonly ports: {
    readonly grpc: number;
    readonly ready: number;
    readonly monitoring: number;
    readonly debug: number;
  };
  /** What clients must trust. */
  readonly rootPem: string;
  /** Not ready any more, clients sent elsewhere, leases given back. */
  drain(): Promise<void>;
}

const SERVING_CHECK_MS = 60_000;
/** controller.md section 7.3. */
const STATUS_LEASE = 'istio-status-leader';
const NAMESPACE_LEASE = 'istio-namespace-controller-election';

/** Resolves when everything is synced and served. Throws when something that it needs is missing or broken. */
export async function startController(config: ControllerConfig, deps: ControllerDeps): Promise<Controller> {
  const { client, clock, log } = deps;
  const stack = new AsyncDisposableStack();
  try {
    const registry = new Registry();
    const metrics = controllerMetrics(registry, VERSION, clock.now);
    const readiness = new Readiness();
    const [synced, serving, draining] = [
      readiness.task('caches'),
      readiness.task('serving'),
      readiness.task('running'),
    ];
    draining.ready();
    const ready = stack.use(
      await serveHttp({ port: config.ports.ready, routes: { '/ready': readinessRoute(readiness) } }),
    );
    const monitoring = stack.use(
      await serveHttp({
        port: config.ports.monitoring,
        routes: { '/metrics': metricsRoute(registry), '/version': () => ({ body: VERSION }) },
      }),
    );
    const onProblem = (what: string, error: unknown): void =>
      log.warn('will be tried again', { what, error: String(error) });

    // The mesh's own configuration comes first: root and identities depend on the trust domain.
    const surroundings = { clusterId: config.clusterId, clusterDomain: config.clusterDomain };
    const read = (configMap: KubeObject | undefined) => readMeshConfig(configMap, surroundings, config.namespace);
    const name = meshConfigMapName(config.revision);
    let mesh = read(await client.find(RESOURCES.ConfigMap, name, config.namespace));
    log.info('mesh configuration', { ...mesh, trustDomainAliases: mesh.trustDomainAliases.join(',') });
    const { rootCaDir, namespace } = config;
    const now = () => new Date(clock.now());
    const root = await loadRoot({ client, namespace, trustDomain: mesh.trustDomain, rootCaDir, now: now() });
    const { authority } = root;
    log.info('root certificate', { from: root.from, notAfter: authority.notAfter.toISOString() });
    registry.onCollect(() => metrics.rootExpiry(authority.notAfter.getTime(), clock.now()));

    const informers = createInformers(client, log.scope('kube'));
    const pods = new PodIndex(clock);
    pods.follow(informers.pods);
    const stores = {
      addresses: new ResourceStore(ADDRESS_TYPE),
      authorizations: new ResourceStore(AUTHORIZATION_TYPE),
    };

    let status: StatusWriter | undefined;
    const derivation = stack.use(
      new Derivation({
        config: mesh,
        stores,
        quietMs: config.debounceAfterMs,
        maxMs: config.debounceMaxMs,
        timers: deps.timers ?? SYSTEM_TIMERS,
        metrics,
        onConditions: (changes) => status?.set(changes),
      }),
    );
    const everything = Object.values(informers);
    for (const informer of everything) derivation.follow(informer);

    const leaders: Leader[] = [];
    const leader = (lease: string, onLead: () => void): (() => boolean) => {
      if (!config.electsLeader) return () => true;
      const election = new Leader({
        client,
        namespace,
        lease,
        identity: config.podName,
        clock,
        onChange: (leads) => {
          log.info(leads ? 'leading' : 'no longer leading', { lease });
          if (leads) onLead();
        },
        onProblem: (error) => onProblem(`Lease ${lease}`, error),
      });
      leaders.push(election);
      return () => election.leads;
    };
    if (config.writesStatus) {
      const policies = { fieldManager: 'istio-ambient-ztunnel-policy', list: 'one-value' } as const;
      status = stack.use(
        new StatusWriter({
          client,
          kinds: [
            { ...policies, type: RESOURCES.AuthorizationPolicy, informer: informers.authorizationPolicies },
            { ...policies, type: RESOURCES.PeerAuthentication, informer: informers.peerAuthentications },
            {
              type: RESOURCES.Service,
              informer: informers.services,
              fieldManager: 'istio-ambient-service',
              list: 'by-type',
            },
          ],
          leads: leader(STATUS_LEASE, () => status?.lookAtAll()),
          clock,
          onProblem,
        }),
      );
    }
    const distribution: RootDistribution = stack.use(
      new RootDistribution({
        client,
        namespaces: informers.namespaces,
        rootPem: authority.rootPem,
        leads: leader(NAMESPACE_LEASE, () => distribution.lookAtAll()),
        clock,
        onProblem,
      }),
    );
    const meshConfigs = new Informer<KubeObject>({
      client,
      type: RESOURCES.ConfigMap,
      namespace,
      fieldSelector: `metadata.name=${name}`,
      onProblem: (error) => onProblem('watch of the mesh configuration', error),
    });
    const reload = (configMap: KubeObject | undefined): void => {
      try {
        const next = read(configMap);
        if (JSON.stringify(next) === JSON.stringify(mesh)) return;
        mesh = next;
        log.info('mesh configuration changed', { ...next, trustDomainAliases: next.trustDomainAliases.join(',') });
        derivation.reconfigure(next);
      } catch (error) {
        log.error('mesh configuration refused, the last good one stays in force', { error: String(error) });
      }
    };
    meshConfigs.on('set', (configMap) => reload(configMap));
    meshConfigs.on('delete', () => reload(undefined));

    for (const informer of [...everything, meshConfigs]) stack.use(informer.start());
    await Promise.all([...everything, meshConfigs].map((informer) => informer.synced));
    derivation.begin();
    for (const election of leaders) stack.use(election.start());
    await distribution.start();
    synced.ready();
    log.info('caches are synced', {
      pods: informers.pods.size,
      services: informers.services.size,
      addresses: derivation.deriver.addresses.size,
      authorizations: derivation.deriver.authorizations.size,
    });

    const authenticator = {
      client,
      audiences: config.tokenAudiences,
      clusterId: config.clusterId,
      reviews: new Reviews(),
      onRefusal: (reason: string, peer: string) => log.warn('caller refused', { reason, peer }),
    };
    const trustedAccounts = config.trustedNodeAccounts;
    const { informerLagMs } = config;
    const accessOptions = { authenticator, pods, trustedAccounts, informerLagMs };
    const discovery = createDiscoveryService<Subscriber>({
      stores: [stores.authorizations, stores.addresses],
      authenticate: (metadata, peer) => subscriber(accessOptions, metadata, peer),
      authorize: (caller, _typeUrl, node) => access(caller, node),
      baseline: (caller, typeUrl) =>
        typeUrl === ADDRESS_TYPE ? ownWorkloads(caller, derivation.deriver.addresses) : [],
      onNack: (_caller, typeUrl, message, node) => {
        metrics.rejected(typeUrl);
        log.warn('client refused a push', { client: node.id, typeUrl, message });
      },
      onEnd: (peer, error) => log.info('stream ended', { peer, code: error?.code, reason: error?.details }),
    });
    registry.onCollect(() => metrics.clients.set(discovery.clients().length));
    const certificates = certificateHandler({
      authority,
      authenticator,
      pods,
      trustedAccounts,
      trustDomain: () => mesh.trustDomain,
      defaultTtlMs: config.defaultTtlMs,
      maxTtlMs: config.maxTtlMs,
      informerLagMs,
      clock,
      log: log.scope('ca'),
      metrics: metrics.authority,
    });
    const tls = await Serving.create(authority, servingNames(config), now());
    const grpc = stack.use(
      await serveGrpc({
        port: config.ports.grpc,
        ...(deps.host === undefined ? {} : { host: deps.host }),
        credentials: tls.credentials,
        services: [
          discovery,
          { definition: certificateServiceDefinition, implementation: createCertificateService(certificates) },
        ],
      }),
    );
    stack.defer(
      every(SERVING_CHECK_MS, clock, async () => {
        if ((await tls.renewIfDue(now())) === 'renewed')
          log.info('serving certificate renewed', { serial: tls.certificate.serial });
      }),
    );
    const debug = stack.use(
      await serveHttp({
        port: config.ports.debug,
        host: 'localhost',
        routes: {
          ...debugRoutes({ derived: derivation.deriver, discovery }),
          '/logging': loggingRoute(log.filter),
        },
      }),
    );
    serving.ready();
    const ports = { grpc: grpc.port, ready: ready.port, monitoring: monitoring.port, debug: debug.port };
    log.info('serving', ports);
    const open = stack.move();
    return {
      ports,
      rootPem: authority.rootPem,
      async drain() {
        draining.notReady();
        await Promise.all(leaders.map((election) => election[Symbol.asyncDispose]()));
        await grpc.drain(config.drainDeadlineMs);
      },
      [Symbol.asyncDispose]: () => open.disposeAsync(),
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
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
