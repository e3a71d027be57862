/** From informers to what the discovery service serves: pending changes are gathered, derived together, and published. */
import { type Informer, objectKey } from '../../core/kube/index.ts';
import { type MeshStores, publishDelta } from '../../core/xds/index.ts';
import {
  type ConditionChange,
  type Delta,
  Deriver,
  type KubeObject,
  type MaterialRef,
  type MeshConfig,
  type RouteStatus,
} from '../../mesh/index.ts';
import type { ControllerMetrics } from '../observe/metrics.ts';
import type { WaypointScope } from './access.ts';
import { Debounce, type Timers } from './debounce.ts';
import { WaypointNeeds } from './waypoint-scope.ts';

export type DerivationOptions = {
  readonly config: MeshConfig;
  readonly stores: MeshStores;
  readonly quietMs: number;
  readonly maxMs: number;
  readonly timers: Timers;
  readonly metrics: Pick<ControllerMetrics, 'inbound' | 'triggered' | 'pushed' | 'debounce'>;
  /** The Secrets and ConfigMaps that rules name now; told whenever anything has changed. */
  readonly onMaterials: (refs: Iterable<MaterialRef>) => void;
  readonly onConditions: (changes: readonly ConditionChange[]) => void;
  readonly onRouteStatuses: (statuses: readonly RouteStatus[]) => void;
  /** All that follows from an object that is new or changed has been told. */
  readonly onDerived: (object: KubeObject) => void;
  /** An object that is back before anything was derived is not gone: only what differs from before will be told of it. */
  readonly onGone: (object: KubeObject) => void;
};

type Change =
  | { readonly kind: 'set'; readonly object: KubeObject }
  | { readonly kind: 'gone'; readonly object: KubeObject };

export class Derivation implements Disposable {
  readonly #options: DerivationOptions;
  readonly #deriver: Deriver;
  readonly #debounce: Debounce;
  /** Latest change of each object: what happened in between does not matter. */
  readonly #waypoints = new WaypointNeeds(() => this.#deriver.addresses);
  readonly #pending = new Map<string, Change>();
  #started = false;

  constructor(options: DerivationOptions) {
    this.#options = options;
    this.#deriver = new Deriver(options.config);
    this.#debounce = new Debounce({
      quietMs: options.quietMs,
      maxMs: options.maxMs,
      timers: options.timers,
      act: (waitedMs) => {
        options.metrics.debounce.observe(waitedMs / 1000);
        this.flush();
      },
    });
  }

  get deriver(): Pick<Deriver, 'addresses' | 'authorizations' | 'unboundPods' | 'waypoints'> {
    return this.#deriver;
  }

  /** What waypoints may ask for. */
  get waypoints(): WaypointScope {
    return this.#waypoints;
  }

  follow(informer: Informer<KubeObject>): void {
    informer.on('set', (object) => this.set(object));
    informer.on('delete', (object) => this.gone(object));
  }

  /** An object is new or changed. */
  set(object: KubeObject): void {
    this.#note({ kind: 'set', object });
  }

  gone(object: KubeObject): void {
    this.#note({ kind: 'gone', object });
  }

  /** All informers have their first list: derive everything at once. Until now nothing was. */
  begin(): void {
    this.#started = true;
    this.flush();
  }

  /** The mesh configuration changed: everything is derived again, what differs is published. */
  reconfigure(config: MeshConfig): void {
    this.#publish(this.#deriver.reconfigure(config));
    this.#options.onMaterials(this.#deriver.materials());
    this.#options.metrics.triggered('config');
  }

  [Symbol.dispose](): void {
    this.#debounce[Symbol.dispose]();
  }

  #note(change: Change): void {
    const { object } = change;
    this.#options.metrics.inbound(object.kind);
    this.#pending.set(`${object.kind} ${objectKey(object)}`, change);
    if (this.#started) this.#debounce.touch();
  }

  /** What has changed until now is derived now. */
  flush(): void {
    const changes = [...this.#pending.values()];
    this.#pending.clear();
    for (const kind of new Set(changes.map((change) => change.object.kind))) this.#options.metrics.triggered(kind);
    // Additions before removals: an object that replaces another one is there before the other goes.
    const set = changes.filter((change) => change.kind === 'set').map((change) => change.object);
    this.#publish(this.#deriver.applyAll(set));
    for (const object of set) this.#options.onDerived(object);
    for (const { kind, object } of changes) {
      if (kind !== 'gone') continue;
      this.#publish(this.#deriver.remove(object));
      this.#options.onGone(object);
    }
    this.#options.onMaterials(this.#deriver.materials());
  }

  /** All within one turn of the loop: the discovery service sends what changed in it together, policies first. */
  #publish(delta: Delta): void {
    const { addresses, authorizations, conditions } = delta;
    this.#waypoints.apply(delta.waypoints);
    publishDelta(this.#options.stores, delta);
    if (addresses.upserted.length + addresses.removed.length > 0) this.#options.metrics.pushed('wds');
    if (authorizations.upserted.length + authorizations.removed.length > 0) this.#options.metrics.pushed('wads');
    if (delta.waypoints.upserted.length + delta.waypoints.removed.length > 0) this.#options.metrics.pushed('waypoint');
    if (conditions.length > 0) this.#options.onConditions(conditions);
    if (delta.routes.length > 0) this.#options.onRouteStatuses(delta.routes);
  }
}
