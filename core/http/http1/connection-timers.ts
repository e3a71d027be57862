/** What a connection waits for, by the limits it was given: the phase it is in, the exchange under way, and itself as a whole. */
import { Deadline, type Deadlines } from '../deadlines.ts';
import type { HttpLimits } from '../message.ts';

export interface TimersOwner {
  /** The phase has lasted too long. */
  phaseDue(): void;
  exchangeDue(): void;
  /** It has lasted long enough. */
  drain(): void;
}

export class ConnectionTimers {
  /** Whether anybody has to tell that bytes moved. */
  readonly wantsTouch: boolean;
  readonly #limits: HttpLimits;
  readonly #phase: Deadline;
  /** Only where there is such a limit: most connections have one deadline. */
  readonly #exchange: Deadline | undefined;
  readonly #connection: Deadline | undefined;

  constructor(all: Deadlines, limits: HttpLimits, owner: TimersOwner) {
    this.#limits = limits;
    this.wantsTouch = limits.streamIdleMs > 0;
    this.#phase = new Deadline(all, () => owner.phaseDue());
    if (limits.exchangeMs > 0) this.#exchange = new Deadline(all, () => owner.exchangeDue());
    if (limits.connectionMs > 0) {
      this.#connection = new Deadline(all, () => owner.drain());
      this.#connection.set(limits.connectionMs);
    }
    this.idle();
  }

  idle(): void {
    this.#exchange?.clear();
    this.#phase.set(this.#limits.idleMs);
  }

  /** A head has begun. */
  head(): void {
    this.#phase.set(this.#limits.headMs);
  }

  /** An exchange has begun. */
  exchange(): void {
    this.#phase.set(this.#limits.streamIdleMs);
    this.#exchange?.set(this.#limits.exchangeMs);
  }

  /** Something moved in the exchange. */
  touch(): void {
    if (this.wantsTouch) this.#phase.set(this.#limits.streamIdleMs);
  }

  /** So much longer for the rest of something. */
  linger(ms: number): void {
    this.#phase.set(ms);
  }

  /** Our side has ended: only the other one is waited for. */
  closing(ms: number): void {
    this.#exchange?.close();
    this.#connection?.close();
    this.#phase.set(ms);
  }

  close(): void {
    this.#phase.close();
    this.#exchange?.close();
    this.#connection?.close();
  }
}
