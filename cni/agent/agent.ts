/** The node agent put together: start downwards, stop upwards. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Informer, isConflict, isNotFound, type KubeClient, RESOURCES } from '../../core/kube/index.ts';
import { checkCapabilities, checkRuntime } from '../../core/net/index.ts';
import {
  type HttpReply,
  type Logger,
  metricsRoute,
  Readiness,
  readinessRoute,
  serveHttp,
} from '../../core/telemetry/index.ts';
import { enrolled, type KubeObject } from '../../mesh/index.ts';
import { HostRules, kubeletUid } from '../host/index.ts';
import { type AgentConfig, pluginEntry } from './config.ts';
import { DataPlane } from './data-plane.ts';
import { Installer } from './install/installer.ts';
import { agentMetrics } from './metrics.ts';
import { NetnsFinder } from './netns-finder.ts';
import { addRoute, logRoute } from './plugin-events.ts';
import { type Pod, podOf, REDIRECTION, type Redirection } from './pod.ts';
import { isZtunnel, Reconciler } from './reconciler.ts';
import { enrolledReport } from './report.ts';
import { decideShutdown } from './shutdown.ts';
import { serveUnix } from './unix-http.ts';
import { ZdsServer } from './zds-server.ts';

export type AgentDeps = { readonly config: AgentConfig; readonly kube: KubeClient; readonly log: Logger };

export interface Agent {
  readonly healthPort: number;
  readonly metricsPort: number;
  /** Stops; whether it cleans up depends on why it stops. */
  stop(): Promise<void>;
}

const HOST_RULES_TRIES = 10;
const HOST_RULES_PAUSE_MS = 2_000;
/** A pod is created before its sandbox, but the answer may come from a server that lags behind. */
const READ_POD_TRIES = 10;
const READ_POD_PAUSE_MS = 10;

/** Resolves when the node's pods are enrolled as they were, ztunnels are served, and the plugin may be installed. */
export async function startAgent({ config, kube, log }: AgentDeps): Promise<Agent> {
  checkRuntime();
  checkCapabilities();
  await using stack = new AsyncDisposableStack();
  const metrics = agentMetrics();
  const readiness = new Readiness();
  const installed = readiness.task('cni plugin installed');
  const serving = readiness.task('ambient server');

  const finder = stack.use(new NetnsFinder(config));
  const pods = stack.use(
    new Informer<KubeObject>({
      client: kube,
      type: RESOURCES.Pod,
      fieldSelector: `spec.nodeName=${config.nodeName}`,
      onProblem: (error) => log.warn('the watch of pods was interrupted', { error: String(error) }),
    }),
  );
  const namespaces = stack.use(
    new Informer<KubeObject>({
      client: kube,
      type: RESOURCES.Namespace,
      onProblem: (error) => log.warn('the watch of namespaces was interrupted', { error: String(error) }),
    }),
  );

  const state: { dataPlane?: DataPlane; reconciler?: Reconciler } = {};
  const metricsHttp = stack.use(
    await serveHttp({ port: config.metricsPort, routes: { '/metrics': metricsRoute(metrics.registry) } }),
  );
  metrics.collect(() => {
    const list = state.dataPlane?.list() ?? [];
    const complete = list.filter((pod) => pod.complete).length;
    return { complete, incomplete: list.length - complete, failing: state.reconciler?.failing().length ?? 0 };
  });
  const health = stack.use(
    await serveHttp({
      port: config.healthPort,
      routes: {
        '/healthz': () => ({ body: 'ok\n' }),
        '/readyz': readinessRoute(readiness),
        // Names of pods, and some work: for people on the node and port-forwards, not for neighbours.
        '/enrolled': async ({ remote }): Promise<HttpReply> => {
          if (!/^(::ffff:)?127\.|^::1$/.test(remote)) return { status: 403, body: 'only from localhost\n' };
          const { dataPlane, reconciler } = state;
          if (!dataPlane || !reconciler) return { status: 503, body: 'starting\n' };
          const known = pods.list().map(podOf);
          const report = await enrolledReport({ node: config.nodeName, dataPlane, finder, known, reconciler });
          return { contentType: 'application/json', body: `${JSON.stringify(report, undefined, 2)}\n` };
        },
      },
      onError: (error, path) => log.error('a request failed', { path, error: String(error) }),
    }),
  );

  const onStranger = (uid: number) => log.warn('a caller that is not root was refused', { 'peer.uid': uid });
  stack.use(await serveUnix(`${config.runDir}/log.sock`, { '/log': logRoute(log.scope('plugin')) }, onStranger));
  const host = await startHostRules(config, finder, log);
  const zds: ZdsServer = stack.use(
    new ZdsServer({
      path: config.zdsPath,
      snapshot: () => dataPlane.snapshot(),
      log: log.scope('zds'),
      onConnections: (count) => {
        metrics.ztunnels(count);
        if (count > 0) reconciler.retryIncomplete();
      },
      onSnapshot: () => dataPlane.followProxy(),
    }),
  );
  const dataPlane: DataPlane = stack.use(
    new DataPlane({ finder, zds, host, defaults: config, log, annotate: (pod, value) => annotate(kube, pod, value) }),
  );
  state.dataPlane = dataPlane;
  const reconciler: Reconciler = stack.use(
    new Reconciler({ pods, namespaces, dataPlane, rules: config, onEvent: metrics.event, log: log.scope('enrolment') }),
  );
  state.reconciler = reconciler;

  const events = addRoute({
    readPod: (namespace, name) => readPod(kube, namespace, name),
    verdict: async (pod) => reconciler.verdict(pod) ?? verdictFromServer(kube, pod, config),
    enrol: (pod, ips, path) => dataPlane.add(pod, ips, path),
    onReply: metrics.request,
    log: log.scope('plugin'),
  });
  pods.start();
  namespaces.start();
  await Promise.all([pods.synced, namespaces.synced]);
  await dataPlane.restore(enrolledBefore(pods.list(), config.systemNamespace), config.reapplyRulesAtStart);
  stack.use(await serveUnix(`${config.runDir}/pluginevent.sock`, { '/cmdadd': events }, onStranger));
  reconciler.start();
  zds.start();
  serving.ready();

  const installer = stack.use(
    new Installer({
      ...config,
      launcher: config.launcher,
      node: config.nodeBinary,
      entry: pluginEntry(config),
      kubeconfig: { ...config, host: config.apiHost, port: config.apiPort },
      onState: (ready) => {
        metrics.installReady(ready);
        if (ready) installed.ready();
        else installed.notReady();
      },
      onResult: metrics.install,
      log: log.scope('install'),
    }),
  );
  installer.start();
  const owned = stack.move();

  return {
    healthPort: health.port,
    metricsPort: metricsHttp.port,
    stop: async () => {
      serving.notReady();
      const decision = await decideShutdown({
        disableSafeUpgrade: config.disableSafeUpgrade,
        ownedConfig: config.ownedName !== undefined,
        daemonSet: () => kube.find(RESOURCES.DaemonSet, 'istio-cni-node', config.podNamespace),
        nodeLabels: async () => (await kube.get(RESOURCES.Node, config.nodeName)).metadata.labels ?? {},
        sleep: (ms) => sleep(ms),
      });
      log.info(decision.cleanUp ? 'stopping and cleaning up' : 'stopping', { because: decision.because });
      await installer[Symbol.asyncDispose]();
      if (decision.cleanUp) {
        installer.uninstall();
        await host.destroy();
      }
      await owned.disposeAsync();
    },
  };
}

/** The host's table, with the patience of cni.md 1.4: kubelet may be the one that is just starting. */
async function startHostRules(config: AgentConfig, finder: NetnsFinder, log: Logger): Promise<HostRules> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await HostRules.create({
        netns: finder.host,
        ipv6: config.ipv6,
        kubeletUid: kubeletUid(config.procDir),
        sources: config.probeSources,
      });
    } catch (error) {
      if (attempt >= HOST_RULES_TRIES) throw error;
      log.warn('the rules of the host can not be set yet', { attempt, error: String(error) });
      await sleep(HOST_RULES_PAUSE_MS);
    }
  }
}

/**
 * Pods that say they are captured. Labels are not asked: whoever is captured stays so until the queue has looked at it. But
 * anybody who makes a pod can write the annotation: one of the host's network would have the node's own addresses let through.
 */
function enrolledBefore(objects: readonly KubeObject[], systemNamespace: string): readonly Pod[] {
  return objects
    .map(podOf)
    .filter(
      (pod) => pod.redirection === 'enabled' && !pod.terminal && !pod.hostNetwork && !isZtunnel(pod, systemNamespace),
    );
}

async function readPod(kube: KubeClient, namespace: string, name: string): Promise<Pod | undefined> {
  for (let attempt = 1; ; attempt++) {
    const object = await kube.find(RESOURCES.Pod, name, namespace);
    if (object !== undefined) return podOf(object);
    if (attempt >= READ_POD_TRIES) return undefined;
    await sleep(READ_POD_PAUSE_MS);
  }
}

/** For a namespace that is so new that the watch has not brought it yet. */
async function verdictFromServer(kube: KubeClient, pod: Pod, config: AgentConfig) {
  const namespace = await kube.get(RESOURCES.Namespace, pod.namespace);
  return enrolled(pod.object, namespace.metadata.labels ?? {}, config);
}

/** Through `pods/status`, the least right that does it; the uid keeps a pod of the same name from being annotated. */
async function annotate(kube: KubeClient, pod: Pod, value: Redirection | undefined): Promise<string | undefined> {
  const body = { metadata: { uid: pod.uid, annotations: { [REDIRECTION]: value ?? null } } };
  try {
    const written = await kube.patch(RESOURCES.Pod, pod, 'merge', body, { subresource: 'status' });
    return written.metadata.resourceVersion;
  } catch (error) {
    // Gone, and its annotation with it; another pod may have the name already.
    const isGone = isNotFound(error) || isConflict(error);
    if (!isGone || value !== undefined) throw error;
    return undefined;
  }
}
