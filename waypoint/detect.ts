/** Protocol detection: what a client speaks, from its first bytes (waypoint.md section 1.4). */
import type { Leg, LegEvents, ResetCode } from '../core/hbone/index.ts';

export type Spoken = 'HTTP/1.1' | 'HTTP/2' | 'TCP';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
/** The longest method that is looked for, and a space. */
const MAX_METHOD_BYTES = 24;
/** A request line that is longer than this is no sign of HTTP. */
const MAX_LINE_BYTES = 64 * 1024;
const SPACE = 0x20;
const LINE_FEED = 0x0a;

/** Undefined: more bytes are needed to tell. HTTP/1.0 counts as TCP, as nothing here speaks it. */
export function spokenIn(bytes: Buffer): Spoken | undefined {
  if (bytes.length === 0) return undefined;
  const n = Math.min(bytes.length, PREFACE.length);
  if (bytes.compare(PREFACE, 0, n, 0, n) === 0) return n === PREFACE.length ? 'HTTP/2' : undefined;
  for (let at = 0; ; at++) {
    if (at === MAX_METHOD_BYTES) return 'TCP';
    const byte = bytes[at];
    if (byte === undefined) return undefined;
    if (byte === SPACE && at > 0) break;
    if (!isMethodByte(byte)) return 'TCP';
  }
  const end = bytes.indexOf(LINE_FEED);
  if (end < 0) return bytes.length > MAX_LINE_BYTES ? 'TCP' : undefined;
  return /^[A-Z-]+ \S+ HTTP\/1\.1\r?$/.test(bytes.toString('latin1', 0, end)) ? 'HTTP/1.1' : 'TCP';
}

const isMethodByte = (byte: number): boolean => (byte >= 0x41 && byte <= 0x5a) || byte === 0x2d;

/** What was found, and the bytes that were read to find it; the leg is paused, and read on through `handOver`. */
export type Detected = { readonly spoken: Spoken; readonly first: Buffer; readonly leg: Leg };

/**
 * Reads until it is clear what is spoken. A client that says nothing within the time, or ends before it is clear, is taken for
 * TCP. Undefined: it reset.
 */
export async function detect(leg: Leg, timeoutMs: number): Promise<Detected | undefined> {
  const seen = await peek(leg, timeoutMs, spokenIn, 'TCP');
  return seen && { spoken: seen.found, first: seen.first, leg: seen.leg };
}

export type Seen<T> = { readonly found: T; readonly first: Buffer; readonly leg: Leg };

/**
 * Reads until `tell` can tell something from the bytes so far. `otherwise` when the client says nothing more within the time, or
 * ends before that. Undefined: it reset. `tell` must tell at some size.
 */
export function peek<T>(
  leg: Leg,
  timeoutMs: number,
  tell: (bytes: Buffer) => T | undefined,
  otherwise: T,
): Promise<Seen<T> | undefined> {
  return new Detection(leg, timeoutMs, tell, otherwise).result;
}

class Detection<T> implements LegEvents {
  readonly result: Promise<Seen<T> | undefined>;
  readonly #leg: Leg;
  readonly #tell: (bytes: Buffer) => T | undefined;
  readonly #otherwise: T;
  readonly #resolve: (seen: Seen<T> | undefined) => void;
  readonly #timer: NodeJS.Timeout;
  readonly #taken: TakenLeg;
  #held = Buffer.alloc(0);
  #isDone = false;

  constructor(leg: Leg, timeoutMs: number, tell: (bytes: Buffer) => T | undefined, otherwise: T) {
    const { promise, resolve } = Promise.withResolvers<Seen<T> | undefined>();
    this.#tell = tell;
    this.#otherwise = otherwise;
    this.result = promise;
    this.#resolve = resolve;
    this.#leg = leg;
    this.#taken = new TakenLeg(leg);
    this.#timer = setTimeout(() => this.#found(otherwise), timeoutMs);
    leg.deliver(this);
  }

  data(view: Uint8Array): void {
    if (this.#isDone) {
      this.#taken.received(view);
      return;
    }
    this.#held = Buffer.concat([this.#held, view]);
    const found = this.#tell(this.#held);
    if (found !== undefined) this.#found(found);
  }

  writable(): void {
    this.#taken.hasRoom();
  }

  end(): void {
    this.#taken.peerEnded();
    if (!this.#isDone) this.#found(this.#otherwise);
  }

  reset(code: ResetCode): void {
    this.#taken.peerReset(code);
    if (this.#isDone) return;
    this.#isDone = true;
    clearTimeout(this.#timer);
    this.#resolve(undefined);
  }

  #found(found: T): void {
    this.#isDone = true;
    clearTimeout(this.#timer);
    this.#leg.pause();
    this.#resolve({ found, first: this.#held, leg: this.#taken });
  }
}

/** The leg that was looked into, for its second reader: what the first one was told before is told again. */
class TakenLeg implements Leg {
  readonly #leg: Leg;
  #to: LegEvents | undefined;
  #early: Buffer[] = [];
  #hasEnded = false;
  #resetBy: ResetCode | undefined;
  #isPaused = false;

  constructor(leg: Leg) {
    this.#leg = leg;
  }

  get closed(): Promise<void> {
    return this.#leg.closed;
  }

  deliver(to: LegEvents): void {
    queueMicrotask(() => {
      this.#to = to;
      if (this.#resetBy !== undefined) return to.reset(this.#resetBy);
      for (const piece of this.#early) to.data(piece);
      this.#early = [];
      if (this.#hasEnded) to.end();
      else if (!this.#isPaused) this.#leg.resume();
    });
  }

  write(view: Uint8Array): boolean {
    return this.#leg.write(view);
  }

  pause(): void {
    this.#isPaused = true;
    this.#leg.pause();
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#to !== undefined) this.#leg.resume();
  }

  end(): void {
    this.#leg.end();
  }

  reset(code: ResetCode): void {
    this.#leg.reset(code);
  }

  // What the first reader hears after it has found what it looked for.

  received(view: Uint8Array): void {
    if (this.#to === undefined) this.#early.push(Buffer.from(view));
    else this.#to.data(view);
  }

  hasRoom(): void {
    this.#to?.writable();
  }

  peerEnded(): void {
    this.#hasEnded = true;
    this.#to?.end();
  }

  peerReset(code: ResetCode): void {
    this.#resetBy = code;
    this.#to?.reset(code);
  }
}
