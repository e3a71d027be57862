/**
 * The controllers of the lab: what kube-controller-manager, kube-scheduler and the cluster's DNS do on a real cluster.
 * Ordinary clients of the API: they hold no state that they cannot read again.
 */
import type { KubeClient, ResourceType } from '../../core/kube/index.ts';
import { describeError, type Logger } from '../../core/telemetry/index.ts';
import type { KubeObject } from '../../mesh/index.ts';
import { CLUSTER_DOMAIN, SERVICES } from '../addresses.ts';
import { DnsServer, ensureDnsService, Zone } from './dns/index.ts';
import { Cache, eventRecorder } from './machinery/index.ts';
import { EndpointSliceController } from './network/index.ts';
import { NodeMonitor } from './nodes/index.ts';
import { Scheduler } from './scheduler/index.ts';
import type {
  ControllerRevision,
  DaemonSet,
  Deployment,
  EndpointSlice,
  Job,
  Lease,
  Node,
  Pod,
  ReplicaSet,
  Service,
} from './types.ts';
import { TYPES } from './types.ts';
import {
  DaemonSetController,
  DeploymentController,
  JobController,
  ReplicaSetController,
  UNSUPPORTED,
  warnOfUnsupported,
} from './workloads/index.ts';

export type ClusterOptions = {
  readonly client: KubeClient;
  readonly log: Logger;
  /** Where the DNS server listens, for pods behind the Service `kube-dns`; none: no DNS. Port 0 takes a free one. */
  readonly dns?: readonly { readonly ip: string; readonly port: number }[];
  readonly now?: () => Date;
  readonly random?: () => number;
};

export type Cluster = AsyncDisposable & {
  /** The ports that the DNS server got, in the order of `dns`. */
  readonly dnsPorts: readonly number[];
};

/** Resolves when every kind has been listed, the DNS server listens and its Service exists. */
export async function startCluster(o: ClusterOptions): Promise<Cluster> {
  const { client, now = () => new Date(), random = Math.random } = o;
  await using stack = new AsyncDisposableStack();
  const caches = openCaches(client, o.log.scope('cache'), stack);
  const unsupported = UNSUPPORTED.map((type) => openCache(client, type, o.log.scope('cache'), stack));
  const all = [...Object.values(caches), ...unsupported];
  for (const cache of all) cache.start();
  // A controller that saw its sets and not yet their pods would make all pods anew.
  await Promise.all(all.map((cache) => cache.synced));
  startControllers(client, caches, unsupported, o.log, now, stack);
  const dns = await startDns(o, caches, random, stack);
  const running = stack.move();
  return { dnsPorts: dns?.ports ?? [], [Symbol.asyncDispose]: () => running.disposeAsync() };
}

type Caches = ReturnType<typeof openCaches>;

function openCache<T extends KubeObject>(
  client: KubeClient,
  type: ResourceType,
  log: Logger,
  stack: AsyncDisposableStack,
): Cache<T> {
  const onProblem = (error: unknown) => log.warn('cannot follow', { kind: type.kind, error: describeError(error) });
  return stack.use(new Cache<T>(client, type, onProblem));
}

function openCaches(client: KubeClient, log: Logger, stack: AsyncDisposableStack) {
  const open = <T extends KubeObject>(type: ResourceType) => openCache<T>(client, type, log, stack);
  return {
    pods: open<Pod>(TYPES.Pod),
    nodes: open<Node>(TYPES.Node),
    leases: open<Lease>(TYPES.Lease),
    services: open<Service>(TYPES.Service),
    slices: open<EndpointSlice>(TYPES.EndpointSlice),
    deployments: open<Deployment>(TYPES.Deployment),
    replicaSets: open<ReplicaSet>(TYPES.ReplicaSet),
    daemonSets: open<DaemonSet>(TYPES.DaemonSet),
    revisions: open<ControllerRevision>(TYPES.ControllerRevision),
    jobs: open<Job>(TYPES.Job),
  };
}

function startControllers(
  client: KubeClient,
  caches: Caches,
  unsupported: readonly Cache<KubeObject>[],
  log: Logger,
  now: () => Date,
  stack: AsyncDisposableStack,
): void {
  const partsFor = (component: string, scope: string) => {
    const own = log.scope(scope);
    const onProblem = (key: string, error: unknown) => own.warn('will try again', { key, error: describeError(error) });
    const events = eventRecorder(client, component, now, (error) =>
      own.debug('cannot write an event', { error: describeError(error) }),
    );
    return { ...caches, client, now, events, onProblem };
  };
  stack.use(new Scheduler(partsFor('default-scheduler', 'scheduler')));
  stack.use(new ReplicaSetController(partsFor('replicaset-controller', 'replicasets')));
  stack.use(new DeploymentController(partsFor('deployment-controller', 'deployments')));
  stack.use(new DaemonSetController(partsFor('daemonset-controller', 'daemonsets')));
  stack.use(new JobController(partsFor('job-controller', 'jobs')));
  stack.use(new EndpointSliceController(partsFor('endpoint-slice-controller', 'endpoints')));
  stack.use(new NodeMonitor(partsFor('node-controller', 'nodes')));
  for (const cache of unsupported) warnOfUnsupported(cache, partsFor('lab', 'unsupported').events);
}

async function startDns(
  o: ClusterOptions,
  caches: Caches,
  random: () => number,
  stack: AsyncDisposableStack,
): Promise<DnsServer | undefined> {
  const { dns: listen = [] } = o;
  if (listen.length === 0) return undefined;
  const log = o.log.scope('dns');
  let zone: Zone | undefined;
  const forget = () => {
    zone = undefined; // built again when somebody asks
  };
  for (const cache of [caches.services, caches.slices, caches.pods]) cache.onChange(forget);
  const server = stack.use(
    await DnsServer.start({
      listen,
      domain: CLUSTER_DOMAIN,
      zone: () => {
        zone ??= new Zone({
          services: caches.services.list(),
          slices: caches.slices.list(),
          pods: caches.pods.list(),
          domain: CLUSTER_DOMAIN,
        });
        return zone;
      },
      random,
      onProblem: (error) => log.debug('dns', { error: describeError(error) }),
    }),
  );
  const bound = listen.map(({ ip }, i) => ({ ip, port: server.ports[i] ?? 53 }));
  await ensureDnsService(o.client, SERVICES.dns, bound);
  return server;
}
