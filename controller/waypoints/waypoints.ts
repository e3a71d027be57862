/**
 * Gateways of waypoint classes become ServiceAccount, Deployment and Service (controller.md section 4): level-based, by the leader
 * only. Deletion is the garbage collector's work: the Gateway owns all of them.
 */
import {
  Informer,
  isNotFound,
  type KubeClient,
  KubeError,
  knownType,
  objectKey,
  RESOURCES,
  type ResourceType,
} from '../../core/kube/index.ts';
import type { Logger } from '../../core/telemetry/index.ts';
import { isOfRevision, type KubeObject } from '../../mesh/index.ts';
import type { Clock } from '../clock.ts';
import type { Informers } from '../informers.ts';
import { WorkQueue } from '../kube/work-queue.ts';
import type { WaypointsMetrics } from '../observe/metrics.ts';
import { isApplied, withFingerprint } from './applied.ts';
import { isWaypointClass } from './classes.ts';
import { CONTROLLER_VERSION, FIELD_MANAGER, GATEWAY_NAME, MANAGED, MANAGED_BY } from './names.ts';
import { type Plan, planWaypoint, type WaypointSettings } from './plan.ts';
import { gatewayStatus, isSameStatus, type Outcome } from './status.ts';
import { readWish, type WaypointWish } from './wish.ts';

/** Of the reference: what a newer control plane has written is not written over. */
const OUR_VERSION = 5;

export type WaypointsOptions = {
  readonly client: KubeClient;
  readonly informers: Pick<Informers, 'gateways' | 'gatewayClasses' | 'services' | 'namespaces'>;
  /** As it is now. */
  readonly settings: () => WaypointSettings;
  readonly leads: () => boolean;
  readonly metrics: WaypointsMetrics;
  readonly clock: Clock;
  readonly log: Logger;
};

export class Waypoints implements AsyncDisposable {
  readonly #options: WaypointsOptions;
  readonly #queue: WorkQueue;
  readonly #deployments: Informer<KubeObject>;
  readonly #accounts: Informer<KubeObject>;
  /** Nothing is done before everything is known. */
  #started = false;
  /** Services that somebody else runs for a waypoint, by the key of the Gateway. */
  readonly #elsewhere = new Map<string, string>();
  #starting: Promise<void> | undefined;

  constructor(options: WaypointsOptions) {
    this.#options = options;
    const { client, clock, informers, log } = options;
    this.#queue = new WorkQueue({
      work: (key) => this.#reconcile(key),
      onProblem: (key, error) => log.warn('waypoint will be tried again', { gateway: key, error: String(error) }),
      clock,
    });
    const managed = (type: ResourceType) =>
      new Informer<KubeObject>({
        client,
        type,
        labelSelector: `${MANAGED}=${MANAGED_BY}`,
        onProblem: (error) => log.warn('watch failed', { kind: type.kind, error: String(error) }),
      });
    this.#deployments = managed(RESOURCES.Deployment);
    this.#accounts = managed(RESOURCES.ServiceAccount);
    for (const made of [informers.services, this.#deployments, this.#accounts]) {
      made.on('set', (object, old) => this.#lookAtOwner(object, old));
      made.on('delete', (object) => this.#lookAtOwner(object));
    }
    const lookAtServed = (service: KubeObject): void => {
      const key = objectKey(service);
      for (const [gateway, served] of this.#elsewhere) if (served === key) this.#add(gateway);
    };
    informers.services.on('set', lookAtServed);
    informers.services.on('delete', lookAtServed);
    informers.gateways.on('set', (gateway) => this.#add(objectKey(gateway)));
    informers.gateways.on('delete', (gateway) => void this.#elsewhere.delete(objectKey(gateway)));
    const lookAtAll = (): void => this.lookAtAll();
    informers.gatewayClasses.on('set', lookAtAll);
    informers.gatewayClasses.on('delete', lookAtAll);
    informers.namespaces.on('set', (namespace, old) => {
      if (old === undefined || labelsOf(old) !== labelsOf(namespace)) this.lookAtAll();
    });
  }

  /**
   * The caches of the others are complete. The rest of the control plane does not wait: without the right to see Deployments,
   * there are no waypoints, and everything else is served.
   */
  start(): void {
    this.#starting = this.#begin();
  }

  async #begin(): Promise<void> {
    try {
      await Promise.all([this.#deployments.start().synced, this.#accounts.start().synced]);
    } catch {
      return; // stopped before
    }
    this.#started = true;
    this.lookAtAll();
  }

  /** We lead now, or settings have changed. */
  lookAtAll(): void {
    for (const gateway of this.#options.informers.gateways.list()) this.#add(objectKey(gateway));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#deployments.stop(), this.#accounts.stop()]);
    await this.#starting;
    await this.#queue[Symbol.asyncDispose]();
  }

  #add(key: string): void {
    if (this.#started) this.#queue.add(key);
  }

  #lookAtOwner(...states: readonly (KubeObject | undefined)[]): void {
    for (const object of states) {
      const { labels, namespace } = object?.metadata ?? {};
      const name = labels?.[GATEWAY_NAME];
      if (name !== undefined) this.#add(`${namespace}/${name}`);
    }
  }

  async #reconcile(key: string): Promise<void> {
    const { informers, leads, settings } = this.#options;
    const gateway = informers.gateways.get(key);
    if (!leads() || gateway === undefined || !this.#isOurs(gateway)) return;
    const wish = readWish(gateway);
    if (typeof wish === 'string') return this.#refused(gateway, 'Unreadable', wish);
    const plan = planWaypoint(wish, settings());
    if (plan.kind === 'elsewhere' && plan.service !== undefined) this.#elsewhere.set(key, plan.service);
    else this.#elsewhere.delete(key);
    const { outcome, error } = await this.#carryOut(key, plan);
    if (plan.kind === 'refused') this.#refused(gateway, plan.reason, plan.message);
    else if (outcome.kind === 'blocked') this.#refused(gateway, 'Blocked', outcome.message);
    await this.#writeStatus(gateway, wish, plan, outcome);
    if (error !== undefined) throw error;
  }

  #isOurs(gateway: KubeObject): boolean {
    const { informers, settings } = this.#options;
    const { annotations, deletionTimestamp, namespace = '' } = gateway.metadata;
    if (deletionTimestamp !== undefined) return false;
    const { gatewayClassName = '' } = (gateway['spec'] ?? {}) as { readonly gatewayClassName?: string };
    if (!isWaypointClass(gatewayClassName, informers.gatewayClasses.get(gatewayClassName))) return false;
    if (Number(annotations?.[CONTROLLER_VERSION] ?? 0) > OUR_VERSION) return false;
    const { revision } = settings();
    const space = informers.namespaces.get(namespace);
    const owner = gateway.metadata.labels?.['istio.io/rev'] === undefined && space !== undefined ? space : gateway;
    return isOfRevision(owner, revision);
  }

  async #carryOut(key: string, plan: Plan): Promise<{ readonly outcome: Outcome; readonly error?: unknown }> {
    if (plan.kind !== 'objects') return { outcome: { kind: 'done' } };
    // All are looked at first: where one is somebody else's, none is made.
    const todo: KubeObject[] = [];
    for (const object of plan.objects.map(withFingerprint)) {
      const present = await this.#present(object);
      if (present !== undefined && !isManagedFor(present, object)) {
        if (object.kind === 'ServiceAccount' && plan.isAccountGiven) continue; // is used as it is
        return { outcome: { kind: 'blocked', message: foreign(present) } };
      }
      if (present === undefined || !isApplied(present, object)) todo.push(object);
    }
    for (const object of todo) {
      try {
        await this.#options.client.apply(object, { fieldManager: FIELD_MANAGER, force: true });
      } catch (error) {
        if (!isVerdict(error)) throw error; // nothing is known about the object
        const message = `${nameOf(object)} was not taken: ${error.message}`;
        return { outcome: { kind: 'blocked', message }, error };
      }
      this.#options.metrics.applied(object.kind);
      this.#options.log.info('applied', { gateway: key, object: nameOf(object) });
    }
    return { outcome: { kind: 'done' } };
  }

  async #present(object: KubeObject): Promise<KubeObject | undefined> {
    const { client, informers } = this.#options;
    const cached = { Deployment: this.#deployments, ServiceAccount: this.#accounts, Service: informers.services };
    const known = cached[object.kind as keyof typeof cached].get(objectKey(object));
    const type = knownType(object.apiVersion, object.kind);
    if (known !== undefined || type === undefined) return known;
    return await client.find(type, object.metadata.name, object.metadata.namespace);
  }

  async #writeStatus(gateway: KubeObject, wish: WaypointWish, plan: Plan, outcome: Outcome): Promise<void> {
    const { client, clock, informers, settings } = this.#options;
    const key = serviceOf(wish, plan);
    const world = {
      service: informers.services.get(key),
      deployment: this.#deployments.get(key),
      clusterDomain: settings().clusterDomain,
    };
    const status = gatewayStatus(gateway, wish, plan, outcome, world, new Date(clock.now()).toISOString());
    if (isSameStatus(gateway, status)) return;
    const { apiVersion, kind } = gateway;
    const { name, namespace } = wish;
    const { addresses, ...rest } = status;
    try {
      await client.apply(
        { apiVersion, kind, metadata: { name, namespace }, status: addresses.length > 0 ? status : rest },
        { fieldManager: FIELD_MANAGER, force: true, subresource: 'status' },
      );
    } catch (error) {
      if (!isNotFound(error)) throw error; // deleted meanwhile
    }
  }

  /** Said once for each message, not with every look. */
  #refused(gateway: KubeObject, reason: string, message: string): void {
    const { conditions = [] } = (gateway['status'] ?? {}) as { readonly conditions?: readonly { message?: string }[] };
    if (conditions.some((condition) => condition.message === message)) return;
    this.#options.metrics.refused(reason);
    this.#options.log.warn('waypoint refused', { gateway: objectKey(gateway), reason, message });
  }
}

/** Key of the Service by which the waypoint is reached, and of its Deployment; '' for none in this cluster. */
function serviceOf({ namespace }: WaypointWish, plan: Plan): string {
  if (plan.kind === 'objects') return `${namespace}/${plan.service}`;
  return plan.kind === 'elsewhere' ? (plan.service ?? '') : '';
}

/** What the API server says of the object itself, and not of its own state. */
const isVerdict = (error: unknown): error is KubeError =>
  error instanceof KubeError && [400, 403, 422].includes(error.code);

const labelsOf = ({ metadata }: KubeObject): string => JSON.stringify(metadata.labels ?? {});
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
  return `${nameOf(present)} exists and ${whose}: it is left alone, and nothing is made. Delete it, or name the waypoint's objects by annotation gateway.istio.io/name-override`;
}
