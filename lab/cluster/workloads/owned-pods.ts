/** Pods made from the template of a workload that owns them, and removed again. */
import type { KubeObject } from '../../../mesh/index.ts';
import { type Cache, controllerReference, type EventRecorder } from '../machinery/index.ts';
import type { Pod, PodTemplate } from '../types.ts';

/** What the controller of any workload is given. */
export type WorkloadDeps = {
  readonly pods: Cache<Pod>;
  readonly events: EventRecorder;
  readonly now: () => Date;
  readonly onProblem: (key: string, error: unknown) => void;
};

export type Workload = KubeObject & { readonly spec: { readonly template: PodTemplate } };

/** Of the owner's name in the names of its pods: the server adds six letters, and a label has 63. */
const MAX_NAME = 57;

/** The pod that the owner's template makes; the server finds the rest of its name. */
export function podFromTemplate(owner: Workload): Pod {
  const { metadata = {}, spec } = owner.spec.template;
  const { namespace, name } = owner.metadata;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...metadata,
      name: '',
      generateName: `${name.slice(0, MAX_NAME)}-`,
      ...(namespace === undefined ? {} : { namespace }),
      ownerReferences: [controllerReference(owner)],
    },
    spec,
  };
}

type Deps = Pick<WorkloadDeps, 'pods' | 'events'>;

export async function createPod({ pods, events }: Deps, owner: Workload, pod: Pod): Promise<void> {
  const created = await pods.create(pod);
  events.record(owner, 'Normal', 'SuccessfulCreate', `Created pod: ${created.metadata.name}`);
}

export async function deletePod({ pods, events }: Deps, owner: Workload, pod: Pod): Promise<void> {
  await pods.delete(pod);
  events.record(owner, 'Normal', 'SuccessfulDelete', `Deleted pod: ${pod.metadata.name}`);
}

/** Tells of pods that could not be made. */
export function recordFailedCreate({ events }: Deps, owner: Workload, error: unknown): void {
  events.record(owner, 'Warning', 'FailedCreate', `Error creating: ${messageOf(error)}`);
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
