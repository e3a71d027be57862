/** So many at once, and so many who wait for one to be free. */
import { HttpError } from '../../core/http/index.ts';

export class Slots {
  #taken = 0;
  readonly #waiting: PromiseWithResolvers<void>[] = [];

  get taken(): number {
    return this.#taken;
  }

  /** Takes one now; false: all are taken. `limit` 0: as many as anybody wants. */
  tryTake(limit: number): boolean {
    if (limit > 0 && this.#taken >= limit) return false;
    this.#taken += 1;
    return true;
  }

  /** Resolves when one was taken for the caller. `most`: who may wait at once. @throws HttpError `overflow` */
  async wait(most: number): Promise<void> {
    if (this.#waiting.length >= most) {
      throw new HttpError('connect-failed', `${most} requests wait for a connection, which is the limit`, {
        detail: 'overflow',
        isProcessed: false,
      });
    }
    const waiting = Promise.withResolvers<void>();
    this.#waiting.push(waiting);
    return waiting.promise;
  }

  /** Gives one back: whoever waits longest has it then. */
  release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#taken -= 1;
    else next.resolve();
  }
}
