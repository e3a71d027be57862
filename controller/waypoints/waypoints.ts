/**
 * Gateways of waypoint classes become ServiceAccount, Deployment and Service (controller.md section 4): level-based, by the leader
 * only. Deletion is the garbage collector's work: the Gateway owns all of them.
 */
import { type KubeClient, objectKey } from '../../core/kube/index.ts';
import type { Logger } from '../../core/telemetry/index.ts';
import { isOfRevision, type KubeObject } from '../../mesh/index.ts';
import type { Clock } from '../clock.ts';
import type { Informers } from '../informers.ts';
import { WorkQueue } from '../kube/work-queue.ts';
import type { WaypointsMetrics } from '../observe/metrics.ts';
import { applyPlan } from './applier.ts';
import { isWaypointClass } from './classes.ts';
import { GatewayStatusWriter } from './gateway-status.ts';
import { MadeObjects } from './made.ts';
import { CONTROLLER_VERSION, REVISION } from './names.ts';
import { ParameterMaps } from './parameters.ts';
import { type Plan, planWaypoint, type WaypointSettings } from './plan.ts';
import { gatewayStatus } from './status.ts';
import { readWish, type WaypointWish } from './wish.ts';

/** Of the reference: what a newer control plane has written is not written over. */
const OUR_VERSION = 5;

export type WaypointsOptions = {
  readonly client: KubeClient;
  readonly informers: Pick<Informers, 'gateways' | 'gatewayClasses' | 'services' | 'namespaces'>;
  /** Of the mesh. */
  readonly namespace: string;
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
  readonly #made: MadeObjects;
  readonly #status: GatewayStatusWriter;
  readonly #parameters: ParameterMaps;
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
    const onProblem = (what: string, error: unknown): void => log.warn('watch failed', { what, error: String(error) });
    const onChange = (gateway: string): void => this.#add(gateway);
    this.#made = new MadeObjects({ client, services: informers.services, onChange, onProblem });
    this.#status = new GatewayStatusWriter(client);
    this.#parameters = new ParameterMaps({
      client,
      namespace: options.namespace,
      onChange: (gateway) => (gateway === undefined ? this.lookAtAll() : this.#add(gateway)),
      onProblem,
    });
    const lookAtServed = (service: KubeObject): void => {
      const key = objectKey(service);
      for (const [gateway, served] of this.#elsewhere) if (served === key) this.#add(gateway);
    };
    informers.services.on('set', lookAtServed);
    informers.services.on('delete', lookAtServed);
    informers.gateways.on('set', (gateway) => this.#add(objectKey(gateway)));
    informers.gateways.on('delete', (gateway) => {
      this.#elsewhere.delete(objectKey(gateway));
      this.#status.forget(objectKey(gateway));
      this.#parameters.forget(objectKey(gateway));
    });
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
      await Promise.all([this.#made.start(), this.#parameters.start()]);
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
    await this.#made[Symbol.asyncDispose]();
    await this.#parameters[Symbol.asyncDispose]();
    await this.#starting;
    await this.#queue[Symbol.asyncDispose]();
  }

  #add(key: string): void {
    if (this.#started) this.#queue.add(key);
  }

  async #reconcile(key: string): Promise<void> {
    const { client, clock, informers, leads, log, metrics, settings } = this.#options;
    const gateway = informers.gateways.get(key);
    if (!leads() || gateway === undefined || !this.#isOurs(gateway)) return;
    const wish = readWish(gateway);
    if (typeof wish === 'string') return this.#refused(gateway, 'Unreadable', wish);
    const parameters = this.#parameters.of(key, wish);
    if (parameters === undefined) return; // comes again when they are known
    const plan = planWaypoint(wish, settings(), parameters);
    if (plan.kind === 'elsewhere' && plan.service !== undefined) this.#elsewhere.set(key, plan.service);
    else this.#elsewhere.delete(key);
    const { outcome, error } = await applyPlan(key, plan, { client, made: this.#made, metrics, log });
    if (plan.kind === 'refused') this.#refused(gateway, plan.reason, plan.message);
    else if (outcome.kind === 'blocked') this.#refused(gateway, 'Blocked', outcome.message);
    const served = serviceOf(wish, plan);
    const world = {
      service: informers.services.get(served),
      deployment: this.#made.deployment(served),
      clusterDomain: settings().clusterDomain,
    };
    const now = new Date(clock.now()).toISOString();
    await this.#status.write(gateway, (latest) => gatewayStatus(latest, wish, plan, outcome, world, now));
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
    const owner = gateway.metadata.labels?.[REVISION] === undefined && space !== undefined ? space : gateway;
    return isOfRevision(owner, revision);
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

const labelsOf = ({ metadata }: KubeObject): string => JSON.stringify(metadata.labels ?? {});
