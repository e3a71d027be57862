/** Workloads by address, with a rule for who wins where several claim one. */
import type { IpAddress } from '../address.ts';
import type { Workload } from '../model.ts';

export class AddressIndex {
  readonly #holders = new Map<string, Workload[]>();

  /** Host-network workloads share their node's address with everything on it, so they are never found by it. */
  add(workload: Workload): void {
    if (workload.networkMode === 'HOST_NETWORK') return;
    for (const ip of workload.addresses) {
      const key = `${workload.network}/${ip}`;
      const holders = this.#holders.get(key);
      if (holders === undefined) this.#holders.set(key, [workload]);
      else if (!holders.includes(workload)) holders.splice(position(holders, workload), 0, workload);
    }
  }

  remove(workload: Workload): void {
    if (workload.networkMode === 'HOST_NETWORK') return;
    for (const ip of workload.addresses) {
      const key = `${workload.network}/${ip}`;
      const left = this.#holders.get(key)?.filter((w) => w.uid !== workload.uid) ?? [];
      if (left.length === 0) this.#holders.delete(key);
      else this.#holders.set(key, left);
    }
  }

  find(network: string, ip: IpAddress): Workload | undefined {
    return this.#holders.get(`${network}/${ip}`)?.[0];
  }
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
