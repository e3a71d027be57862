/** A byte pipe, and how two of them are joined. Everything that carries a connection is one of these. */

import { bytesMoved, type TcpLink } from '../net/index.ts';

/** Why a pipe broke. `cancel`: somebody withdrew it. `connect-error`: the connection behind it broke. `refused`: it was never served. */
export type ResetCode = 'cancel' | 'connect-error' | 'refused';

/**
 * A byte pipe, whatever carries it; starts paused. A view is valid only during the call that passes it, in both
 * directions. After `reset`, from either side, exactly one `reset` event follows, then nothing; a peer's reset comes
 * before any `end`. Calls on a leg that is over are harmless.
 */
export interface Leg {
  /** Names the receiver and resumes. Called once. */
  deliver(to: LegEvents): void;
  /** Sends, keeping a copy of what does not fit. False: stop until `writable`. */
  write(view: Uint8Array): boolean;
  pause(): void;
  resume(): void;
  /** No more bytes from us; the other direction goes on. */
  end(): void;
  /** Really cuts: a TCP RST, or RST_STREAM. */
  reset(code: ResetCode): void;
  /** The socket on which bytes leave that are written now, when nothing waits before them: they need not come by here. */
  outlet?(): TcpLink | undefined;
  /** So many bytes were handed to the outlet instead of `write`. */
  passed?(bytes: number): void;
  /** Settles when nothing is held for this leg any more: both directions over and flushed, or cut. Never rejects. */
  readonly closed: Promise<void>;
}

export interface LegEvents {
  data(view: Uint8Array): void;
  /** As a leg's: where `data` leads, and what went there without it. */
  outlet?(): TcpLink | undefined;
  passed?(bytes: number): void;
  /** There is room again after a `write` that said false. */
  writable(): void;
  end(): void;
  reset(code: ResetCode): void;
}

/** Grows while bytes flow. `received` came from downstream (requests), `sent` went to it (responses). */
export type RelayCounters = { sent: number; received: number };

/**
 * Joins two legs until both directions end. A half-close crosses as a half-close, a reset as a reset (RFC 9113 section
 * 8.5). Resolves when the last byte was handed over; `closed` of each leg says when it has left.
 */
export function relay(
  down: Leg,
  up: Leg,
  counters: RelayCounters = { sent: 0, received: 0 },
): Promise<'ended' | ResetCode> {
  const { promise, resolve } = Promise.withResolvers<'ended' | ResetCode>();
  splice(down, up, counters, resolve);
  return promise;
}

/** The same, told to `over`. */
export function splice(
  down: Leg,
  up: Leg,
  counters: RelayCounters,
  over: (how: 'ended' | ResetCode) => void = () => {},
): void {
  const ends = { directions: 2, over };
  down.deliver(new Direction(down, up, counters, true, ends));
  up.deliver(new Direction(up, down, counters, false, ends));
}

type Ends = { directions: number; readonly over: (how: 'ended' | ResetCode) => void };

/** A class, and not closures: there are two for each connection that is open, for as long as it is. */
class Direction implements LegEvents {
  readonly #from: Leg;
  readonly #to: Leg;
  readonly #counters: RelayCounters;
  readonly #isRequest: boolean;
  readonly #ends: Ends;

  constructor(from: Leg, to: Leg, counters: RelayCounters, isRequest: boolean, ends: Ends) {
    this.#from = from;
    this.#to = to;
    this.#counters = counters;
    this.#isRequest = isRequest;
    this.#ends = ends;
  }

  data(view: Uint8Array): void {
    this.#count(view.length);
    if (this.#to.write(view)) bytesMoved();
    else this.#from.pause();
  }

  outlet(): TcpLink | undefined {
    return this.#to.outlet?.();
  }

  passed(bytes: number): void {
    this.#count(bytes);
    this.#to.passed?.(bytes);
  }

  /** `from` has room again for what `to` reads. */
  writable(): void {
    this.#to.resume();
  }

  end(): void {
    this.#to.end();
    this.#ends.directions -= 1;
    if (this.#ends.directions === 0) this.#ends.over('ended');
  }

  reset(code: ResetCode): void {
    this.#to.reset(code);
    this.#ends.over(code);
  }

  #count(bytes: number): void {
    if (this.#isRequest) this.#counters.received += bytes;
    else this.#counters.sent += bytes;
  }
}
