/** Events for `kubectl describe`: why something could not be done. Best effort: they never hold up the work. */
import type { KubeObject } from '../../../mesh/index.ts';
import type { Client } from '../types.ts';

export type EventRecorder = {
  /** `reason` in CamelCase, as upstream names it. */
  record(about: KubeObject, type: 'Normal' | 'Warning', reason: string, message: string): void;
};

/** The same complaint about the same object is not written again within this time. */
const QUIET_MS = 60_000;
const MAX_REMEMBERED = 1024;

/** `onProblem` hears of events that could not be written. */
export function eventRecorder(
  client: Client,
  component: string,
  now: () => Date,
  onProblem: (error: unknown) => void,
): EventRecorder {
  const recent = new Map<string, number>();
  let count = 0;
  return {
    record(about, type, reason, message) {
      const at = now();
      const key = [about.metadata.uid, reason, message].join(' ');
      if (at.getTime() - (recent.get(key) ?? Number.NEGATIVE_INFINITY) < QUIET_MS) return;
      recent.delete(key);
      recent.set(key, at.getTime());
      for (const oldest of recent.keys()) {
        if (recent.size <= MAX_REMEMBERED) break;
        recent.delete(oldest);
      }
      void client.create(eventOf(about, { type, reason, message, component, at, number: count++ })).catch(onProblem);
    },
  };
}

type Said = {
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly component: string;
  readonly at: Date;
  /** Keeps names of one millisecond apart. */
  readonly number: number;
};

function eventOf(about: KubeObject, said: Said): KubeObject {
  const { name, namespace = 'default', uid, resourceVersion } = about.metadata;
  const time = `${said.at.toISOString().slice(0, 19)}Z`;
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: {
      name: `${name.slice(0, 200)}.${said.at.getTime().toString(16)}-${said.number.toString(16)}`,
      namespace,
    },
    involvedObject: { apiVersion: about.apiVersion, kind: about.kind, name, namespace, uid, resourceVersion },
    type: said.type,
    reason: said.reason,
    message: said.message,
    source: { component: said.component },
    reportingComponent: said.component,
    reportingInstance: said.component,
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
  };
}
