/** Writes conditions to the status of policies: on change only, by the leader only. */
import { type Informer, isNotFound, type KubeClient, objectKey, type ResourceType } from '../../core/kube/index.ts';
import type { ConditionChange, KubeObject } from '../../mesh/index.ts';
import type { Clock } from '../clock.ts';
import { WorkQueue } from './work-queue.ts';

export type StatusKind = {
  readonly type: ResourceType;
  /** Knows the objects. */
  readonly informer: Informer<KubeObject>;
  /** controller.md section 3.6. */
  readonly fieldManager: string;
  /**
   * How the API server merges the list of conditions: by type (core kinds), where we apply only our own; or as one value
   * (custom resources), where those of others must go along as they are.
   */
  readonly list: 'by-type' | 'one-value';
};

export type StatusWriterOptions = {
  readonly client: KubeClient;
  readonly kinds: readonly StatusKind[];
  /** Objects of another control plane carry that one's conditions. */
  readonly isOurs: (object: KubeObject) => boolean;
  readonly leads: () => boolean;
  readonly clock: Clock;
  readonly onProblem: (what: string, error: unknown) => void;
};

export type Condition = {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime: string;
  readonly observedGeneration?: number | string;
};

export class StatusWriter implements AsyncDisposable {
  readonly #options: StatusWriterOptions;
  /** What should stand on each object, by condition type. */
  readonly #wanted = new Map<string, Map<string, ConditionChange>>();
  readonly #queue: WorkQueue;

  constructor(options: StatusWriterOptions) {
    this.#options = options;
    this.#queue = new WorkQueue({
      work: (key) => this.#write(key),
      onProblem: (key, error) => options.onProblem(`status of ${key}`, error),
      clock: options.clock,
    });
  }

  set(changes: readonly ConditionChange[]): void {
    for (const change of changes) {
      const { kind, namespace, name } = change.object;
      const key = `${kind} ${namespace}/${name}`;
      const conditions = this.#wanted.get(key) ?? new Map<string, ConditionChange>();
      conditions.set(change.type, change);
      this.#wanted.set(key, conditions);
      this.#queue.add(key);
    }
  }

  /**
   * Somebody has written to it, or it is another one of that name: of this only what differs is told. Not asked by the informer,
   * which knows it before anything was derived: what was true of the old one would be written to the new one.
   */
  lookAt(object: KubeObject): void {
    const key = `${object.kind} ${objectKey(object)}`;
    if (this.#wanted.has(key)) this.#queue.add(key);
  }

  forget(object: KubeObject): void {
    this.#wanted.delete(`${object.kind} ${objectKey(object)}`);
  }

  /** We lead now: everything that should stand is compared with what does. */
  lookAtAll(): void {
    for (const key of this.#wanted.keys()) this.#queue.add(key);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue[Symbol.asyncDispose]();
  }

  async #write(key: string): Promise<void> {
    const { client, clock, isOurs, kinds, leads } = this.#options;
    const [kind = '', objectName = ''] = key.split(' ');
    const wanted = this.#wanted.get(key);
    const known = kinds.find(({ type }) => type.kind === kind);
    const object = known?.informer.get(objectName);
    if (!leads() || wanted === undefined || known === undefined || object === undefined || !isOurs(object)) return;
    const present = conditionsOf(object);
    const next = mergeConditions(present, [...wanted.values()], new Date(clock.now()).toISOString());
    if (next === undefined) return;
    try {
      await client.apply(
        {
          apiVersion: object.apiVersion,
          kind: object.kind,
          metadata: { name: object.metadata.name, namespace: object.metadata.namespace ?? '' },
          status: { conditions: known.list === 'one-value' ? next : next.filter(({ type }) => wanted.has(type)) },
        },
        { fieldManager: known.fieldManager, force: true, subresource: 'status' },
      );
    } catch (error) {
      if (isNotFound(error)) return; // deleted meanwhile
      throw error;
    }
  }
}

export function conditionsOf(object: KubeObject): readonly Condition[] {
  const { conditions } = (object['status'] ?? {}) as { readonly conditions?: unknown };
  return Array.isArray(conditions) ? (conditions as readonly Condition[]) : [];
}

/** The list as it should be, or undefined when it already is. The time changes only with the status. */
export function mergeConditions(
  present: readonly Condition[],
  wanted: readonly ConditionChange[],
  now: string,
): readonly Condition[] | undefined {
  let changed = false;
  const next = new Map(present.map((condition) => [condition.type, condition]));
  for (const { type, status, reason, message, object } of wanted) {
    const old = next.get(type);
    if (status === undefined) {
      changed = next.delete(type) || changed;
      continue;
    }
    const generation = object.generation;
    const same =
      old?.status === status &&
      old.reason === reason &&
      old.message === message &&
      (generation === undefined || Number(old.observedGeneration) === generation);
    if (same) continue;
    changed = true;
    next.set(type, {
      type,
      status,
      reason,
      message,
      lastTransitionTime: old?.status === status ? old.lastTransitionTime : now,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
    });
  }
  return changed ? [...next.values()] : undefined;
}
