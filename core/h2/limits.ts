/** How much of everything one peer may do on one connection before it counts as an attack. */
import { ConnectionFault, type FloodKind, H2 } from './faults.ts';

/** So many at once, and then so many a second. */
export type Rate = { readonly burst: number; readonly perSecond: number };

export type H2Limits = {
  /** Streams that the peer opened and reset before they were answered: each has cost us a decision (CVE-2023-44487). */
  readonly earlyResets: Rate;
  /** PING, SETTINGS, PRIORITY, GOAWAY, unknown frames, and DATA without a byte or an end: legal, and good for nothing in numbers. */
  readonly controlFrames: Rate;
  /** Streams that the peer made us refuse as malformed. */
  readonly malformedStreams: Rate;
  /** CONTINUATION frames in one header block (CVE-2024-27316). */
  readonly continuations: number;
  /** Encoded bytes of one header block. */
  readonly headerBlockBytes: number;
  /** Fields of one header list. */
  readonly headerFields: number;
  /** Held for readers that do not read, all streams of a connection together. */
  readonly heldBytes: number;
  /** What we have to say, other than DATA, to a peer that does not read. */
  readonly unsentAnswerBytes: number;
  /** A stream that had something to send and no window for this long is cut. */
  readonly stallMs: number;
};

/**
 * Resets: applications abort connections in bursts, and each crosses as one. Control frames: a peer pings every ten seconds.
 * Stalls: as long as an idle connection may live (design: one hour), since a slow reader is legal and costs little.
 */
export const DEFAULT_H2_LIMITS: H2Limits = {
  earlyResets: { burst: 1_000, perSecond: 200 },
  controlFrames: { burst: 1_000, perSecond: 100 },
  malformedStreams: { burst: 100, perSecond: 10 },
  continuations: 16,
  headerBlockBytes: 65_536,
  headerFields: 128,
  heldBytes: 64 << 20,
  unsentAnswerBytes: 256 * 1024,
  stallMs: 3_600_000,
};

/** A bucket of tokens that fills again with time. */
export class FloodGuard {
  readonly #rate: Rate;
  readonly #kind: FloodKind;
  readonly #now: () => number;
  #tokens: number;
  #at: number;

  /** `now` in milliseconds, never going back. */
  constructor(kind: FloodKind, rate: Rate, now: () => number) {
    this.#kind = kind;
    this.#rate = rate;
    this.#now = now;
    this.#tokens = rate.burst;
    this.#at = now();
  }

  /**
   * `kind` names what is counted, where one bucket serves several.
   *
   * @throws ConnectionFault ENHANCE_YOUR_CALM when there were too many.
   */
  count(kind: FloodKind = this.#kind): void {
    if (this.#tokens < 1) {
      const now = this.#now();
      this.#tokens = Math.min(this.#rate.burst, this.#tokens + ((now - this.#at) / 1_000) * this.#rate.perSecond);
      this.#at = now;
    }
    this.#tokens -= 1;
    if (this.#tokens < 0) throw new ConnectionFault(H2.ENHANCE_YOUR_CALM, `too many at once: ${kind}`, kind);
  }
}
