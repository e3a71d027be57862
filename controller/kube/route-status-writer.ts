/**
 * Writes what became of routes, for each of their parents, to `status.parents`, and of policies of Gateway API, for each of their
 * ancestors, to `status.ancestors`: on change only, by the leader only. The list is one value for the API server, and other
 * controllers have entries in it: these stay as they are.
 */
import { type Informer, isNotFound, type KubeClient, objectKey } from '../../core/kube/index.ts';
import type { ConditionChange, KubeObject, RouteParentStatus, RouteStatus } from '../../mesh/index.ts';
import { POLICY_CONTROLLER, ROUTE_CONTROLLER } from '../../mesh/index.ts';
import type { Clock } from '../clock.ts';
import { type Condition, mergeConditions } from './status-writer.ts';
import { WorkQueue } from './work-queue.ts';

export type RouteStatusWriterOptions = {
  readonly client: KubeClient;
  /** Know the objects, by kind. */
  readonly informers: Readonly<Record<string, Informer<KubeObject>>>;
  /** Routes of another control plane carry that one's entries. */
  readonly isOurs: (object: KubeObject) => boolean;
  readonly leads: () => boolean;
  readonly clock: Clock;
  readonly onProblem: (what: string, error: unknown) => void;
};

/** controller.md section 4: what the reference writes Gateway API's statuses as. */
const FIELD_MANAGER = 'istio.io/gateway-controller';

/** The list of a status, and how its entries say what they are about and who says so (waypoint.md section 2.1). */
type ListForm = { readonly list: string; readonly ref: string; readonly controllerName: string };
const PARENTS: ListForm = { list: 'parents', ref: 'parentRef', controllerName: ROUTE_CONTROLLER };
const ANCESTORS: ListForm = { list: 'ancestors', ref: 'ancestorRef', controllerName: POLICY_CONTROLLER };

export class RouteStatusWriter implements AsyncDisposable {
  readonly #options: RouteStatusWriterOptions;
  readonly #wanted = new Map<string, RouteStatus>();
  readonly #queue: WorkQueue;

  constructor(options: RouteStatusWriterOptions) {
    this.#options = options;
    this.#queue = new WorkQueue({
      work: (key) => this.#write(key),
      onProblem: (key, error) => options.onProblem(`status of ${key}`, error),
      clock: options.clock,
    });
  }

  set(statuses: readonly RouteStatus[]): void {
    for (const status of statuses) {
      const key = keyOf(status.object);
      this.#wanted.set(key, status);
      this.#queue.add(key);
    }
  }

  /**
   * Somebody has written to it, or it is another one of that name: of this only what differs is told. Not asked by the informer,
   * which knows it before anything was derived: what was true of the old one would be written to the new one.
   */
  lookAt(object: KubeObject): void {
    const key = keyOf(object);
    if (this.#wanted.has(key)) this.#queue.add(key);
  }

  forget(object: KubeObject): void {
    this.#wanted.delete(keyOf(object));
  }

  /** We lead now: everything that should stand is compared with what does. */
  lookAtAll(): void {
    for (const key of this.#wanted.keys()) this.#queue.add(key);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue[Symbol.asyncDispose]();
  }

  async #write(key: string): Promise<void> {
    const { client, clock, informers, isOurs, leads } = this.#options;
    const [kind = '', name = ''] = key.split(' ');
    const status = this.#wanted.get(key);
    const object = informers[kind]?.get(name);
    if (!leads() || status === undefined || object === undefined || !isOurs(object)) return;
    const form = kind === 'BackendTLSPolicy' ? ANCESTORS : PARENTS;
    const entries = mergeParents(parentsOf(object, form), status, new Date(clock.now()).toISOString(), form);
    if (entries === undefined) return;
    const { metadata, apiVersion } = object;
    const { resourceVersion } = metadata;
    try {
      await client.apply(
        {
          apiVersion,
          kind: object.kind,
          // With the version that the list was read of: an entry that another controller has put in meanwhile is not lost.
          metadata: {
            name: metadata.name,
            namespace: metadata.namespace ?? '',
            ...(resourceVersion !== undefined && { resourceVersion }),
          },
          status: { [form.list]: entries },
        },
        { fieldManager: FIELD_MANAGER, force: true, subresource: 'status' },
      );
    } catch (error) {
      if (isNotFound(error)) return; // deleted meanwhile
      throw error;
    }
  }
}

type ParentEntry = {
  readonly [ref: string]: unknown;
  readonly controllerName?: string;
  readonly conditions?: readonly Condition[];
};

export function parentsOf(object: KubeObject, { list }: ListForm = PARENTS): readonly ParentEntry[] {
  const entries = ((object['status'] ?? {}) as Readonly<Record<string, unknown>>)[list];
  return Array.isArray(entries) ? (entries as readonly ParentEntry[]) : [];
}

/** The list as it should be, or undefined when it already is: others' entries as they are, then ours, and none of ours that is stale. */
export function mergeParents(
  present: readonly ParentEntry[],
  { object, parents }: RouteStatus,
  now: string,
  form: ListForm = PARENTS,
): readonly ParentEntry[] | undefined {
  const others = present.filter(({ controllerName }) => controllerName !== form.controllerName);
  const ours = present.filter(({ controllerName }) => controllerName === form.controllerName);
  const namespace = object.metadata.namespace ?? '';
  let changed = ours.length !== parents.length;
  const next = parents.map((wanted) => {
    const old = ours.find((entry) => isSameParent((entry[form.ref] ?? {}) as Ref, wanted.parentRef, namespace));
    const conditions = mergeOurs(old?.conditions ?? [], wanted, object, now);
    if (conditions === undefined && old !== undefined) return old;
    changed = true;
    return {
      [form.ref]: wanted.parentRef,
      controllerName: form.controllerName,
      conditions: conditions ?? old?.conditions ?? [],
    };
  });
  return changed ? [...others, ...next] : undefined;
}

/** The conditions of an entry are all ours: those that are not wanted go. */
function mergeOurs(
  present: readonly Condition[],
  { conditions }: RouteParentStatus,
  { apiVersion, kind, metadata }: RouteStatus['object'],
  now: string,
): readonly Condition[] | undefined {
  const { name, namespace = '', generation } = metadata;
  const about = { apiVersion, kind, namespace, name, ...(generation !== undefined && { generation }) };
  const wanted = conditions.map((condition): ConditionChange => ({ object: about, ...condition }));
  const stale = present
    .filter(({ type }) => !conditions.some((condition) => condition.type === type))
    .map(({ type }): ConditionChange => ({ object: about, type, status: undefined, reason: '', message: '' }));
  return mergeConditions(present, [...wanted, ...stale], now);
}

type Ref = Readonly<Record<string, unknown>>;

/** What names the parent, with the defaults that an API server may have written into one of the two. */
function isSameParent(a: Ref, b: Ref, namespace: string): boolean {
  return PARENT_FIELDS.every(([field, fallback]) => {
    const other = field === 'namespace' ? namespace : fallback;
    return (a[field] ?? other) === (b[field] ?? other);
  });
}

const PARENT_FIELDS = [
  ['group', 'gateway.networking.k8s.io'],
  ['kind', 'Gateway'],
  ['namespace', undefined],
  ['name', undefined],
  ['sectionName', undefined],
  ['port', undefined],
] as const;

function keyOf({ kind, metadata }: Pick<RouteStatus['object'], 'kind' | 'metadata'>): string {
  return `${kind} ${objectKey({ metadata })}`;
}
