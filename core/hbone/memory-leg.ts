/** Two legs joined back to back in memory: what two proxies of one process relay over, and for tests. */
import { bytesCome, soon, type TcpLink } from '../net/index.ts';
import type { Leg, LegEvents, ResetCode } from './leg.ts';
import { LegGate } from './leg-gate.ts';

/** A writer is told to stop beyond this; one write may exceed it. */
const HIGH_WATER_BYTES = 64 * 1024;

class MemoryLeg implements Leg {
  readonly closed: Promise<void>;
  /** Set right after construction; each is the other's. */
  peer: MemoryLeg | undefined;
  readonly #close: () => void;
  readonly #gate = new LegGate();
  #queue: Uint8Array[] = [];
  #queued = 0;
  #blockedWriter = false;
  #paused = false;
  #isFlushing = false;
  #incomingEnd = false;
  #sentEnd = false;
  #gotEnd = false;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#close = resolve;
  }

  deliver(to: LegEvents): void {
    this.#gate.deliver(to);
    soon(() => this.#flush());
  }

  write(view: Uint8Array): boolean {
    const { peer } = this;
    if (peer === undefined || this.#sentEnd || this.#gate.isOver) return true;
    if (peer.passOn(view)) return !peer.#blockedWriter;
    peer.#queue.push(Uint8Array.from(view));
    peer.#queued += view.length;
    soon(() => peer.#flush());
    peer.#blockedWriter = peer.#queued > HIGH_WATER_BYTES;
    return !peer.#blockedWriter;
  }

  outlet(): TcpLink | undefined {
    return this.#sentEnd || this.#gate.isOver ? undefined : this.peer?.leadsTo();
  }

  passed(bytes: number): void {
    this.peer?.passedOn(bytes);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    soon(() => this.#flush());
  }

  end(): void {
    const { peer } = this;
    if (this.#sentEnd || this.#gate.isOver || peer === undefined) return;
    this.#sentEnd = true;
    peer.#incomingEnd = true;
    soon(() => peer.#flush());
  }

  reset(code: ResetCode): void {
    if (this.#isDone()) return;
    this.breakOff(code);
    this.peer?.breakOff(code);
  }

  // What the other leg of the pair calls.

  /** Straight to the receiver, without a copy, when nothing waits before it. False: the writer has to queue it, or to stop. */
  passOn(view: Uint8Array): boolean {
    if (!this.#isClear()) return false;
    this.#isFlushing = true; // what the receiver makes us write meanwhile comes after it
    bytesCome();
    this.#gate.data(view);
    this.#isFlushing = false;
    this.#blockedWriter = this.#paused;
    if (this.#queue.length > 0) soon(() => this.#flush());
    return true;
  }

  leadsTo(): TcpLink | undefined {
    return this.#isClear() ? this.#gate.outlet() : undefined;
  }

  passedOn(bytes: number): void {
    this.#gate.passed(bytes);
  }

  hasReadEnd(): boolean {
    return this.#gotEnd;
  }

  hasRoom(): void {
    this.#gate.writable();
  }

  closeIfDone(): void {
    if (this.#isDone()) this.#close();
  }

  breakOff(code: ResetCode): void {
    if (this.#isDone()) return;
    this.#queue = [];
    this.#queued = 0;
    this.#gate.reset(code);
    this.#close();
  }

  /** Whether what comes now would be told at once. */
  #isClear(): boolean {
    return !this.#paused && !this.#isFlushing && this.#queue.length === 0 && this.#gate.isDelivering;
  }

  #isDone(): boolean {
    return this.#gate.isOver || (this.#sentEnd && this.#gotEnd && this.peer?.hasReadEnd() === true);
  }

  #flush(): void {
    if (this.#isFlushing) return; // the one that is under way goes on
    this.#isFlushing = true;
    while (!this.#paused && this.#gate.isDelivering && !this.#gate.isOver) {
      const next = this.#queue.shift();
      if (next === undefined) break;
      this.#queued -= next.length;
      this.#gate.data(next);
    }
    this.#isFlushing = false;
    if (this.#paused || !this.#gate.isDelivering || this.#gate.isOver) return;
    if (this.#blockedWriter) {
      this.#blockedWriter = false;
      this.peer?.hasRoom();
    }
    if (this.#incomingEnd && !this.#gotEnd && this.#queue.length === 0) {
      this.#gotEnd = true;
      this.#gate.end();
    }
    this.closeIfDone();
    this.peer?.closeIfDone();
  }
}

/** What one writes, the other reads. */
export function memoryLegs(): readonly [Leg, Leg] {
  const [a, b] = [new MemoryLeg(), new MemoryLeg()];
  a.peer = b;
  b.peer = a;
  return [a, b];
}
