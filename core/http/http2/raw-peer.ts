/** A peer that says what it likes over a leg, and hears everything: for the tests of servers and clients. */
import {
  type Field,
  FLAG,
  FRAME,
  type FrameHeader,
  FrameReader,
  frame,
  HpackDecoder,
  settingsFrame,
  staticFields,
} from '../../h2/index.ts';
import type { Leg } from '../../hbone/index.ts';

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
export const ACK = frame(FRAME.SETTINGS, FLAG.ACK, 0);
const ASKING = Buffer.from('the last');
const make = (name: string, value: string): Field => ({ name, value });
const STATIC = staticFields(make);
const WAIT_MS = 10_000;

export type Heard = FrameHeader & { readonly payload: Buffer };

export class RawPeer {
  readonly heard: Heard[] = [];
  /** Header lists by stream, each block on its own. */
  readonly blocks: { readonly id: number; readonly fields: string[]; readonly isLast: boolean }[] = [];
  isOver = false;
  #room = true;
  readonly #leg: Leg;
  readonly #isSilent: boolean;
  readonly #decoder = new HpackDecoder(STATIC, make);
  #block: Buffer[] = [];
  #waiting: (() => void)[] = [];

  /** `client`: greets at once; `silent`: a client that does not, nor acknowledges. */
  constructor(leg: Leg, role: 'client' | 'server' | 'silent', settings: readonly (readonly [number, number])[] = []) {
    this.#leg = leg;
    this.#isSilent = role === 'silent';
    const reader = new FrameReader(
      {
        begin: () => {},
        data: (_, piece) => this.#pieces.push(Buffer.from(piece)),
        finish: (f, payload) => this.#hear(f, payload),
      },
      1 << 24,
    );
    let skip = role === 'server' ? PREFACE.length : 0;
    const over = () => {
      this.isOver = true;
      this.#wake();
    };
    leg.deliver({
      data: (view) => {
        const rest = Buffer.from(view).subarray(skip);
        skip -= view.length - rest.length;
        reader.feed(rest);
        this.#wake();
      },
      writable: () => {
        this.#room = true;
        this.#wake();
      },
      end: over,
      reset: over,
    });
    if (role === 'client') this.say(PREFACE);
    if (role !== 'silent') this.say(settingsFrame(settings));
  }

  #pieces: Buffer[] = [];

  say(...frames: readonly Buffer[]): this {
    if (!this.isOver) this.#room = this.#leg.write(Buffer.concat(frames));
    return this;
  }

  /** Until the peer reads again, when it had stopped. */
  get hasRoom(): boolean {
    return this.#room || this.isOver;
  }

  pause(): void {
    this.#leg.pause();
  }

  resume(): void {
    this.#leg.resume();
  }

  end(): void {
    this.#leg.end();
  }

  /** Until the other side has answered all that was said, by its answer to a PING, or has ended. */
  async settled(): Promise<this> {
    const before = this.#pongs();
    this.say(frame(FRAME.PING, 0, 0, ASKING));
    await this.until(() => this.isOver || this.#pongs() > before);
    return this;
  }

  async until(condition: () => boolean): Promise<void> {
    const deadline = performance.now() + WAIT_MS;
    while (!condition()) {
      if (performance.now() > deadline) throw new Error('it did not happen in time');
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push(resolve);
      const timer = setTimeout(resolve, 50); // conditions may look at more than what is heard
      await promise;
      clearTimeout(timer);
    }
  }

  of(type: number, id?: number): readonly Heard[] {
    return this.heard.filter((f) => f.type === type && (id === undefined || f.streamId === id));
  }

  goaway(): number | undefined {
    return this.of(FRAME.GOAWAY).at(-1)?.payload.readUInt32BE(4);
  }

  resetOf(id: number): number | undefined {
    return this.of(FRAME.RST_STREAM, id)[0]?.payload.readUInt32BE(0);
  }

  statusOf(id: number): string | undefined {
    const fields = this.blocks.find((block) => block.id === id && !block.fields[1]?.startsWith('1'))?.fields;
    return fields?.[0] === ':status' ? fields[1] : undefined;
  }

  hasEnded(id: number): boolean {
    return this.heard.some((f) => f.streamId === id && f.type <= FRAME.HEADERS && (f.flags & FLAG.END_STREAM) !== 0);
  }

  dataOf(id: number): Buffer {
    return Buffer.concat(this.of(FRAME.DATA, id).map((f) => f.payload));
  }

  #pongs(): number {
    return this.heard.filter((f) => f.type === FRAME.PING && (f.flags & FLAG.ACK) !== 0 && f.payload.equals(ASKING))
      .length;
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const go of waiting) go();
  }

  #hear(f: FrameHeader, payload: Buffer): void {
    const content = f.type === FRAME.DATA ? Buffer.concat(this.#pieces) : Buffer.from(payload);
    this.#pieces = [];
    this.heard.push({ ...f, payload: content });
    if (f.type === FRAME.SETTINGS && (f.flags & FLAG.ACK) === 0 && !this.#isSilent) this.say(ACK);
    if (f.type !== FRAME.HEADERS && f.type !== FRAME.CONTINUATION) return;
    this.#block.push(content);
    if ((f.flags & FLAG.END_HEADERS) === 0) return;
    const decoded = this.#decoder.decode(Buffer.concat(this.#block), { maxListBytes: 1 << 20, maxFields: 10_000 });
    this.#block = [];
    if (decoded.kind !== 'fields') throw new Error(`our own header block is ${decoded.kind}`);
    const first = this.heard.findLast((one) => one.streamId === f.streamId && one.type === FRAME.HEADERS);
    this.blocks.push({
      id: f.streamId,
      fields: decoded.fields.flatMap(({ name, value }) => [name, value]),
      isLast: ((first?.flags ?? 0) & FLAG.END_STREAM) !== 0,
    });
  }
}
