/** The class of waypoints: made where it is missing, and accepted (controller.md section 4.1). Never changed afterwards. */
import { type Informer, isConflict, isNotFound, type KubeClient } from '../../core/kube/index.ts';
import type { KubeObject } from '../../mesh/index.ts';
import type { Clock } from '../clock.ts';
import { type Condition, conditionsOf, mergeConditions } from '../kube/status-writer.ts';
import { WorkQueue } from '../kube/work-queue.ts';
import { FIELD_MANAGER, GATEWAY_GROUP, MESH_CONTROLLER, WAYPOINT_CLASS } from './names.ts';

const API_VERSION = `${GATEWAY_GROUP}/v1`;

/** Before the class is there, its name tells. */
export function isWaypointClass(name: string, gatewayClass: KubeObject | undefined): boolean {
  if (gatewayClass === undefined) return name === WAYPOINT_CLASS;
  return controllerOf(gatewayClass) === MESH_CONTROLLER;
}

const controllerOf = (gatewayClass: KubeObject): unknown =>
  ((gatewayClass['spec'] ?? {}) as { readonly controllerName?: unknown }).controllerName;

export type WaypointClassesOptions = {
  readonly client: KubeClient;
  readonly classes: Informer<KubeObject>;
  readonly leads: () => boolean;
  readonly clock: Clock;
  readonly onProblem: (what: string, error: unknown) => void;
};

export class WaypointClasses implements AsyncDisposable {
  readonly #options: WaypointClassesOptions;
  readonly #queue: WorkQueue;

  constructor(options: WaypointClassesOptions) {
    this.#options = options;
    this.#queue = new WorkQueue({
      work: (name) => this.#ensure(name),
      onProblem: (name, error) => {
        // As long as nobody has installed Gateway API, there is no such kind; it is asked for again.
        if (!isNotFound(error)) options.onProblem(`GatewayClass ${name}`, error);
      },
      clock: options.clock,
    });
    const look = (object: KubeObject): void => this.#queue.add(object.metadata.name);
    options.classes.on('set', look);
    options.classes.on('delete', look);
  }

  /** We lead now. */
  lookAtAll(): void {
    for (const name of [WAYPOINT_CLASS, ...this.#options.classes.list().map(({ metadata }) => metadata.name)]) {
      this.#queue.add(name);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue[Symbol.asyncDispose]();
  }

  async #ensure(name: string): Promise<void> {
    const { classes, client, leads } = this.#options;
    if (!leads() || !classes.isSynced) return;
    const present = classes.get(name);
    if (present !== undefined) return this.#accept(present);
    if (name !== WAYPOINT_CLASS) return;
    try {
      await client.create(CLASS);
    } catch (error) {
      if (!isConflict(error)) throw error; // another controller was quicker
    }
  }

  async #accept(present: KubeObject): Promise<void> {
    if (controllerOf(present) !== MESH_CONTROLLER) return;
    const { client, clock } = this.#options;
    const { name, generation = 0 } = present.metadata;
    const object = { apiVersion: API_VERSION, kind: 'GatewayClass', namespace: '', name, generation };
    const accepted = { object, type: 'Accepted', status: 'True', reason: 'Accepted', message: MESSAGE } as const;
    const next = mergeConditions(conditionsOf(present), [accepted], new Date(clock.now()).toISOString());
    if (next === undefined) return;
    const conditions: readonly Condition[] = next.filter(({ type }) => type === accepted.type);
    await client.apply(
      { apiVersion: API_VERSION, kind: 'GatewayClass', metadata: { name }, status: { conditions } },
      { fieldManager: FIELD_MANAGER, force: true, subresource: 'status' },
    );
  }
}

const MESSAGE = 'Handled by the mesh controller';

const CLASS = {
  apiVersion: API_VERSION,
  kind: 'GatewayClass',
  // By the label `ambit uninstall` knows what is ours.
  metadata: { name: WAYPOINT_CLASS, labels: { 'app.kubernetes.io/part-of': 'ambit' } },
  spec: { controllerName: MESH_CONTROLLER, description: 'A waypoint: what the mesh does to requests is done here' },
};
