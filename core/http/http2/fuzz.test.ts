/**
 * Bytes that nobody would send on purpose, into a server and a client of requests. AMBIT_FUZZ_SECONDS makes it longer,
 * AMBIT_FUZZ_SEED begins where a failure was.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  encodeHeaders,
  FLAG,
  FRAME,
  FRAME_HEADER_BYTES,
  FrameReader,
  frame,
  H2,
  numberFrame,
  randomness,
  settingsFrame,
} from '../../h2/index.ts';
import type { Leg, LegEvents } from '../../hbone/index.ts';
import {
  type Body,
  type BodyEvents,
  bodyOf,
  DEFAULT_LIMITS,
  type Handler,
  HeaderFields,
  HttpError,
  type HttpResponse,
  NO_BODY,
} from '../index.ts';
import { connectHttp2, serveHttp2 } from './index.ts';
import { PREFACE } from './raw-peer.ts';
import { requestOf } from './stand.ts';

type Random = (below: number) => number;

const BUDGET_MS = Number(process.env['AMBIT_FUZZ_SECONDS'] ?? 4) * 250; // each of three parts
const FIRST_SEED = Number(process.env['AMBIT_FUZZ_SEED'] ?? Date.now() % 1_000_000);
const LIMITS = { ...DEFAULT_LIMITS, headBytes: 4_096, streams: 20 };

async function rounds(one: (random: Random) => Promise<void>): Promise<number> {
  const until = performance.now() + BUDGET_MS;
  let seed = FIRST_SEED;
  for (; performance.now() < until; seed++) {
    try {
      await one(randomness(Math.imul(seed + 1, 0x9e3779b1)));
    } catch (cause) {
      throw new Error(`AMBIT_FUZZ_SEED=${seed}`, { cause });
    }
  }
  return seed - FIRST_SEED;
}

/** A leg whose other end is a tape. */
class Tape implements Leg {
  readonly said: Buffer[] = [];
  readonly closed: Promise<void>;
  to: LegEvents | undefined;
  readonly #close: () => void;
  readonly #random: Random;

  constructor(random: Random) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#close = resolve;
    this.#random = random;
  }

  deliver(to: LegEvents): void {
    this.to = to;
  }

  write(view: Uint8Array): boolean {
    this.said.push(Buffer.from(view));
    if (this.#random(8) > 0) return true;
    setImmediate(() => this.to?.writable());
    return false;
  }

  pause(): void {}
  resume(): void {}

  end(): void {
    this.#close();
  }

  reset(): void {
    this.#close();
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));
const bytesOf = (random: Random, most: number) => Buffer.from(Array.from({ length: random(most) }, () => random(256)));

/** What must hold for every body and call of a round. */
class Account {
  open = 0;
  readonly errors: string[] = [];

  /** A reader with moods, told its end at most once. */
  reader(body: Body, random: Random): BodyEvents {
    let isOver = false;
    this.open += 1;
    const over = () => {
      if (isOver) this.errors.push('a body ended twice');
      else this.open -= 1;
      isOver = true;
    };
    return {
      data: () => {
        if (isOver) this.errors.push('bytes after the end');
        const mood = random(20);
        if (mood === 0) {
          over();
          body.cancel();
        } else if (mood === 1) {
          body.pause();
          setImmediate(() => body.resume());
        }
      },
      end: over,
      failed: over,
    };
  }
}

/** A body that comes in pieces, ends, fails, or stays away. */
function moodyBody(random: Random): Body {
  const kind = random(5);
  if (kind === 0) return NO_BODY;
  if (kind === 1) return bodyOf(bytesOf(random, 3_000));
  const pieces = random(4);
  let to: BodyEvents | undefined;
  const body: Body = {
    length: random(4) === 0 ? random(200) : undefined,
    deliver: (receiver) => {
      to = receiver;
      void (async () => {
        for (let i = 0; i < pieces; i++) {
          await turn();
          to?.data(bytesOf(random, 300));
        }
        if (kind === 2) to?.failed(new HttpError('closed', 'the source broke'));
        else if (kind === 3) to?.end(random(2) === 0 ? new HeaderFields(['x', 'y']) : undefined);
      })();
    },
    pause: () => {},
    resume: () => {},
    cancel: () => {
      to = undefined;
    },
  };
  return body;
}

function moodyHandler(random: Random, account: Account): Handler {
  return (request) => {
    if (random(3) > 0) request.body.deliver(account.reader(request.body, random));
    if (random(10) === 0) request.inform(103, new HeaderFields(['link', 'x']));
    request.onAbort(() => {});
    const respond = (): HttpResponse => ({
      status: request.upgrade !== undefined && random(2) === 0 ? 101 : ([200, 204, 304, 500][random(4)] ?? 200),
      headers: new HeaderFields(['content-type', 'x', `n${random(3)}`, `v${random(3)}`]),
      body: moodyBody(random),
    });
    switch (random(6)) {
      case 0:
        throw new HttpError('refused', 'no', { isProcessed: false });
      case 1:
        return Promise.reject(new HttpError('timeout', 'late', { status: 504 }));
      case 2:
      case 3:
        return turn().then(respond);
      default:
        return respond();
    }
  };
}

/** All that a connection said, without a fault of ours in it. */
function checkSaid(said: readonly Buffer[], skip: number): void {
  const reader = new FrameReader(
    {
      begin: () => {},
      data: () => {},
      finish: (f, payload) => {
        if (f.type === FRAME.GOAWAY) assert.notEqual(payload.readUInt32BE(4), H2.INTERNAL_ERROR, 'our own fault');
      },
    },
    1 << 24,
  );
  reader.feed(Buffer.concat(said).subarray(skip));
}

async function feedAll(tape: Tape, bytes: Buffer, random: Random): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const n = 1 + random(random(2) === 0 ? 16 : 400);
    tape.to?.data(bytes.subarray(at, at + n));
    at += n;
    if (random(4) === 0) await turn();
  }
  for (let i = 0; i < 6; i++) await turn();
}

async function hearsAsServer(random: Random, bytes: Buffer): Promise<void> {
  const tape = new Tape(random);
  const account = new Account();
  const server = serveHttp2(tape, { handler: moodyHandler(random, account), limits: LIMITS, onRefused: () => {} });
  await turn();
  await feedAll(tape, bytes, random);
  if (random(3) === 0) server.drain();
  tape.to?.end();
  await server.closed;
  for (let i = 0; i < 8; i++) await turn();
  checkSaid(tape.said, 0);
  assert.deepEqual([server.active, account.open, account.errors], [0, 0, []]);
}

/** A client with calls under way; how each ended does not matter, but that it did. */
async function hearsAsClient(
  random: Random,
  bytes: Buffer | undefined,
  carry?: (said: Buffer[]) => Promise<Buffer[]>,
): Promise<void> {
  const tape = new Tape(random);
  const account = new Account();
  const client = connectHttp2(tape, { limits: LIMITS, onChange: () => {} });
  await turn();
  const calls: Promise<unknown>[] = [];
  let heard = 0;
  for (let i = 0; i < 10; i++) {
    const request = requestOf({
      method: ['GET', 'HEAD', 'POST'][random(3)] ?? 'GET',
      body: moodyBody(random),
      ...(random(8) === 0 ? { upgrade: 'websocket' } : {}),
    });
    const call = client.send(request);
    if (random(8) === 0) setImmediate(() => call.cancel(new HttpError('cancelled', 'not wanted')));
    calls.push(
      call.response.then(
        ({ body }) => body.deliver(account.reader(body, random)),
        (error) => assert.ok(error instanceof HttpError, String(error)),
      ),
    );
    await turn();
    if (carry === undefined) continue;
    for (const piece of await carry(tape.said.slice(heard))) tape.to?.data(piece);
    heard = tape.said.length;
  }
  if (bytes !== undefined) await feedAll(tape, bytes, random);
  tape.to?.end();
  await client.closed;
  await Promise.all(calls);
  for (let i = 0; i < 8; i++) await turn();
  checkSaid(tape.said, PREFACE.length);
  assert.deepEqual([client.active, account.open, account.errors], [0, 0, []]);
}

/** A client and a server of ours that talk: what went over the wire each way. */
async function talk(random: Random): Promise<{ toServer: Buffer; toClient: Buffer }> {
  const tape = new Tape(random);
  const account = new Account();
  const server = serveHttp2(tape, { handler: moodyHandler(random, account), limits: LIMITS, onRefused: () => {} });
  const toServer: Buffer[] = [];
  const toClient: Buffer[] = [];
  let heard = 0;
  await turn();
  await hearsAsClient(random, undefined, async (said) => {
    for (const piece of said) {
      toServer.push(piece);
      tape.to?.data(piece);
    }
    await turn();
    const back = tape.said.slice(heard);
    heard = tape.said.length;
    toClient.push(...back);
    return back;
  });
  tape.to?.end();
  await server.closed;
  for (let i = 0; i < 8; i++) await turn();
  checkSaid(tape.said, 0);
  assert.deepEqual([server.active, account.open, account.errors], [0, 0, []]);
  return { toServer: Buffer.concat(toServer), toClient: Buffer.concat(toClient) };
}

const FIELDS = [
  ':method',
  ':path',
  ':scheme',
  ':authority',
  ':status',
  ':protocol',
  'host',
  'te',
  'cookie',
  'content-length',
  'connection',
  'x',
];
const VALUES = [
  'GET',
  'POST',
  'CONNECT',
  '/',
  '*',
  'http',
  'a.b',
  '200',
  '100',
  'websocket',
  'trailers',
  '3',
  '',
  'a b',
  '\n',
];

/** Frames made up, each well formed or nearly so. */
function nonsense(random: Random): Buffer {
  const frames: Buffer[] = [PREFACE, settingsFrame([])];
  const some = <T>(from: readonly T[], otherwise: T) => from[random(from.length)] ?? otherwise;
  for (let n = 5 + random(40); n > 0; n--) {
    const id = random(6) === 0 ? random(20) : 2 * random(8) + 1;
    const flags = random(4) === 0 ? random(256) : ((FLAG.END_HEADERS | random(2)) as number);
    const list = Array.from({ length: random(7) }, () => [some(FIELDS, 'x'), some(VALUES, '')] as const);
    const request = [
      [':method', some(['GET', 'POST'], 'GET')],
      [':scheme', 'http'],
      [':authority', 'a.b'],
      [':path', '/'],
    ] as const;
    const makers = [
      () =>
        frame(
          FRAME.HEADERS,
          flags,
          id,
          encodeHeaders(random(3) === 0 ? list : [...request, ...list.filter(([name]) => !name.startsWith(':'))]),
        ),
      () => frame(FRAME.HEADERS, FLAG.END_HEADERS | random(2), id, encodeHeaders(request)),
      () => frame(FRAME.DATA, random(3) === 0 ? flags : random(2), id, bytesOf(random, 100)),
      () => frame(FRAME.CONTINUATION, flags, id, bytesOf(random, 20)),
      () => frame(random(12), flags, id, bytesOf(random, 20)),
      () => numberFrame(FRAME.RST_STREAM, id, random(14)),
      () => numberFrame(FRAME.WINDOW_UPDATE, random(2) === 0 ? 0 : id, random(1 << 20)),
      () => settingsFrame([[random(9), random(1 << 17)]]),
    ];
    frames.push(makers[Math.min(random(12), random(makers.length))]?.() ?? frame(99, 0, 0));
  }
  return Buffer.concat(frames);
}

/** Bytes changed, and whole frames lost, doubled or out of their order. */
function mutated(bytes: Buffer, random: Random, start: number): Buffer {
  const frames: Buffer[] = [];
  for (let at = start; at + FRAME_HEADER_BYTES <= bytes.length; ) {
    const end = at + FRAME_HEADER_BYTES + bytes.readUIntBE(at, 3);
    frames.push(bytes.subarray(at, end));
    at = end;
  }
  for (let n = random(4); n > 0; n--) {
    const [i, j] = [random(Math.max(1, frames.length)), random(Math.max(1, frames.length))];
    const one = frames[i];
    if (one === undefined) continue;
    const kind = random(4);
    if (kind === 0) frames.splice(i, 1);
    else if (kind === 1) frames.splice(j, 0, one);
    else if (kind === 2) frames.splice(j, 0, ...frames.splice(i, 1));
    else frames.splice(i, 1, one.subarray(0, random(one.length)));
  }
  const all = Buffer.concat([bytes.subarray(0, start), ...frames]);
  for (let n = all.length > start ? random(5) : 0; n > 0; n--) all[start + random(all.length - start)] = random(256);
  return all;
}

describe('whatever comes, every request and every body has one end', () => {
  it('at a server that hears frames made up', async () => {
    const n = await rounds((random) => hearsAsServer(random, mutated(nonsense(random), random, PREFACE.length)));
    assert.ok(n > 10, `${n} rounds`);
  });

  it('at a server that hears a real conversation, mutated', async () => {
    const n = await rounds(async (random) => {
      const { toServer } = await talk(random);
      await hearsAsServer(random, mutated(toServer, random, PREFACE.length));
    });
    assert.ok(n > 5, `${n} rounds`);
  });

  it('at a client that hears a real conversation, mutated', async () => {
    const n = await rounds(async (random) => {
      const { toClient } = await talk(random);
      await hearsAsClient(random, mutated(toClient, random, 0));
    });
    assert.ok(n > 5, `${n} rounds`);
  });
});
