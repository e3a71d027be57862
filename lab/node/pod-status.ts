/** A pod's status from what its containers do: pure. */
import type { Condition, ContainerStatus, Pod, PodPhase, PodStatus } from './pod.ts';

export type PodView = {
  readonly pod: Pod;
  readonly containers: readonly ContainerStatus[];
  readonly initContainers: readonly ContainerStatus[];
  /** Names of init containers that are sidecars. */
  readonly sidecars: ReadonlySet<string>;
  readonly initialized: boolean;
  /** Sandbox and network are there. */
  readonly sandboxReady: boolean;
  /** Nothing runs any more, and nothing will. */
  readonly finished: boolean;
  readonly podIps: readonly string[];
  readonly hostIps: readonly string[];
  readonly startTime: string;
  /** Why the kubelet itself ended the pod. */
  readonly failure?: { readonly reason: string; readonly message: string };
};

/** The conditions that are ours to write; others (readiness gates) belong to somebody else. */
const OWN = ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled'];

export function podStatus(view: PodView, now: string): PodStatus {
  const phase = phaseOf(view);
  const old = view.pod.status?.conditions ?? [];
  const condition = (type: string, holds: boolean, why?: { reason: string; message?: string }): Condition => {
    const status = holds ? 'True' : 'False';
    const before = old.find((c) => c.type === type);
    const since = before?.status === status ? (before.lastTransitionTime ?? now) : now;
    return { type, status, lastProbeTime: null, lastTransitionTime: since, ...(holds ? {} : why) };
  };
  const unready = [
    ...view.containers.filter((c) => !c.ready),
    ...view.initContainers.filter((c) => view.sidecars.has(c.name) && !c.ready),
  ].map((c) => c.name);
  const notReady =
    phase === 'Succeeded'
      ? { reason: 'PodCompleted' }
      : { reason: 'ContainersNotReady', message: `containers with unready status: [${unready.join(' ')}]` };
  const uninitialized = view.initContainers.filter(
    (c) => !('terminated' in c.state && c.state.terminated.exitCode === 0),
  );
  const gates = listOf(view.pod.spec['readinessGates']).every((gate) =>
    old.some((c) => c.type === gate.conditionType && c.status === 'True'),
  );
  const containersReady = !view.finished && view.initialized && unready.length === 0;
  return {
    phase,
    conditions: [
      condition('PodReadyToStartContainers', view.sandboxReady),
      condition('Initialized', view.initialized, {
        reason: 'ContainersNotInitialized',
        message: `containers with incomplete status: [${uninitialized.map((c) => c.name).join(' ')}]`,
      }),
      condition('Ready', containersReady && gates, containersReady ? { reason: 'ReadinessGatesNotReady' } : notReady),
      condition('ContainersReady', containersReady, notReady),
      condition('PodScheduled', true),
      ...old.filter((c) => !OWN.includes(c.type)),
    ],
    ...(view.failure && { reason: view.failure.reason, message: view.failure.message }),
    hostIP: view.hostIps[0] ?? '',
    ...(view.podIps[0] !== undefined && { podIP: view.podIps[0], podIPs: view.podIps.map((ip) => ({ ip })) }),
    startTime: view.startTime,
    ...(view.pod.status?.qosClass !== undefined && { qosClass: view.pod.status.qosClass }),
    ...(view.initContainers.length > 0 && { initContainerStatuses: view.initContainers }),
    containerStatuses: view.containers,
  };
}

function listOf(value: unknown): readonly { readonly conditionType?: string }[] {
  return Array.isArray(value) ? value : [];
}

function phaseOf(view: PodView): PodPhase {
  if (view.failure && view.finished) return 'Failed';
  if (view.finished) return view.containers.every(endedWell) && view.initialized ? 'Succeeded' : 'Failed';
  const begun = view.containers.some((c) => !('waiting' in c.state) || c.restartCount > 0);
  return begun && view.initialized ? 'Running' : 'Pending';
}

const endedWell = (c: ContainerStatus): boolean => 'terminated' in c.state && c.state.terminated.exitCode === 0;
