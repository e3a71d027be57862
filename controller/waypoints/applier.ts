/** Makes the cluster as a plan says: writes what differs, and nothing that is somebody else's. */
import { type KubeClient, KubeError, objectKey, RESOURCES } from '../../core/kube/index.ts';
import type { Logger } from '../../core/telemetry/index.ts';
import type { KubeObject } from '../../mesh/index.ts';
import type { WaypointsMetrics } from '../observe/metrics.ts';
import { APPLIED, isApplied, withFingerprint } from './applied.ts';
import type { MadeObjects } from './made.ts';
import { FIELD_MANAGER, GATEWAY_NAME, MANAGED, MANAGED_BY, NAME_OVERRIDE } from './names.ts';
import type { Plan } from './plan.ts';
import { isReady, type Outcome } from './status.ts';

export type ApplierOptions = {
  readonly client: KubeClient;
  readonly made: MadeObjects;
  readonly metrics: WaypointsMetrics;
  readonly log: Logger;
};

/** With an error it is worth trying again. */
export type Applied = { readonly outcome: Outcome; readonly error?: unknown };

const DONE: Applied = { outcome: { kind: 'done' } };
/** Of each waypoint. In this order they go: as long as the last one is there, the work is not done. */
const NAMED_KINDS = ['Service', 'ServiceAccount', 'Deployment'] as const;
/** There are none without being asked for, so they go when nobody asks any more. */
const OPTIONAL_KINDS = ['HorizontalPodAutoscaler', 'PodDisruptionBudget'] as const;

/** Throws when the API server could not be asked. */
export async function applyPlan(gateway: string, plan: Plan, o: ApplierOptions): Promise<Applied> {
  if (plan.kind !== 'objects') return DONE;
  // All are looked at first: where one is somebody else's, none is made.
  const todo: KubeObject[] = [];
  for (const object of plan.objects.map(withFingerprint)) {
    const present = await o.made.find(object);
    if (present !== undefined && !isManagedFor(present, object)) {
      if (object.kind === 'ServiceAccount' && plan.isAccountGiven) continue; // is used as it is
      return { outcome: { kind: 'blocked', message: foreign(present) } };
    }
    if (present === undefined || !isApplied(present, object)) todo.push(object);
  }
  for (const object of todo) {
    try {
      await o.client.apply(object, { fieldManager: FIELD_MANAGER, force: true });
    } catch (error) {
      if (!isVerdict(error)) throw error;
      return { outcome: { kind: 'blocked', message: `${nameOf(object)} was not taken: ${error.message}` }, error };
    }
    o.metrics.applied(object.kind);
    o.log.info('applied', { gateway, object: nameOf(object) });
  }
  await removeUnasked(gateway, plan.objects, o);
  return DONE;
}

/** What we have made and nobody asks for any more: optional kinds at once, and all under a former name when the new one serves. */
async function removeUnasked(gateway: string, asked: readonly KubeObject[], o: ApplierOptions): Promise<void> {
  const isAsked = (object: KubeObject) =>
    asked.some(({ kind, metadata }) => kind === object.kind && metadata.name === object.metadata.name);
  const unasked = (kind: (typeof OPTIONAL_KINDS | typeof NAMED_KINDS)[number]) =>
    o.made
      .ofGateway(kind, gateway)
      .filter((object) => !isAsked(object) && object.metadata.annotations?.[APPLIED] !== undefined);
  const serves = asked.some((object) => isReady(o.made.deployment(objectKey(object))) && object.kind === 'Deployment');
  const isRenamed = serves && unasked('Deployment').length > 0;
  for (const kind of [...OPTIONAL_KINDS, ...(isRenamed ? NAMED_KINDS : [])]) {
    for (const object of unasked(kind)) {
      await o.client.delete(RESOURCES[kind], object.metadata.name, object.metadata.namespace);
      o.log.info('removed', { gateway, object: nameOf(object) });
    }
  }
}

/** What the API server says of the object itself, and not of its own state. */
const isVerdict = (error: unknown): error is KubeError =>
  error instanceof KubeError && [400, 403, 422].includes(error.code);

const nameOf = ({ kind, metadata }: KubeObject): string => `${kind} ${metadata.namespace}/${metadata.name}`;

/** Made by a controller of waypoints, and for this very Gateway. */
function isManagedFor(present: KubeObject, wanted: KubeObject): boolean {
  const [is, should] = [present.metadata.labels ?? {}, wanted.metadata.labels ?? {}];
  return is[MANAGED] === should[MANAGED] && is[GATEWAY_NAME] === should[GATEWAY_NAME];
}

function foreign(present: KubeObject): string {
  const { labels = {} } = present.metadata;
  const whose =
    labels[MANAGED] === MANAGED_BY
      ? `belongs to Gateway ${labels[GATEWAY_NAME]}`
      : `is not a waypoint's (no label ${MANAGED}=${MANAGED_BY})`;
  return `${nameOf(present)} exists and ${whose}: it is left alone, and nothing is made. Delete it, or name the waypoint's objects by annotation ${NAME_OVERRIDE}`;
}
