/** Kinds that the API stores and the lab does not carry out: whoever makes one is told, in an Event on the object. */
import type { ResourceType } from '../../../core/kube/index.ts';
import type { KubeObject } from '../../../mesh/index.ts';
import type { Cache, EventRecorder } from '../machinery/index.ts';

const type = (apiVersion: string, kind: string, plural: string): ResourceType => ({
  apiVersion,
  kind,
  plural,
  namespaced: true,
});

export const UNSUPPORTED: readonly ResourceType[] = [
  type('apps/v1', 'StatefulSet', 'statefulsets'),
  type('batch/v1', 'CronJob', 'cronjobs'),
  type('v1', 'ReplicationController', 'replicationcontrollers'),
];

/** Tells once for each object, as long as it is the same object. */
export function warnOfUnsupported(cache: Cache<KubeObject>, events: EventRecorder): void {
  cache.onChange((object, old, kind) => {
    if (kind === 'delete' || old?.metadata.uid === object.metadata.uid) return;
    const message = `The lab has no controller for ${object.kind}: the object is stored and nothing will run`;
    events.record(object, 'Warning', 'NotImplemented', message);
  });
}
