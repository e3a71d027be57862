/** Events about pods, as `kubectl describe` shows them. A repeated one counts up instead of adding another. */
import { type KubeClient, RESOURCES } from '../../core/kube/index.ts';
import type { Pod } from './pod.ts';

type Told = { readonly name: string; readonly firstTimestamp: string; count: number; atMs: number };

/** Repetitions within this time are counted, not written. */
const QUIET_MS = 5_000;
/** Different events remembered for counting; the oldest is forgotten first. */
const MAX_REMEMBERED = 1024;

export class EventRecorder {
  readonly #client: KubeClient;
  readonly #node: string;
  readonly #onProblem: (error: unknown) => void;
  readonly #told = new Map<string, Told>();

  constructor(client: KubeClient, node: string, onProblem: (error: unknown) => void) {
    this.#client = client;
    this.#node = node;
    this.#onProblem = onProblem;
  }

  /** Never fails the caller: events are for people. */
  record(pod: Pod, type: 'Normal' | 'Warning', reason: string, message: string, container?: string): void {
    const key = `${pod.metadata.uid}/${container ?? ''}/${reason}/${message}`;
    const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
    const before = this.#told.get(key);
    if (before) {
      before.count += 1;
      if (Date.now() - before.atMs < QUIET_MS) return;
      before.atMs = Date.now();
      const body = { count: before.count, lastTimestamp: now };
      const at = { name: before.name, namespace: pod.metadata.namespace };
      this.#client.patch(RESOURCES.Event, at, 'merge', body).catch(this.#onProblem);
      return;
    }
    const { namespace, name, uid } = pod.metadata;
    const told = {
      name: `${name}.${Date.now().toString(16)}${Math.random().toString(16).slice(2, 8)}`,
      firstTimestamp: now,
      count: 1,
      atMs: Date.now(),
    };
    this.#remember(key, told);
    const fieldPath = container === undefined ? {} : { fieldPath: `spec.containers{${container}}` };
    this.#client
      .create({
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { name: told.name, namespace },
        involvedObject: { apiVersion: 'v1', kind: 'Pod', namespace, name, uid, ...fieldPath },
        type,
        reason,
        message: message.slice(0, 1024),
        source: { component: 'kubelet', host: this.#node },
        reportingComponent: 'kubelet',
        reportingInstance: this.#node,
        firstTimestamp: now,
        lastTimestamp: now,
        count: 1,
      })
      .catch(this.#onProblem);
  }

  #remember(key: string, told: Told): void {
    this.#told.set(key, told);
    const oldest = this.#told.keys().next().value;
    if (this.#told.size > MAX_REMEMBERED && oldest !== undefined) this.#told.delete(oldest);
  }
}
