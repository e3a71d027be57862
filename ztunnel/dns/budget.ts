/** How many may be under way at once. A part of a larger budget counts there, too. */
export class Budget {
  readonly #max: number;
  readonly #of: Budget | undefined;
  readonly #empty: (() => void)[] = [];
  #taken = 0;

  constructor(max: number, of?: Budget) {
    this.#max = max;
    this.#of = of;
  }

  /** False: there is no room, and nothing was taken. */
  take(): boolean {
    if (this.#taken >= this.#max || this.#of?.take() === false) return false;
    this.#taken += 1;
    return true;
  }

  giveBack(): void {
    this.#taken -= 1;
    this.#of?.giveBack();
    if (this.#taken === 0) for (const tell of this.#empty.splice(0)) tell();
  }

  /** Resolves when nothing is under way. */
  async empty(): Promise<void> {
    if (this.#taken === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#empty.push(resolve);
    await promise;
  }
}
