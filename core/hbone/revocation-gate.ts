/** Keeps peers with revoked certificates out, at the handshake and whenever a revocation list changes. */
import { setMaxListeners } from 'node:events';
import { type Ancestry, ancestryOf } from '../identity/index.ts';
import { HboneError } from './errors.ts';
import type { Leg } from './leg.ts';
import type { Revocations } from './types.ts';

/** A tunnel whose peer passed; it is judged again until it is disposed, which is due when the tunnel is over. */
export interface Standing extends Disposable {
  /** Aborted before the cut. */
  readonly revoked: AbortSignal | undefined;
  /** How the tunnel ends when its peer is revoked. */
  cutBy(cut: () => void): void;
}

/** Nothing can be revoked. */
const UNCONDITIONAL: Standing = { revoked: undefined, cutBy: () => {}, [Symbol.dispose]: () => {} };

/** One for each server and each client. */
export class RevocationGate {
  readonly #revocations: Revocations | undefined;
  readonly #standing = new Set<WatchedTunnel>();
  /** Held while there are tunnels. */
  #subscription: Disposable | undefined;

  constructor(revocations: Revocations | undefined) {
    this.#revocations = revocations;
  }

  /**
   * Judges a peer whose chain is good otherwise. Parses the chain once, and only if anything can be revoked.
   * @param chain DER: the leaf, then what may have signed it, the root included.
   * @throws HboneError REVOKED, or CERTIFICATE_INVALID when the chain can't be followed.
   */
  admit(chain: () => readonly Uint8Array[]): Standing {
    const revocations = this.#revocations;
    if (revocations === undefined) return UNCONDITIONAL;
    const ancestry = readAncestry(chain());
    if (revocations.isRevoked(ancestry)) throw revoked();
    const tunnel = new WatchedTunnel(ancestry, () => this.#forget(tunnel));
    this.#standing.add(tunnel);
    this.#subscription ??= revocations.onChange(() => this.#judgeAgain(revocations));
    return tunnel;
  }

  #judgeAgain(revocations: Revocations): void {
    for (const tunnel of [...this.#standing]) if (revocations.isRevoked(tunnel.ancestry)) tunnel.cut();
  }

  #forget(tunnel: WatchedTunnel): void {
    this.#standing.delete(tunnel);
    if (this.#standing.size > 0) return;
    this.#subscription?.[Symbol.dispose]();
    this.#subscription = undefined;
  }
}

class WatchedTunnel implements Standing {
  readonly ancestry: Ancestry;
  readonly #abort = new AbortController();
  readonly #forget: () => void;
  #cut: () => void = () => {};

  constructor(ancestry: Ancestry, forget: () => void) {
    this.ancestry = ancestry;
    this.#forget = forget;
    setMaxListeners(0, this.#abort.signal); // one for each stream
  }

  get revoked(): AbortSignal {
    return this.#abort.signal;
  }

  cutBy(cut: () => void): void {
    this.#cut = cut;
  }

  cut(): void {
    this[Symbol.dispose]();
    this.#abort.abort(revoked());
    this.#cut();
  }

  [Symbol.dispose](): void {
    this.#forget();
  }
}

/** A session of `node:http2` that is cut may tell its peer END_STREAM: its streams are reset before. */
export function resetWhenRevoked(leg: Leg, revoked: AbortSignal | undefined): void {
  if (revoked === undefined) return;
  const reset = () => leg.reset('cancel');
  revoked.addEventListener('abort', reset);
  void leg.closed.then(() => revoked.removeEventListener('abort', reset));
}

const revoked = () => new HboneError('REVOKED', "the peer's certificate, or an authority's above it, is revoked");

function readAncestry(chain: readonly Uint8Array[]): Ancestry {
  try {
    return ancestryOf(chain);
  } catch (cause) {
    throw new HboneError('CERTIFICATE_INVALID', "whether the peer's certificate is revoked can't be known", { cause });
  }
}
