/** How many tunnels each peer has: what one of them holds, idle tunnels included, has a bound. */
import type { IpAddress, SpiffeId } from '../../mesh/index.ts';
import { HboneError } from './errors.ts';

type Peer = { readonly identity: SpiffeId; readonly ip: IpAddress };

/** A peer is an identity at an address: a node that speaks for many pods is as many peers. */
export class PeerTunnels {
  readonly #max: number;
  readonly #tunnels = new Map<string, number>();

  constructor(max: number) {
    this.#max = max;
  }

  /** Disposing says that the tunnel has ended. @throws HboneError TOO_MANY_TUNNELS */
  take({ identity, ip }: Peer): Disposable {
    const key = `${ip} ${identity}`;
    const had = this.#tunnels.get(key) ?? 0;
    if (had >= this.#max) throw new HboneError('TOO_MANY_TUNNELS', `${identity} at ${ip} has ${had} tunnels already`);
    this.#tunnels.set(key, had + 1);
    let isOver = false;
    return {
      [Symbol.dispose]: () => {
        if (isOver) return;
        isOver = true;
        const left = (this.#tunnels.get(key) ?? 1) - 1;
        if (left === 0) this.#tunnels.delete(key);
        else this.#tunnels.set(key, left);
      },
    };
  }
}
