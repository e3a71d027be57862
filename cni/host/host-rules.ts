/** Keeps the host's probe rule and its address sets, in the namespace of the host's first process. */
import type { NetnsRef } from '../../core/net/index.ts';
import { type IpAddress, ipFamily, MeshError } from '../../mesh/index.ts';
import { loadNft } from '../redirect/index.ts';
import { type ProbeSources, planHostRemoval, planHostRules, planSetEntry, planSetRemoval } from './plan.ts';

/** A pod's uid goes into an nft comment: it has the shape of Kubernetes uids, or it does not go anywhere. */
const UID = /^[A-Za-z0-9-]{1,64}$/;

/** The address sets belong to this object alone: it empties them at start and knows every entry and its owner. */
export class HostRules {
  readonly #netns: NetnsRef;
  readonly #ipv6: boolean;
  readonly #owners = new Map<IpAddress, string>();
  #last: Promise<unknown> = Promise.resolve();

  private constructor(netns: NetnsRef, ipv6: boolean) {
    this.#netns = netns;
    this.#ipv6 = ipv6;
  }

  /** @throws MeshError NFT_FAILED */
  static async create(o: {
    readonly netns: NetnsRef;
    readonly ipv6: boolean;
    readonly kubeletUid: number;
    readonly sources?: ProbeSources;
  }): Promise<HostRules> {
    await loadNft(o.netns, planHostRules(o));
    return new HostRules(o.netns, o.ipv6);
  }

  /** Lets probes of these addresses through; an address that was another pod's is this one's now. */
  async add(uid: string, ips: readonly IpAddress[]): Promise<void> {
    if (!UID.test(uid)) throw new MeshError('POD_UID_MALFORMED', `not a pod uid: ${JSON.stringify(uid)}`);
    await this.#inOrder(async () => {
      const failures: unknown[] = [];
      for (const ip of ips) {
        if (this.#owners.get(ip) === uid || (ipFamily(ip) === 6 && !this.#ipv6)) continue;
        try {
          await loadNft(this.#netns, planSetEntry(ip, uid));
          this.#owners.set(ip, uid);
        } catch (error) {
          failures.push(error); // the other family is set all the same
        }
      }
      if (failures.length > 0) throw new AggregateError(failures, `probe addresses of pod ${uid}`);
    });
  }

  /** Takes the pod's addresses out; one that belongs to a newer pod stays. */
  async remove(uid: string): Promise<void> {
    await this.#inOrder(async () => {
      for (const [ip, owner] of [...this.#owners]) {
        if (owner !== uid) continue;
        await loadNft(this.#netns, planSetRemoval(ip));
        this.#owners.delete(ip);
      }
    });
  }

  entries(): ReadonlyMap<IpAddress, string> {
    return this.#owners;
  }

  /** Removes table and sets from the host. */
  async destroy(): Promise<void> {
    await this.#inOrder(async () => {
      await loadNft(this.#netns, `${planHostRemoval().join('\n')}\n`);
      this.#owners.clear();
    });
  }

  /** One change at a time: the owner that we remember is the owner that the kernel has. */
  #inOrder<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {}); // its caller is told; the next change starts afresh
    return result;
  }
}
