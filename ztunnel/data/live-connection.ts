/** One connection while it is tracked: from before its first policy decision until nothing of it is left. */
import type { Leg } from '../../core/hbone/index.ts';
import { splice } from '../../core/hbone/index.ts';
import { type ConnectionFacts, formatSocketAddress, MeshError } from '../../mesh/index.ts';
import type { ConnectionContext, ConnectionInfo, ConnectionResult, OpenConnection, ResponseFlags } from './observer.ts';

/** Why a connection was ended from our side. */
export type Cut = { readonly reason: MeshError; readonly flags: ResponseFlags };

const NO_LEGS: readonly Leg[] = [];

/**
 *     opening --splice--> relaying --both ends closed--> over
 *        \                   |                            |
 *         +-------cut--------+----------------------------+
 */
export class LiveConnection {
  readonly context: ConnectionContext;
  /** Inbound: what policy is asked with; asked again whenever policies change. */
  readonly facts: ConnectionFacts | undefined;
  readonly #open: OpenConnection;
  readonly #untrack: (connection: LiveConnection) => void;
  /** Made for who asks, and kept until there is something to cut. */
  #abort: AbortController | undefined;
  #legs: readonly Leg[] = NO_LEGS;
  #legsClosed = 0;
  #cut: Cut | undefined;
  #isOver = false;
  #release: (() => void) | undefined;
  /** For the idle check: bytes and time of the last look that saw progress. */
  #seenBytes = 0;
  #seenAtMs: number;

  constructor(o: {
    readonly context: ConnectionContext;
    readonly facts?: ConnectionFacts;
    readonly open: OpenConnection;
    readonly untrack: (connection: LiveConnection) => void;
    readonly nowMs: number;
  }) {
    this.context = o.context;
    this.facts = o.facts;
    this.#open = o.open;
    this.#untrack = o.untrack;
    this.#seenAtMs = o.nowMs;
  }

  /** Aborted, with the reason, when the connection is cut before it is spliced. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#cut) this.#abort.abort(this.#cut.reason);
    return this.#abort.signal;
  }

  get info(): ConnectionInfo {
    const { src, dst, originalDst, protocol } = this.context;
    return {
      src: formatSocketAddress(src.addr),
      originalDst: originalDst ?? null,
      actualDst: formatSocketAddress(this.facts?.to ?? dst.addr),
      protocol,
    };
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Set once the connection was cut. */
  get wasCut(): Cut | undefined {
    return this.#cut;
  }

  /** @throws the reason, once the connection was cut. */
  throwIfCut(): void {
    if (this.#cut) throw this.#cut.reason;
  }

  /** Ends the connection from our side, at once: revocation, drain, idleness. Harmless when it is over. */
  cut(cut: Cut): void {
    if (this.#isOver || this.#cut) return;
    this.#cut = cut;
    for (const leg of this.#legs) leg.reset('cancel');
    this.#abort?.abort(cut.reason);
  }

  /** Cuts when the peer's certificate is revoked, until the connection is over. */
  cutWhenRevoked(revoked: AbortSignal | undefined): void {
    if (revoked === undefined || this.#isOver) return;
    const cut = () => {
      const reason = revoked.reason instanceof MeshError ? revoked.reason : new MeshError('REVOKED', 'peer revoked');
      this.cut({ reason, flags: 'CERT_REVOKED' });
    };
    if (revoked.aborted) cut();
    else {
      revoked.addEventListener('abort', cut);
      this.#release = () => revoked.removeEventListener('abort', cut);
    }
  }

  /** The caller's first bytes are on their way before the relay begins. */
  carried(bytes: number): void {
    this.#open.counters.received += bytes;
  }

  /**
   * Relays until both directions are over and flushed, and then is over. Takes the legs over, whatever happens. Resets of the peers
   * are no error of ours and are not reported as one. From here on nothing is kept of how the connection was opened.
   */
  splice(down: Leg, up: Leg): void {
    this.#legs = [down, up];
    this.#abort = undefined;
    if (this.#cut) for (const leg of this.#legs) leg.reset('cancel');
    splice(down, up, this.#open.counters);
    void down.closed.then(this.#legClosed);
    void up.closed.then(this.#legClosed);
  }

  readonly #legClosed = (): void => {
    this.#legsClosed += 1;
    if (this.#legsClosed === 2) this.finish({ flags: '-' });
  };

  /** Says how it ended; a cut that came first wins. Only the first call counts. */
  finish(result: ConnectionResult): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#release?.();
    this.#untrack(this);
    const cut = this.#cut;
    this.#open.closed(cut ? { error: cut.reason.message, flags: cut.flags } : result);
  }

  /** Milliseconds without a byte in either direction, as far as these looks can tell. */
  idleMs(nowMs: number): number {
    const { sent, received } = this.#open.counters;
    if (sent + received !== this.#seenBytes) {
      this.#seenBytes = sent + received;
      this.#seenAtMs = nowMs;
    }
    return nowMs - this.#seenAtMs;
  }
}
