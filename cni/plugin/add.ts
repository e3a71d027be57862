/** ADD: is this new pod part of the mesh, and if so, does the agent enrol it before it starts? */
import { enrolled, type KubeObject } from '../../mesh/index.ts';
import type { ApiClient } from './api-client.ts';
import { CniError, TRY_AGAIN } from './cni-error.ts';
import type { PluginConf } from './conf.ts';
import { type AddEvent, eventIp } from './event.ts';

export type AddInput = {
  readonly conf: PluginConf;
  readonly netns: string;
  readonly podName: string;
  readonly podNamespace: string;
};

/** What ADD needs of the world; passed in for tests. */
export type AddSurroundings = {
  /** Throws when the kubeconfig is unusable. */
  readonly connect: () => ApiClient;
  readonly tellAgent: (event: AddEvent) => Promise<void>;
  readonly sleep: (ms: number) => Promise<void>;
  readonly log: (level: 'info' | 'warn' | 'error', message: string, fields: Readonly<Record<string, string>>) => void;
};

/** The DaemonSet's name is fixed for this: its pods must start without asking itself. */
const AGENT_POD_PREFIX = 'istio-cni-node-';
const ATTEMPTS = { short: 2, long: 31 };
const BETWEEN_ATTEMPTS_MS = 1_000;

/**
 * Returns why the pod may start; throws a CniError when it must not: an eligible pod that the agent did not enrol, and a
 * pod of which nobody could say whether it is eligible. (The reference starts the latter outside the mesh.)
 */
export async function add(input: AddInput, world: AddSurroundings): Promise<string> {
  const { conf, podName, podNamespace } = input;
  const isAgent = podName.startsWith(AGENT_POD_PREFIX) && podNamespace === conf.agentNamespace;
  if (isAgent) return 'it is the node agent itself';
  // Before the client: an unusable kubeconfig has nothing to say of pods that are not ours in any case.
  if (podName === '' || podNamespace === '') return 'it is not a pod of Kubernetes';
  if (conf.excludedNamespaces.includes(podNamespace)) return `namespace ${podNamespace} is excluded`;
  if (!conf.ambientEnabled) return 'the mesh is not enabled';
  const verdict = await decide(input, world);
  if (!verdict.enrolled) return verdict.because;
  await world.tellAgent(addEvent(input));
  return `enrolled: ${verdict.because}`;
}

async function decide(input: AddInput, world: AddSurroundings): Promise<ReturnType<typeof enrolled>> {
  const { conf, podName, podNamespace } = input;
  using api = world.connect();
  const attempts = conf.detectionRetry ? ATTEMPTS.long : ATTEMPTS.short;
  for (let attempt = 1; ; attempt++) {
    try {
      const namespace = await api.namespace(podNamespace);
      const pod: KubeObject = await api.pod(podNamespace, podName);
      const { selectors, excludedNamespaces } = conf;
      return enrolled(pod, namespace.metadata.labels ?? {}, { selectors, excludedNamespaces });
    } catch (cause) {
      const error = cause instanceof Error ? cause.message : String(cause);
      const name = `${podNamespace}/${podName}`;
      world.log('warn', 'cannot decide whether the pod is part of the mesh', {
        pod: name,
        error,
        attempt: `${attempt}`,
      });
      if (attempt >= attempts) {
        throw new CniError(TRY_AGAIN, `cannot decide whether pod ${name} is part of the mesh: ${error}`, '', { cause });
      }
      await world.sleep(BETWEEN_ATTEMPTS_MS);
    }
  }
}

function addEvent({ conf, netns, podName, podNamespace }: AddInput): AddEvent {
  const ips = conf.prevResult?.ips;
  return {
    Netns: netns,
    PodName: podName,
    PodNamespace: podNamespace,
    IPs: ips ? ips.map(eventIp).filter((ip) => ip !== undefined) : null,
  };
}
