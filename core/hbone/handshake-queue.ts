/** Which handshakes run, which wait for their turn, and which are refused: one peer cannot take the places of all others. */
import type { IpAddress } from '../../mesh/index.ts';
import { HboneError } from './errors.ts';

/** What the queue needs of a handshake. `fail` calls the queue's `leave` by way of whoever owns both. */
export type Queued = {
  readonly ends: { readonly from: { readonly ip: IpAddress } };
  fail(error: HboneError): void;
};

export type QueueLimits = { readonly running: number; readonly waiting: number };

/** Of the places there are, so many parts belong to one source address at the most. */
const SHARE = 4;
const shareOf = (places: number): number => Math.max(2, Math.floor(places / SHARE));

/**
 * At most `running` handshakes run and `waiting` wait, a quarter of each from one source; beyond that they fail with
 * HANDSHAKE_OVERLOAD. The longest waiting whose source has room is next.
 */
export class HandshakeQueue<H extends Queued> {
  readonly #limits: QueueLimits;
  readonly #begin: (handshake: H) => void;
  readonly #running = new Places<H>();
  readonly #waiting = new Places<H>();

  constructor(limits: QueueLimits, begin: (handshake: H) => void) {
    this.#limits = limits;
    this.#begin = begin;
  }

  get size(): number {
    return this.#running.size + this.#waiting.size;
  }

  add(handshake: H): void {
    if (this.#running.hasRoomFor(handshake, this.#limits.running)) this.#run(handshake);
    else if (this.#waiting.hasRoomFor(handshake, this.#limits.waiting)) this.#waiting.add(handshake);
    else handshake.fail(new HboneError('HANDSHAKE_OVERLOAD', 'too many handshakes at once'));
  }

  /** It is over, however it ended; harmless for one that was never let in. */
  leave(handshake: H): void {
    this.#running.delete(handshake);
    this.#waiting.delete(handshake);
    if (this.#running.size >= this.#limits.running) return;
    const next = this.#waiting.find((waiting) => this.#running.hasRoomFor(waiting, this.#limits.running));
    if (next === undefined) return;
    this.#waiting.delete(next);
    this.#run(next);
  }

  failAll(error: () => HboneError): void {
    for (const handshake of [...this.#waiting.all(), ...this.#running.all()]) handshake.fail(error());
  }

  #run(handshake: H): void {
    this.#running.add(handshake);
    this.#begin(handshake);
  }
}

/** Handshakes in the order of their coming, counted by source. */
class Places<H extends Queued> {
  readonly #all = new Set<H>();
  readonly #bySource = new Map<IpAddress, number>();

  get size(): number {
    return this.#all.size;
  }

  all(): Iterable<H> {
    return this.#all;
  }

  hasRoomFor({ ends }: H, places: number): boolean {
    return this.#all.size < places && (this.#bySource.get(ends.from.ip) ?? 0) < shareOf(places);
  }

  find(holds: (handshake: H) => boolean): H | undefined {
    for (const handshake of this.#all) if (holds(handshake)) return handshake;
    return undefined;
  }

  add(handshake: H): void {
    const source = handshake.ends.from.ip;
    this.#all.add(handshake);
    this.#bySource.set(source, (this.#bySource.get(source) ?? 0) + 1);
  }

  delete(handshake: H): void {
    if (!this.#all.delete(handshake)) return;
    const source = handshake.ends.from.ip;
    const left = (this.#bySource.get(source) ?? 1) - 1;
    if (left === 0) this.#bySource.delete(source);
    else this.#bySource.set(source, left);
  }
}
