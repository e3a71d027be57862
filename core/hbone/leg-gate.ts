/** The order that a leg promises to its receiver, kept in one place for every kind of leg. */
import { soon, type TcpLink } from '../net/index.ts';
import type { LegEvents, ResetCode } from './leg.ts';

/**
 * Passes events on in the promised order: nothing before `deliver`, no data after `end`, one `reset` and nothing after it.
 * A reset is told in a microtask, so that who resets is never called back from inside the call.
 *
 *     open --end--> ended
 *       \             |
 *        +---reset----+--> over
 */
export class LegGate {
  #to: LegEvents | undefined;
  #state: 'open' | 'ended' | 'over' = 'open';
  #heldEnd = false;
  #heldReset: ResetCode | undefined;

  /** Whether a reset was told or is about to be. */
  get isOver(): boolean {
    return this.#state === 'over';
  }

  get isDelivering(): boolean {
    return this.#to !== undefined;
  }

  deliver(to: LegEvents): void {
    if (this.#to) throw new Error('a leg delivers to one receiver, named once');
    this.#to = to;
    const code = this.#heldReset;
    if (code !== undefined) soon(() => to.reset(code));
    else if (this.#heldEnd) {
      soon(() => {
        if (this.#state === 'ended') to.end();
      });
    }
  }

  data(view: Uint8Array): void {
    if (this.#state === 'open') this.#to?.data(view);
  }

  outlet(): TcpLink | undefined {
    return this.#state === 'open' ? this.#to?.outlet?.() : undefined;
  }

  passed(bytes: number): void {
    this.#to?.passed?.(bytes);
  }

  writable(): void {
    if (this.#state !== 'over') this.#to?.writable();
  }

  end(): void {
    if (this.#state !== 'open') return;
    this.#state = 'ended';
    if (this.#to) this.#to.end();
    else this.#heldEnd = true;
  }

  reset(code: ResetCode): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    const to = this.#to;
    if (to) soon(() => to.reset(code));
    else this.#heldReset = code;
  }
}
