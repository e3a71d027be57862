/** The DNS proxies of the pods that one thread carries, and what they share: name servers and a budget. */
import { randomInt } from 'node:crypto';
import type { NetnsRef } from '../../core/net/index.ts';
import type { Logger } from '../../core/telemetry/index.ts';
import type { Clock } from '../../core/time/index.ts';
import type { View, Workload, WorkloadInfo } from '../../mesh/index.ts';
import { Budget } from './budget.ts';
import type { DnsConfig } from './config.ts';
import type { DnsObserver } from './observer.ts';
import { PodDns } from './pod-dns.ts';
import { ResolvConfFile } from './resolv-conf.ts';

export type DnsServiceDeps = {
  readonly config: DnsConfig;
  readonly view: View;
  /** SO_MARK; undefined: none. */
  readonly mark: number | undefined;
  readonly reusePort: boolean;
  readonly observe: DnsObserver;
  readonly log: Logger;
  readonly clock: Clock;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** In [0, 1). */
  readonly random: () => number;
};

export type ServedDns = Pick<PodDns, 'drain' | 'stopNow'>;

export class DnsService {
  readonly #deps: DnsServiceDeps;
  readonly #budget: Budget;
  readonly #upstream: ResolvConfFile;

  constructor(deps: DnsServiceDeps) {
    this.#deps = deps;
    this.#budget = new Budget(deps.config.maxQueries);
    this.#upstream = new ResolvConfFile(deps.config.resolvConf, deps.log, deps.now);
  }

  /** Throws, with nothing left behind, when an address can't be bound. The namespace stays the caller's until it has stopped. */
  serve(
    info: WorkloadInfo,
    netns: NetnsRef | undefined,
    workloadReady: (signal: AbortSignal) => Promise<Workload>,
  ): ServedDns {
    return new PodDns({
      ...this.#deps,
      info,
      netns,
      workloadReady,
      upstream: () => this.#upstream.current,
      budget: new Budget(this.#deps.config.maxPodQueries, this.#budget),
      randomId: () => randomInt(0x1_0000),
    });
  }
}
