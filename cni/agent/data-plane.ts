/**
 * Brings one pod into the mesh and out of it. Every step may be repeated; what a failure leaves behind, the next try or the
 * next start finds and completes. The order differs from the reference's in two places, so that a pod that runs loses no new
 * connection: the proxy listens before the rules capture anything, and peers hear of a leave before the proxy goes.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { NetnsRef } from '../../core/net/index.ts';
import type { Logger } from '../../core/telemetry/index.ts';
import { type IpAddress, MeshError } from '../../mesh/index.ts';
import type { HostRules } from '../host/index.ts';
import {
  applyRules,
  planRules,
  podOptions,
  proxyInPod,
  type RedirectDefaults,
  type RedirectOptions,
  removeRules,
} from '../redirect/index.ts';
import type { NetnsFinder } from './netns-finder.ts';
import { type Pod, podKey, type Redirection } from './pod.ts';
import type { ZdsWorkload } from './zds-connection.ts';
import type { ZdsServer } from './zds-server.ts';

/**
 * How long a pod that leaves is served on after its annotation has ceased to say `enabled`: control plane and peers hear of
 * it meanwhile. Longer would keep plaintext of peers that know already waiting under the policies of the mesh.
 */
const FAREWELL_MS = 250;

/** By then a proxy that was asked to go listens no more: its last questions have at most 5 s. */
const SUCCESSION_MS = 10_000;

export type DataPlaneOptions = {
  readonly finder: NetnsFinder;
  readonly zds: Pick<ZdsServer, 'add' | 'remove'>;
  readonly host: Pick<HostRules, 'add' | 'remove'>;
  readonly defaults: RedirectDefaults;
  /**
   * Writes the pod's annotation; undefined removes it, and a pod that is gone needs no removal. Gives the version of the
   * pod that has it.
   */
  readonly annotate: (pod: Pod, value: Redirection | undefined) => Promise<string | undefined>;
  /** Default 250. */
  readonly farewellMs?: number;
  /** Default 10 s. */
  readonly successionMs?: number;
  readonly log: Logger;
};

/** How far a pod has come; a namespace that is not known is what `keep` is for. */
type Enrolled = {
  pod: Pod;
  ips: readonly IpAddress[];
  netns: NetnsRef | undefined;
  complete: boolean;
  /** What the rules that we set do with DNS; undefined: we set none. */
  dnsCaptured?: boolean;
  /** The pod's version since which its annotation says `enabled`. */
  annotatedVersion?: string | undefined;
};

export type EnrolledPod = {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly netns: NetnsRef | undefined;
  /** Rules, proxy, host set and annotation are all in place. */
  readonly complete: boolean;
};

export class DataPlane implements Disposable {
  readonly #o: DataPlaneOptions;
  readonly #pods = new Map<string, Enrolled>();
  readonly #lanes = new Map<string, Promise<unknown>>();
  #again: NodeJS.Timeout | undefined;

  constructor(options: DataPlaneOptions) {
    this.#o = options;
  }

  /** Whether all steps of the pod's enrolment have succeeded, with a namespace that we hold. */
  isComplete(uid: string): boolean {
    const entry = this.#pods.get(uid);
    return entry?.complete === true && entry.netns !== undefined;
  }

  /**
   * Whether this state of the pod is older than its annotation by us: a watch that lags must not make us enrol it again.
   * Versions are numbers that grow (Kubernetes 1.35 says so); what is not a number is never older.
   */
  isStale(pod: Pod): boolean {
    const written = this.#pods.get(pod.uid)?.annotatedVersion;
    const seen = pod.object.metadata.resourceVersion;
    if (written === undefined || seen === undefined) return false;
    return Number(seen) < Number(written);
  }

  /** Whether anything is known of the pod. */
  knows(uid: string): boolean {
    return this.#pods.has(uid);
  }

  list(): readonly EnrolledPod[] {
    return [...this.#pods.values()].map(({ pod, netns, complete }) => ({
      uid: pod.uid,
      namespace: pod.namespace,
      name: pod.name,
      netns,
      complete,
    }));
  }

  /** What a node proxy that connects is told. */
  snapshot(): readonly ZdsWorkload[] {
    return [...this.#pods.values()].map(({ pod, netns }) => ({ uid: pod.uid, info: infoOf(pod), netns }));
  }

  /**
   * Takes over pods that an earlier run of the agent had enrolled: their addresses, their namespaces, and (if asked)
   * their rules anew. A pod that fails here is still the proxy's to keep, and the queue completes it later.
   */
  async restore(pods: readonly Pod[], reapplyRules: boolean): Promise<void> {
    const found = this.#o.finder.find(new Map(pods.map((pod) => [pod.uid, pod.ips])));
    for (const pod of pods) {
      const entry: Enrolled = { pod, ips: pod.ips, netns: found.get(pod.uid), complete: false };
      this.#pods.set(pod.uid, entry);
      try {
        await this.#o.host.add(pod.uid, pod.ips);
        if (reapplyRules && entry.netns) await this.#setRules(entry, entry.netns);
        entry.complete = entry.netns !== undefined;
      } catch (error) {
        this.#o.log.error('a pod of the mesh could not be restored', { pod: podKey(pod), error: String(error) });
      }
    }
  }

  /**
   * Enrols a pod, or completes or renews its enrolment. `path` is the namespace as the runtime named it; without it the
   * known one serves, or the one of the pod's processes.
   * @throws whatever step failed; what stands so far stays for the retry, and the annotation says `pending`.
   */
  add(pod: Pod, ips: readonly IpAddress[] = pod.ips, path?: string): Promise<void> {
    return this.#inLane(pod.uid, async () => {
      const { zds, host, annotate, log } = this.#o;
      const before = this.#pods.get(pod.uid);
      const netns = this.#obtain(pod.uid, ips, path, before);
      const replaced = before?.netns !== undefined && before.netns !== netns ? before.netns : undefined;
      const entry: Enrolled = { pod, ips, netns, complete: false };
      this.#pods.set(pod.uid, entry);
      try {
        const refused = await zds.add({ uid: pod.uid, info: infoOf(pod), netns }).then(
          () => undefined,
          (reason: unknown) => ({ reason }),
        );
        // Also without a proxy: a pod of the mesh has rather no traffic than plaintext.
        await this.#program(entry, netns, before === undefined);
        if (refused !== undefined) {
          if (pod.redirection !== 'pending') await annotate(pod, 'pending');
          throw refused.reason;
        }
        await host.add(pod.uid, ips);
        entry.annotatedVersion = await annotate(pod, 'enabled');
        entry.complete = true;
        log.info('pod enrolled', { pod: podKey(pod), uid: pod.uid, netns: String(netns.inode) });
      } finally {
        replaced?.[Symbol.dispose]();
      }
    });
  }

  /**
   * Takes a pod out of the mesh. `gone` says that the pod has ended or is no more: its namespace is going away with its rules.
   * @throws whatever step failed; nothing is forgotten before all have succeeded.
   */
  remove(pod: Pod, gone: boolean): Promise<void> {
    return this.#inLane(pod.uid, async () => {
      const { zds, host, annotate, log } = this.#o;
      const entry = this.#pods.get(pod.uid);
      if (!gone && entry?.complete === true) {
        await annotate(pod, 'pending'); // a word that a start of the agent in between takes up
        entry.complete = false;
        await sleep(this.#o.farewellMs ?? FAREWELL_MS);
      }
      await host.remove(pod.uid);
      if (!gone) await this.#clean(pod, entry);
      await zds.remove(pod.uid);
      try {
        await annotate(pod, undefined);
      } catch (error) {
        if (!gone) throw error; // the annotation of a pod that is going away goes with it
      }
      this.#pods.delete(pod.uid);
      entry?.netns?.[Symbol.dispose]();
      log.info('pod left the mesh', { pod: podKey(pod), uid: pod.uid, because: gone ? 'it has ended' : 'un-enrolled' });
    });
  }

  /** The addresses of an enrolled pod have changed: probes must still get through. */
  async refreshAddresses(pod: Pod): Promise<void> {
    const entry = this.#pods.get(pod.uid);
    if (entry === undefined || pod.ips.length === 0) return;
    if (pod.ips.join() === entry.ips.join()) return;
    await this.#o.host.add(pod.uid, pod.ips);
    entry.ips = pod.ips;
  }

  /**
   * A proxy has taken over, which may have its DNS proxy switched on or off unlike the one before: rules follow, now and once
   * more when the other has left.
   */
  followProxy(): void {
    void this.#followDns();
    clearTimeout(this.#again);
    this.#again = setTimeout(() => void this.#followDns(), this.#o.successionMs ?? SUCCESSION_MS);
    this.#again.unref();
  }

  /** One pod after the other: each may need `nft`. */
  async #followDns(): Promise<void> {
    for (const uid of [...this.#pods.keys()]) await this.#inLane(uid, () => this.#followDnsOf(uid));
  }

  async #followDnsOf(uid: string): Promise<void> {
    const entry = this.#pods.get(uid);
    if (entry?.netns === undefined || entry.dnsCaptured === undefined) return;
    const { log, defaults } = this.#o;
    const pod = podKey(entry.pod);
    try {
      const { options } = podOptions(entry.pod.annotations, defaults);
      if (entry.dnsCaptured === (options.dnsCapture && proxyInPod(entry.netns) !== 'without-dns')) return;
      await this.#setRules(entry, entry.netns);
      log.info('the rules for DNS follow the ztunnel', { pod, captured: entry.dnsCaptured });
    } catch (error) {
      log.error('the rules for DNS could not follow the ztunnel', { pod, error: String(error) });
    }
  }

  #obtain(uid: string, ips: readonly IpAddress[], path: string | undefined, before: Enrolled | undefined): NetnsRef {
    const { finder } = this.#o;
    if (path !== undefined) {
      const opened = finder.open(path, ips);
      // The same namespace again: the handle that others have seen stays.
      if (before?.netns === undefined || !before.netns.same(opened)) return opened;
      opened[Symbol.dispose]();
      return before.netns;
    }
    if (before?.netns !== undefined) return before.netns;
    const found = finder.find(new Map([[uid, ips]])).get(uid);
    if (found === undefined)
      throw new MeshError('NETNS_NOT_FOUND', 'no process of the pod was found in a namespace of its own');
    return found;
  }

  /** Rules of a new pod that fail halfway are taken back: half-captured is neither safe nor reachable. */
  async #program(entry: Enrolled, netns: NetnsRef, isNew: boolean): Promise<void> {
    const { pod } = entry;
    try {
      await this.#setRules(entry, netns);
    } catch (error) {
      if (isNew) {
        this.#pods.delete(pod.uid);
        await this.#o.zds.remove(pod.uid).catch((cause) =>
          this.#o.log.error('the proxy was not told that a pod is not enrolled', {
            pod: podKey(pod),
            error: String(cause),
          }),
        );
        await removeRules(netns).catch((cause) =>
          this.#o.log.error('rules were left in a pod', { pod: podKey(pod), error: String(cause) }),
        );
        netns[Symbol.dispose]();
      }
      throw error;
    }
  }

  async #clean(pod: Pod, entry: Enrolled | undefined): Promise<void> {
    const held = entry?.netns;
    const found = held ?? this.#o.finder.find(new Map([[pod.uid, pod.ips]])).get(pod.uid);
    if (found === undefined) {
      throw new MeshError('NETNS_NOT_FOUND', 'the rules can not be removed: no process of the pod was found');
    }
    try {
      await removeRules(found);
    } finally {
      if (found !== held) found[Symbol.dispose]();
    }
  }

  async #setRules(entry: Enrolled, netns: NetnsRef): Promise<void> {
    const { options, warnings } = podOptions(entry.pod.annotations, this.#o.defaults);
    for (const warning of warnings)
      this.#o.log.warn('an annotation is ignored', { pod: podKey(entry.pod), because: warning });
    const dnsCapture = this.#mayCaptureDns(entry.pod, netns, options);
    await applyRules(netns, planRules({ ...options, dnsCapture }));
    entry.dnsCaptured = dnsCapture;
  }

  /** Not towards a proxy that is there and does not listen for DNS: it is switched off, and nobody would answer. */
  #mayCaptureDns(pod: Pod, netns: NetnsRef, { dnsCapture }: RedirectOptions): boolean {
    if (!dnsCapture || proxyInPod(netns) !== 'without-dns') return dnsCapture;
    this.#o.log.warn('DNS is not captured: the ztunnel has its DNS proxy switched off', { pod: podKey(pod) });
    return false;
  }

  /** One change of a pod at a time: the plugin and the informer may both want it. */
  #inLane<T>(uid: string, work: () => Promise<T>): Promise<T> {
    const before = this.#lanes.get(uid) ?? Promise.resolve();
    const result = before.then(work, work);
    const settled = result.then(
      () => {},
      () => {}, // its caller is told; the lane is free again
    );
    this.#lanes.set(uid, settled);
    void settled.then(() => {
      if (this.#lanes.get(uid) === settled) this.#lanes.delete(uid);
    });
    return result;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#again);
    for (const { netns } of this.#pods.values()) netns?.[Symbol.dispose]();
    this.#pods.clear();
  }
}

const infoOf = (pod: Pod) => ({ name: pod.name, namespace: pod.namespace, serviceAccount: pod.serviceAccount });
