/**
 * Bytes that have to wait, in order. Their memory is used again: a fresh buffer for each costs page faults, and the collector
 * counts them as garbage of that size, and comes all the time.
 */

type SizeClass = { readonly bytes: number; readonly spare: Buffer[]; readonly maxSpare: number };
/** At most half of one stays empty. What is larger than the last is as large as it needs to be. */
const CLASSES: readonly SizeClass[] = [
  { bytes: 64 * 1024, spare: [], maxSpare: 16 },
  { bytes: 128 * 1024, spare: [], maxSpare: 8 },
  { bytes: 256 * 1024, spare: [], maxSpare: 8 },
];
const MIN_SHARED_BYTES = 32 * 1024;

type Held = { readonly memory: Buffer; readonly of: SizeClass | undefined; from: number; readonly to: number };

export class HeldViews {
  #held: Held[] | undefined;
  #taken: Held | undefined;
  #bytes = 0;

  /** Without what is taken. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Copies the view, from `from` on; `first`: before everything else. */
  push(view: Uint8Array, from = 0, first = false): void {
    const bytes = view.length - from;
    if (bytes <= 0) return;
    const of = bytes < MIN_SHARED_BYTES ? undefined : CLASSES.find((each) => bytes <= each.bytes);
    const memory = of === undefined ? Buffer.allocUnsafe(bytes) : (of.spare.pop() ?? Buffer.allocUnsafeSlow(of.bytes));
    memory.set(from === 0 ? view : view.subarray(from));
    const held = { memory, of, from: 0, to: bytes };
    this.#held ??= [];
    if (first) this.#held.unshift(held);
    else this.#held.push(held);
    this.#bytes += bytes;
  }

  /** The oldest bytes, as they came together. The next step has to be `giveBack`, or `clear`. */
  take(): Buffer | undefined {
    const held = this.#held?.shift();
    if (held === undefined) return undefined;
    this.#taken = held;
    this.#bytes -= held.to - held.from;
    return held.memory.subarray(held.from, held.to);
  }

  /** Of what was taken, `used` bytes are done with; nobody may look at it any more. */
  giveBack(used: number): void {
    const held = this.#taken;
    if (held === undefined) return; // all was dropped meanwhile
    this.#taken = undefined;
    held.from += used;
    if (held.from < held.to) {
      this.#held?.unshift(held);
      this.#bytes += held.to - held.from;
      return;
    }
    const { of, memory } = held;
    if (of !== undefined && of.spare.length < of.maxSpare) of.spare.push(memory);
  }

  /** Drops everything. What is taken may still be looked at: its memory is left to the collector. */
  clear(): void {
    this.#held = undefined;
    this.#taken = undefined;
    this.#bytes = 0;
  }
}
