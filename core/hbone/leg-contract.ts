/** What every leg must do, whatever carries it: the same tests for sockets, streams of either implementation, and memory. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { type Leg, type LegEvents, type ResetCode, relay } from './leg.ts';

/** Two connected ends, and how to clean up after them. */
export type LegPair = AsyncDisposable & { readonly near: Leg; readonly far: Leg };

export type LegContract = {
  readonly pair: () => Promise<LegPair>;
  /** What the far end is told when the near end resets: TCP knows only one kind of reset. */
  readonly told: Readonly<Record<ResetCode, ResetCode>>;
};

/** Receives, remembers the order of events, and lets tests wait for one. */
export class Recorder implements LegEvents {
  readonly events: string[] = [];
  readonly #hash = createHash('sha256');
  readonly #waiting = new Set<() => void>();
  bytes = 0;
  text = '';

  data(view: Uint8Array): void {
    this.bytes += view.length;
    this.#hash.update(view);
    if (this.text.length < 1024) this.text += Buffer.from(view).toString();
    this.#tell('data');
  }

  writable(): void {
    this.#tell('writable');
  }

  end(): void {
    this.#tell('end');
  }

  reset(code: ResetCode): void {
    this.#tell(`reset:${code}`);
  }

  digest(): string {
    return this.#hash.copy().digest('hex');
  }

  /** Events other than data, in order. */
  get ends(): readonly string[] {
    return this.events.filter((event) => event === 'end' || event.startsWith('reset'));
  }

  async until(what: string, condition: () => boolean, deadlineMs = 5_000): Promise<void> {
    if (condition()) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(
      () => reject(new Error(`not in ${deadlineMs} ms: ${what}; saw ${this.events}`)),
      deadlineMs,
    );
    const look = () => condition() && resolve();
    this.#waiting.add(look);
    await promise.finally(() => {
      clearTimeout(timer);
      this.#waiting.delete(look);
    });
  }

  ended(): Promise<void> {
    return this.until('end', () => this.events.includes('end'));
  }

  wasReset(): Promise<void> {
    return this.until('reset', () => this.events.some((event) => event.startsWith('reset')));
  }

  #tell(event: string): void {
    if (event !== 'data' || this.events.at(-1) !== 'data') this.events.push(event);
    for (const look of this.#waiting) look();
  }
}

/** Sends all of `payload` as a well-behaved writer does, and says how often it was told to stop. */
export async function sendAll(leg: Leg, recorder: Recorder, payload: Uint8Array, chunk = 48 * 1024): Promise<number> {
  let stops = 0;
  // One buffer for all writes: who keeps bytes must have copied them.
  const reused = new Uint8Array(chunk);
  for (let at = 0; at < payload.length; at += chunk) {
    const part = payload.subarray(at, at + chunk);
    reused.set(part);
    const before = recorder.events.filter((event) => event === 'writable').length;
    const goOn = leg.write(reused.subarray(0, part.length));
    reused.fill(0xee);
    if (goOn) continue;
    stops += 1;
    const isOver = () => recorder.ends.some((event) => event !== 'end');
    const hasRoom = () => recorder.events.filter((event) => event === 'writable').length > before;
    await recorder.until('writable', () => hasRoom() || isOver());
    if (isOver()) break;
  }
  return stops;
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
/** More than any socket buffer or window takes without a reader. */
const BIG = 24 * 1024 * 1024;
/** In buffers of legs and kernel, with a window of 4 MB. */
const MOST_UNDER_WAY = 16 * 1024 * 1024;

async function open(contract: LegContract) {
  const pair = await contract.pair();
  const near = new Recorder();
  const far = new Recorder();
  return {
    ...pair,
    nearLeg: pair.near,
    farLeg: pair.far,
    near,
    far,
    [Symbol.asyncDispose]: () => pair[Symbol.asyncDispose](),
  };
}

/** Registers the suite under `name`. */
export function legContract(name: string, contract: LegContract): void {
  describe(`a leg over ${name}`, () => {
    it('carries bytes both ways, complete and in order, though the writer reuses its buffer', async () => {
      await using t = await open(contract);
      t.nearLeg.deliver(t.near);
      t.farLeg.deliver(t.far);
      const [there, back] = [randomBytes(3_000_000), randomBytes(2_000_000)];
      await Promise.all([sendAll(t.nearLeg, t.near, there), sendAll(t.farLeg, t.far, back)]);
      await t.far.until('all bytes', () => t.far.bytes === there.length);
      await t.near.until('all bytes', () => t.near.bytes === back.length);
      assert.equal(t.far.digest(), sha256(there));
      assert.equal(t.near.digest(), sha256(back));
    });

    it('delivers nothing before it has a receiver, and loses nothing', async () => {
      await using t = await open(contract);
      t.nearLeg.deliver(t.near);
      t.nearLeg.write(Buffer.from('early'));
      t.nearLeg.end();
      await new Promise((turn) => setImmediate(turn));
      t.farLeg.deliver(t.far);
      await t.far.ended();
      assert.equal(t.far.text, 'early');
      assert.deepEqual(t.far.events, ['data', 'end']);
    });

    it('keeps the other direction open after a half-close, and closes after both', async () => {
      await using t = await open(contract);
      t.nearLeg.deliver(t.near);
      t.farLeg.deliver(t.far);
      t.nearLeg.write(Buffer.from('question'));
      t.nearLeg.end();
      await t.far.ended();
      t.farLeg.write(Buffer.from('answer'));
      t.farLeg.end();
      await t.near.ended();
      await Promise.all([t.nearLeg.closed, t.farLeg.closed]);
      assert.deepEqual([t.far.text, t.near.text], ['question', 'answer']);
      assert.deepEqual([t.far.ends, t.near.ends], [['end'], ['end']]);
    });

    it('ignores what is written after its end', async () => {
      await using t = await open(contract);
      t.nearLeg.deliver(t.near);
      t.farLeg.deliver(t.far);
      t.nearLeg.write(Buffer.from('last'));
      t.nearLeg.end();
      assert.equal(t.nearLeg.write(Buffer.from('too late')), true);
      t.nearLeg.end();
      await t.far.ended();
      assert.equal(t.far.text, 'last');
    });

    for (const code of ['cancel', 'connect-error', 'refused'] as const) {
      it(`passes a reset (${code}) on as a reset, before any end, and tells each side once`, async () => {
        await using t = await open(contract);
        t.nearLeg.deliver(t.near);
        t.farLeg.deliver(t.far);
        t.nearLeg.write(Buffer.from('x'));
        await t.far.until('first byte', () => t.far.bytes === 1);
        t.nearLeg.reset(code);
        await Promise.all([t.far.wasReset(), t.near.wasReset(), t.nearLeg.closed, t.farLeg.closed]);
        t.nearLeg.reset(code);
        t.farLeg.reset(code);
        await new Promise((turn) => setImmediate(turn));
        assert.deepEqual(t.far.ends, [`reset:${contract.told[code]}`]);
        assert.deepEqual(t.near.ends, [`reset:${code}`]);
      });
    }

    it('is harmless to call when it is over', async () => {
      await using t = await open(contract);
      t.nearLeg.deliver(t.near);
      t.nearLeg.reset('cancel');
      await t.near.wasReset();
      assert.equal(t.nearLeg.write(Buffer.from('x')), true);
      for (const call of ['pause', 'resume', 'end'] as const) t.nearLeg[call]();
      t.nearLeg.reset('refused');
      await t.nearLeg.closed;
      assert.deepEqual(t.near.ends, ['reset:cancel']);
    });

    it('tells a reset that came before the receiver did', async () => {
      await using t = await open(contract);
      t.nearLeg.deliver(t.near);
      t.nearLeg.reset('cancel');
      await t.near.wasReset();
      t.farLeg.deliver(t.far);
      await t.far.wasReset();
      assert.deepEqual(t.far.ends, [`reset:${contract.told.cancel}`]);
    });

    it('makes the writer wait for a reader that does not read, and goes on where it stopped', async () => {
      await using t = await open(contract);
      t.nearLeg.deliver(t.near);
      t.farLeg.deliver(t.far);
      t.farLeg.pause();
      const payload = randomBytes(BIG);
      const sent = sendAll(t.nearLeg, t.near, payload).then((stops) => ({ stops, read: t.far.bytes }));
      await quiet(t.near);
      assert.equal(t.far.bytes, 0);
      t.farLeg.resume();
      const { stops, read } = await sent;
      assert.ok(stops > 0);
      // The writer was done only when most had been read: what is under way is bounded.
      assert.ok(read > BIG - MOST_UNDER_WAY, `the reader had ${read} bytes when the writer was done`);
      await t.far.until('all bytes', () => t.far.bytes === payload.length, 20_000);
      assert.equal(t.far.digest(), sha256(payload));
    });

    it('cuts at once although much is unsent', async () => {
      await using t = await open(contract);
      t.nearLeg.deliver(t.near);
      t.farLeg.deliver(t.far);
      t.farLeg.pause();
      while (t.nearLeg.write(Buffer.alloc(64 * 1024)));
      t.nearLeg.reset('cancel');
      await Promise.all([t.near.wasReset(), t.nearLeg.closed]);
      t.farLeg.resume();
      await t.far.wasReset();
    });

    it('tells a writer that waits when the reader leaves after its own end', async () => {
      await using t = await open(contract);
      t.nearLeg.deliver(t.near);
      t.farLeg.deliver(t.far);
      t.farLeg.pause();
      t.farLeg.end();
      await t.near.ended();
      const stalled = sendAll(t.nearLeg, t.near, Buffer.alloc(BIG));
      await quiet(t.near);
      t.farLeg.reset('connect-error');
      await Promise.all([t.near.wasReset(), stalled]);
      assert.equal(t.near.ends.length, 2);
    });

    it('is relayed with half-close, and the bytes are counted by direction', async () => {
      await using down = await open(contract);
      await using up = await open(contract);
      const counters = { sent: 0, received: 0 };
      const done = relay(down.farLeg, up.nearLeg, counters);
      down.nearLeg.deliver(down.near);
      up.farLeg.deliver(up.far);
      const [request, response] = [randomBytes(700_000), randomBytes(900_000)];
      await sendAll(down.nearLeg, down.near, request);
      down.nearLeg.end();
      await up.far.ended();
      await sendAll(up.farLeg, up.far, response);
      up.farLeg.end();
      await down.near.ended();
      assert.equal(await done, 'ended');
      assert.deepEqual(counters, { received: request.length, sent: response.length });
      assert.equal(up.far.digest(), sha256(request));
      assert.equal(down.near.digest(), sha256(response));
      await Promise.all([down.farLeg.closed, up.nearLeg.closed]);
    });

    it('is relayed with resets, in either direction', async () => {
      for (const side of ['downstream', 'upstream'] as const) {
        await using down = await open(contract);
        await using up = await open(contract);
        const done = relay(down.farLeg, up.nearLeg);
        down.nearLeg.deliver(down.near);
        up.farLeg.deliver(up.far);
        down.nearLeg.write(Buffer.from('x'));
        await up.far.until('first byte', () => up.far.bytes === 1);
        (side === 'downstream' ? down.nearLeg : up.farLeg).reset('connect-error');
        await Promise.all([down.near.wasReset(), up.far.wasReset()]);
        assert.equal(await done, 'connect-error');
        assert.deepEqual([down.near.ends, up.far.ends], [['reset:connect-error'], ['reset:connect-error']]);
      }
    });
  });
}

/** Waits for a condition, looking again and again until a deadline. */
export async function eventually<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  deadlineMs = 5_000,
): Promise<T> {
  const until = performance.now() + deadlineMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (performance.now() > until) throw new Error(`not in ${deadlineMs} ms: ${what}`);
    await new Promise((again) => setTimeout(again, 5));
  }
}

/** Waits until nothing has been heard in so many turns of the loop: who could go on would have. */
async function quiet(recorder: Recorder, turns = 50): Promise<void> {
  for (let left = turns, heard = recorder.events.length; left > 0; left--) {
    await new Promise((turn) => setImmediate(turn));
    if (recorder.events.length !== heard) left = turns;
    heard = recorder.events.length;
  }
}
