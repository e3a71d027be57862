/** Why something was refused (or would have been), kept for whoever asks later: `ambit why --receipt ID`. */
import type { HttpNearestMiss } from '../../mesh/index.ts';
import { ulid } from './ulid.ts';

export type Receipt = {
  /** A ULID. */
  readonly id: string;
  /** RFC 3339. */
  readonly at: string;
  readonly direction: 'inbound' | 'outbound';
  readonly reporter: 'source' | 'destination';
  readonly src: {
    /** The peer's. */
    readonly identity?: string;
    readonly ip: string;
    readonly workload?: string;
    /** The caller behind the waypoint that the peer is: policies look at it. */
    readonly original?: { readonly identity: string; readonly ip: string };
  };
  readonly dst: { readonly ip: string; readonly port: number; readonly service?: string; readonly workload?: string };
  /** `deny` was enforced; with a policy that is tried out, an admission would have been a denial, or the reverse. */
  readonly verdict: 'deny' | 'dry-run-deny' | 'dry-run-allow';
  /** In words. */
  readonly because: string;
  readonly considered: readonly string[];
  /** Of connections a part of that: fields of L4. */
  readonly nearestMiss?: HttpNearestMiss;
  /** What was asked for, where a waypoint looked into it. */
  readonly request?: { readonly method: string; readonly path: string; readonly host: string };
};

export type ReceiptsOptions = {
  readonly now: () => number;
  /** In [0, 1). */
  readonly random: () => number;
  /** Default 1 024. */
  readonly perPod?: number;
  /** Default 16 384. */
  readonly total?: number;
};

/** The latest receipts, bounded for each pod and in all; the oldest go first. */
export class Receipts {
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #perPod: number;
  readonly #total: number;
  readonly #receipts = new Map<string, { readonly receipt: Receipt; readonly pod: string }>();
  readonly #byPod = new Map<string, Set<string>>();

  constructor(options: ReceiptsOptions) {
    this.#now = options.now;
    this.#random = options.random;
    this.#perPod = options.perPod ?? 1_024;
    this.#total = options.total ?? 16_384;
  }

  /** Keeps a receipt for `pod` and returns it with its id and time. */
  add(pod: string, facts: Omit<Receipt, 'id' | 'at'>): Receipt {
    const nowMs = this.#now();
    const receipt: Receipt = { id: ulid(nowMs, this.#random), at: new Date(nowMs).toISOString(), ...facts };
    let own = this.#byPod.get(pod);
    if (own === undefined) {
      own = new Set();
      this.#byPod.set(pod, own);
    }
    if (own.size >= this.#perPod) this.#dropOldest(own);
    if (this.#receipts.size >= this.#total) this.#dropOldest(this.#receipts.keys());
    own.add(receipt.id);
    this.#byPod.set(pod, own); // dropping the oldest may have emptied and removed it
    this.#receipts.set(receipt.id, { receipt, pod });
    return receipt;
  }

  get(id: string): Receipt | undefined {
    return this.#receipts.get(id)?.receipt;
  }

  /** Newest first. */
  latest(limit: number): readonly Receipt[] {
    return [...this.#receipts.values()]
      .slice(-limit)
      .reverse()
      .map(({ receipt }) => receipt);
  }

  get size(): number {
    return this.#receipts.size;
  }

  #dropOldest(ids: Iterable<string>): void {
    for (const id of ids) {
      const pod = this.#receipts.get(id)?.pod ?? '';
      this.#receipts.delete(id);
      const own = this.#byPod.get(pod);
      own?.delete(id);
      if (own?.size === 0) this.#byPod.delete(pod);
      return;
    }
  }
}
