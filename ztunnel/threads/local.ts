/** Carries pods in the calling thread: all of them when there is one thread, else those of one worker. */

import type { Revocations, TlsMaterial } from '../../core/hbone/index.ts';
import { Hostnames, openNameServer } from '../../core/hostnames/index.ts';
import type { NetnsRef } from '../../core/net/index.ts';
import { FlowLedger, type Logger, type Receipt, Receipts, type Registry } from '../../core/telemetry/index.ts';
import { systemClock } from '../../core/time/index.ts';
import type { Rejection, Update } from '../../core/xds/index.ts';
import type { SpiffeId } from '../../mesh/index.ts';
import { type DataConfig, NodePods, type PodInfo, type PodProxy, startPodProxy } from '../data/index.ts';
import { type DnsConfig, DnsService, type ServedDns } from '../dns/index.ts';
import type { MeshState } from '../mesh-state.ts';
import { DnsReporter, dnsMetrics } from '../observe/dns-observer.ts';
import { tcpMetrics } from '../observe/metrics.ts';
import { Observer } from '../observe/observer.ts';
import { SlicedRounds } from '../slices.ts';
import type { DataPlane, Flows, PodConnections, ServedPod } from './data-plane.ts';
import { measureLag } from './lag.ts';

type Guest = { readonly netns: NetnsRef; readonly proxy: PodProxy };

export type LocalOptions = {
  readonly mesh: MeshState;
  readonly registry: Registry;
  readonly log: Logger;
  readonly material: (identity: SpiffeId, signal?: AbortSignal) => Promise<TlsMaterial>;
  readonly revocations: Revocations | undefined;
  readonly data: DataConfig;
  /** Undefined: there is no DNS proxy. */
  readonly dns: DnsConfig | undefined;
  readonly network: string;
  readonly logAllowed: boolean;
  /** Name of this thread in metrics. */
  readonly thread: string;
};

export class LocalDataPlane implements DataPlane {
  readonly #options: LocalOptions;
  readonly #observer: Observer;
  readonly #receipts = new Receipts({ now: Date.now, random: Math.random });
  readonly #ledger = new FlowLedger({ now: Date.now });
  readonly #dns: DnsService | undefined;
  readonly #nodePods = new NodePods();
  readonly #nameServer = openNameServer();
  readonly #hostnames: Hostnames;
  readonly #proxies = new Set<PodProxy>();
  /** Pods of other threads by uid, as the pods of this one reach them. */
  readonly #guests = new Map<string, Guest>();
  readonly #watch: Disposable;
  readonly #lag: Disposable;

  constructor(options: LocalOptions) {
    const { registry, log, mesh } = options;
    this.#options = options;
    const families = options.data.ipv6 ? ([4, 6] as const) : ([4] as const);
    this.#hostnames = new Hostnames({ lookUp: this.#nameServer.lookUp, families, now });
    const [receipts, ledger, logAllowed] = [this.#receipts, this.#ledger, options.logAllowed];
    this.#observer = new Observer({ metrics: tcpMetrics(registry), receipts, ledger, log, now, logAllowed });
    registry.onCollect(() => this.#observer.flush());
    this.#dns = options.dns && dnsService(options, options.dns);
    this.#lag = measureLag(registry, options.thread);
    const changed = new SlicedRounds<PodProxy>(
      (proxy) => proxy.reevaluate(),
      () => {},
      now,
    );
    this.#watch = mesh.onChange(() => changed.add(this.#proxies));
  }

  async start(info: PodInfo, netns: NetnsRef | undefined): Promise<ServedPod> {
    await this.dismiss(info.uid); // it was another thread's until now
    const dns = this.#dns?.serve(info, netns, (signal) => this.#options.mesh.workloadReady(info, signal));
    let proxy: PodProxy;
    try {
      proxy = await this.#serve(info, netns, false);
    } catch (error) {
      await dns?.stopNow();
      throw error;
    }
    const both = async (end: (part: PodProxy | ServedDns) => Promise<void>) => {
      await Promise.all([end(proxy), dns && end(dns)]).finally(() => this.#proxies.delete(proxy));
    };
    return {
      drain: (deadlineMs) => both((part) => part.drain(deadlineMs)),
      stopNow: () => both((part) => part.stopNow()),
      connections: () => proxy.connections(),
    };
  }

  /** Takes the namespace over: a pod that another thread serves can be reached by the pods of this one. */
  async welcome(info: PodInfo, netns: NetnsRef): Promise<void> {
    await this.dismiss(info.uid);
    try {
      this.#guests.set(info.uid, { netns, proxy: await this.#serve(info, netns, true) });
    } catch (error) {
      netns[Symbol.dispose]();
      throw error;
    }
  }

  /** Ends what runs to it from this thread, and closes its namespace. Harmless when there is none of that uid. */
  async dismiss(uid: string, deadlineMs = 0): Promise<void> {
    const guest = this.#guests.get(uid);
    if (guest === undefined) return;
    this.#guests.delete(uid);
    await (deadlineMs > 0 ? guest.proxy.drain(deadlineMs) : guest.proxy.stopNow());
    this.#proxies.delete(guest.proxy);
    guest.netns[Symbol.dispose]();
  }

  /** Connections of this thread's pods to a pod of another one. */
  guestConnections(uid: string): PodConnections | undefined {
    return this.#guests.get(uid)?.proxy.connections();
  }

  async #serve(info: PodInfo, netns: NetnsRef | undefined, isGuest: boolean): Promise<PodProxy> {
    const { mesh, material, data, network, revocations } = this.#options;
    const proxy = await startPodProxy({
      isGuest,
      view: mesh.view,
      netns,
      info,
      workloadReady: (signal) => mesh.workloadReady(info, signal),
      material,
      nodePods: this.#nodePods,
      hostnames: this.#hostnames,
      ...(revocations && { revocations }),
      observe: this.#observer,
      config: data,
      random: Math.random,
      now,
      network,
    });
    this.#proxies.add(proxy);
    return proxy;
  }

  onUpdate(typeUrl: string, update: Update): readonly Rejection[] | Promise<readonly Rejection[]> {
    return this.#options.mesh.onUpdate(typeUrl, update);
  }

  collect(): void {} // the registry is the one that is shown

  receipts(limit: number): readonly Receipt[] {
    return this.#receipts.latest(limit);
  }

  receipt(id: string): Receipt | undefined {
    return this.#receipts.get(id);
  }

  flows(): Flows {
    return { dropped: this.#ledger.dropped, flows: this.#ledger.rows() };
  }

  renewed(): void {} // whoever needs a certificate asks the manager

  forgotten(): void {}

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#guests.keys()].map((uid) => this.dismiss(uid)));
    this.#nameServer[Symbol.dispose]();
    this.#watch[Symbol.dispose]();
    this.#lag[Symbol.dispose]();
  }
}

function dnsService({ mesh, registry, log, data }: LocalOptions, config: DnsConfig): DnsService {
  return new DnsService({
    config,
    view: mesh.view,
    mark: data.mark,
    reusePort: data.reusePort,
    observe: new DnsReporter(dnsMetrics(registry), log),
    log: log.target('dns'),
    clock: systemClock,
    now,
    random: Math.random,
  });
}

const now = () => performance.now();
