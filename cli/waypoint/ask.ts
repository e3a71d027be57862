/** The waypoints of a cluster, asked at their admin ports. */
import { RESOURCES } from '../../core/kube/index.ts';
import type { KubeObject } from '../../mesh/index.ts';
import type { Cluster } from '../cluster.ts';
import { isLive } from '../enrolment.ts';
import { type Asking, askPods } from '../ztunnels.ts';
import { waypointsIn } from './gateways.ts';
import { GATEWAY_NAME } from './manifest.ts';

/** A pod, `namespace/name`, with the reason why it did not answer. */
export type SilentWaypoint = { readonly waypoint: string; readonly reason: string };

type WaypointAnswers<T> = {
  /** Pods. */
  readonly asked: number;
  /** `waypoint`: the pod, `namespace/name`. */
  readonly answers: readonly { readonly waypoint: string; readonly value: T }[];
  readonly silent: readonly SilentWaypoint[];
};

/** Asks every pod of every waypoint. One that does not answer is named, never an error. */
export async function askWaypoints<T>(
  cluster: Cluster,
  adminPort: number,
  asking: Omit<Asking<T>, 'nodes'>,
): Promise<WaypointAnswers<T>> {
  const pods = await waypointPods(cluster);
  const { answers, silent } = await askPods(cluster, adminPort, pods, asking, nameOf);
  return {
    asked: pods.length,
    answers: answers.map(({ node: waypoint, value }) => ({ waypoint, value })),
    silent: silent.map(({ node: waypoint, reason }) => ({ waypoint, reason })),
  };
}

const nameOf = ({ metadata }: KubeObject) => `${metadata.namespace}/${metadata.name}`;

/** Those that run. */
async function waypointPods(cluster: Cluster): Promise<readonly KubeObject[]> {
  const waypoints = new Set(
    (await waypointsIn(cluster, undefined, 'orNothing')).map((w) => `${w.namespace}/${w.name}`),
  );
  if (waypoints.size === 0) return [];
  const pods = await cluster.list(RESOURCES.Pod, { labelSelector: GATEWAY_NAME });
  return pods.filter(
    (pod) => isLive(pod) && waypoints.has(`${pod.metadata.namespace}/${pod.metadata.labels?.[GATEWAY_NAME]}`),
  );
}
