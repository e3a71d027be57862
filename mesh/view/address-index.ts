/** Workloads by address, with a rule for who wins where several claim one. */
import type { IpAddress } from '../address.ts';
import type { Workload } from '../model.ts';

export class AddressIndex {
  readonly #holders = new Map<string, readonly Workload[]>();

  /**
   * `now` takes the place of `old`, one of which may be missing. What stays is written over and not removed first: a map walks
   * past all entries that were removed under a key, so a pod that changes all the time would cost more each time.
   */
  replace(old: Workload | undefined, now: Workload | undefined): void {
    const keys = now === undefined ? [] : keysOf(now);
    if (old !== undefined) for (const key of keysOf(old)) if (!keys.includes(key)) this.#drop(key, old);
    if (now !== undefined) for (const key of keys) this.#put(key, now);
  }

  find(network: string, ip: IpAddress): Workload | undefined {
    return this.#holders.get(`${network}/${ip}`)?.[0];
  }

  #put(key: string, workload: Workload): void {
    const others = this.#without(key, workload);
    this.#holders.set(key, others.toSpliced(position(others, workload), 0, workload));
  }

  #drop(key: string, workload: Workload): void {
    const left = this.#without(key, workload);
    if (left.length === 0) this.#holders.delete(key);
    else this.#holders.set(key, left);
  }

  #without(key: string, { uid }: Workload): readonly Workload[] {
    return this.#holders.get(key)?.filter((w) => w.uid !== uid) ?? [];
  }
}

/** Host-network workloads share their node's address with everything on it, so they are never found by it. */
function keysOf({ networkMode, network, addresses }: Workload): readonly string[] {
  return networkMode === 'HOST_NETWORK' ? [] : addresses.map((ip) => `${network}/${ip}`);
}

function position(holders: readonly Workload[], workload: Workload): number {
  const index = holders.findIndex((other) => wins(workload, other));
  return index === -1 ? holders.length : index;
}

/**
 * A pod beats what only shares its address, then HBONE beats plain TCP (as in ztunnel); healthy and the smaller uid decide
 * the rest, so that the winner does not depend on the order of arrival.
 */
function wins(a: Workload, b: Workload): boolean {
  const ranks = [isPod, speaksHbone, isHealthy];
  for (const rank of ranks) if (rank(a) !== rank(b)) return rank(a);
  return a.uid < b.uid;
}

const isPod = (w: Workload) => w.uid.includes('//Pod/');
const speaksHbone = (w: Workload) => w.tunnelProtocol === 'HBONE';
const isHealthy = (w: Workload) => w.status === 'HEALTHY';
