/** Bounds what one pod's arrivals may do in one turn of the loop: the rest waits for the next, behind everybody else. */

export class TurnQueue<T> {
  readonly #work: (item: T) => void;
  readonly #perTurn: number;
  #queue: T[] = [];
  #used = 0;
  #scheduled = false;

  constructor(perTurn: number, work: (item: T) => void) {
    this.#perTurn = perTurn;
    this.#work = work;
  }

  /** Does it now if this turn has room. What waits is bounded by the process's descriptors: each item is a socket. */
  push(item: T): void {
    if (this.#used < this.#perTurn && this.#queue.length === 0) {
      this.#used += 1;
      this.#work(item);
    } else this.#queue.push(item);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      const batch = this.#queue.splice(0, this.#perTurn);
      this.#used = batch.length;
      if (this.#used > 0) this.#schedule();
      for (const item of batch) this.#work(item);
    });
  }
}
