/**
 * Bytes that nobody would send on purpose, into both roles of a connection and into the decoder of header blocks.
 * AMBIT_FUZZ_SECONDS makes it longer, AMBIT_FUZZ_SEED begins where a failure was.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  DEFAULT_H2_LIMITS,
  encodeHeaders,
  FLAG,
  FRAME,
  FRAME_HEADER_BYTES,
  frame,
  H2,
  numberFrame,
  randomness,
  settingsFrame,
} from '../../h2/index.ts';
import { Nghttp2Decoder } from '../../net/index.ts';
import { DEFAULT_SETTINGS } from '../types.ts';
import { type ConnectionEvents, PlaneConnection, type Wire } from './connection.ts';
import type { PlaneStream } from './stream.ts';

type Random = (below: number) => number;

const BUDGET_MS = Number(process.env['AMBIT_FUZZ_SECONDS'] ?? 4) * 250; // each of four parts
const FIRST_SEED = Number(process.env['AMBIT_FUZZ_SEED'] ?? Date.now() % 1_000_000);
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const REQUEST = [
  [':method', 'CONNECT'],
  [':authority', '10.0.0.1:80'],
  ['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
] as const;
const ANSWERS = ['200', '401', '503'] as const;

/** Runs until the time is over; a failure tells the seed that brings it again. */
async function rounds(one: (random: Random) => void | Promise<void>): Promise<number> {
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

function connect(role: 'client' | 'server', wire: Wire, events: Partial<ConnectionEvents>): PlaneConnection {
  return new PlaneConnection({
    role,
    settings: DEFAULT_SETTINGS,
    limits: DEFAULT_H2_LIMITS,
    wire,
    events: { ready: () => {}, request: () => {}, over: () => {}, ...events },
  });
}

const bytesOf = (random: Random, most: number) => Buffer.from(Array.from({ length: random(most) }, () => random(256)));

/** What an application may do with its side of a stream, and what it hears does not matter. */
function toy(stream: PlaneStream, random: Random): void {
  const deeds = [
    () => void stream.write(bytesOf(random, 300)),
    () => stream.end(),
    () => stream.reset('connect-error'),
    () => stream.pause(),
    () => stream.resume(),
  ];
  deeds[Math.min(random(12), random(deeds.length))]?.();
}

function use(stream: PlaneStream, random: Random): void {
  stream.deliver({
    data: (view) => {
      if (random(4) === 0) toy(stream, random);
      else stream.write(view);
    },
    writable: () => {},
    end: () => stream.end(),
    reset: () => {},
  });
}

/** A server that answers anything, and uses what it accepts. */
function answering(random: Random, over: ConnectionEvents['over'], wire: Wire): PlaneConnection {
  const server = connect('server', wire, {
    request: (stream) => {
      const status = ANSWERS[Math.min(random(9), random(ANSWERS.length))] ?? '200';
      server.respond(stream, [[':status', status]], status !== '200');
      if (status === '200') use(stream, random);
    },
    over,
  });
  return server;
}

type Talk = { readonly toServer: Buffer; readonly toClient: Buffer; readonly streams: number };

/** A client and a server of ours that talk: what went over the wire each way. */
function talk(random: Random): Talk {
  const said = { toServer: [] as Buffer[], toClient: [] as Buffer[] };
  const wire = (into: Buffer[]): Wire => ({
    write: (bytes) => void into.push(Buffer.from(bytes)),
    writeFrame: (header, payload) => void into.push(Buffer.concat([header, payload])),
    end: () => {},
    isBlocked: false,
  });
  const server = answering(random, () => {}, wire(said.toClient));
  const client = connect('client', wire(said.toServer), {});
  const heard = { server: 0, client: 0 };
  const streams: PlaneStream[] = [];
  for (let turn = 0; turn < 12; turn++) {
    for (; heard.server < said.toServer.length; heard.server++) {
      server.feed(said.toServer[heard.server] ?? Buffer.alloc(0));
    }
    for (; heard.client < said.toClient.length; heard.client++) {
      client.feed(said.toClient[heard.client] ?? Buffer.alloc(0));
    }
    const stream = random(3) === 0 ? client.open(REQUEST) : streams[random(Math.max(1, streams.length))];
    if (stream === undefined) continue;
    if (streams.includes(stream)) toy(stream, random);
    else {
      use(stream, random);
      streams.push(stream);
    }
  }
  client.cut();
  server.lost();
  return {
    toServer: Buffer.concat(said.toServer),
    toClient: Buffer.concat(said.toClient),
    streams: streams.length,
  };
}

/** Frames made up: right in form, wrong in place. */
function nonsense(random: Random): Buffer {
  const frames = [PREFACE, settingsFrame([])];
  for (let i = random(20); i >= 0; i--) {
    const id = random(6);
    const kinds = [
      () => frame(FRAME.HEADERS, FLAG.END_HEADERS | random(2), 2 * i + 1, encodeHeaders(REQUEST)),
      () => frame(FRAME.DATA, random(16), id, bytesOf(random, 40)),
      () => frame(random(12), random(64), id, bytesOf(random, 40)),
      () => numberFrame(random(2) === 0 ? FRAME.WINDOW_UPDATE : FRAME.RST_STREAM, id, random(2 ** 31)),
      () => frame(FRAME.PING, random(2), 0, Buffer.alloc(8)),
    ];
    frames.push(kinds[random(kinds.length)]?.() ?? Buffer.alloc(0));
  }
  return Buffer.concat(frames);
}

/** Cuts into frames; what can't be cut stays whole. */
function cut(bytes: Buffer): Buffer[] {
  const pieces: Buffer[] = [];
  let at = bytes.subarray(0, PREFACE.length).equals(PREFACE) ? PREFACE.length : 0;
  if (at > 0) pieces.push(bytes.subarray(0, at));
  while (at + FRAME_HEADER_BYTES <= bytes.length) {
    const end = at + FRAME_HEADER_BYTES + bytes.readUIntBE(at, 3);
    pieces.push(bytes.subarray(at, end));
    at = end;
  }
  return pieces;
}

/** A few changes: bytes, and whole frames lost, doubled or out of their order. */
function mutated(bytes: Buffer, random: Random): Buffer {
  const frames = cut(bytes);
  for (let n = random(4); n > 0; n--) {
    const [i, j] = [random(frames.length), random(frames.length)];
    const one = frames[i];
    if (one === undefined) continue;
    const changes = [
      () => frames.splice(i, 1),
      () => frames.splice(j, 0, one),
      () => frames.splice(j, 0, ...frames.splice(i, 1)),
      () => frames.splice(i, 1, one.subarray(0, random(one.length))),
    ];
    changes[random(changes.length)]?.();
  }
  const all = Buffer.concat(frames);
  for (let n = all.length > 0 ? random(5) : 0; n > 0; n--) all[random(all.length)] = random(256);
  return all;
}

const DEAF: Wire = { write: () => {}, writeFrame: () => {}, end: () => {}, isBlocked: false };

/** Feeds in pieces of any size, and holds the connection to what must be true of any. */
async function survives(
  random: Random,
  bytes: Buffer,
  make: (over: ConnectionEvents['over']) => PlaneConnection,
): Promise<boolean> {
  let overs = 0;
  let isFault = false;
  const connection = make((fault) => {
    overs += 1;
    isFault = fault !== undefined;
    assert.notEqual(fault?.code, H2.INTERNAL_ERROR, 'our own fault');
  });
  for (let at = 0; at < bytes.length; ) {
    const n = 1 + random(64);
    connection.feed(bytes.subarray(at, at + n));
    at += n;
    if (random(4) === 0) await undefined; // what waits for the end of a turn has its turn
  }
  connection.lost();
  await undefined;
  assert.equal(overs, 1);
  assert.equal(connection.streamCount, 0);
  return isFault;
}

describe('a connection ends or does not, and never anything else', () => {
  const parts: readonly (readonly [string, (random: Random) => Promise<boolean>])[] = [
    [
      'a server that hears frames made up and mutated',
      (random) => survives(random, mutated(nonsense(random), random), (over) => answering(random, over, DEAF)),
    ],
    [
      'a server that hears a real conversation, mutated',
      (random) => survives(random, mutated(talk(random).toServer, random), (over) => answering(random, over, DEAF)),
    ],
    [
      'a client that hears a real conversation, mutated',
      (random) => {
        const { toClient, streams } = talk(random);
        return survives(random, mutated(toClient, random), (over) => {
          const client = connect('client', DEAF, { over });
          for (let i = 0; i < streams; i++) {
            const stream = client.open(REQUEST);
            if (stream === undefined) continue;
            use(stream, random);
            if (random(2) === 0) toy(stream, random);
          }
          return client;
        });
      },
    ],
  ];
  for (const [what, part] of parts) {
    it(what, async () => {
      let faults = 0;
      const n = await rounds(async (random) => {
        if (await part(random)) faults += 1;
      });
      assert.ok(n > 50 && faults > 0 && faults < n, `${faults} faults in ${n} rounds`);
    });
  }
});

it('header blocks of any bytes are fields, too large or malformed, and cost no memory afterwards', async () => {
  const kinds = new Map<string, number>();
  let rss = 0;
  let done = 0;
  const n = await rounds((random) => {
    using decoder = new Nghttp2Decoder();
    for (let i = 0; i < 4; i++) {
      const block = random(2) === 0 ? bytesOf(random, 200) : encodeHeaders(REQUEST);
      for (let k = random(3); k > 0; k--) block[random(Math.max(1, block.length))] = random(256);
      const decoded = decoder.decode(block, { maxListBytes: 16_384, maxFields: 128 });
      kinds.set(decoded.kind, (kinds.get(decoded.kind) ?? 0) + 1);
      if (decoded.kind === 'fields') assert.ok(decoded.fields.every((field) => field.length === 2));
      else if (decoded.kind === 'malformed') break;
    }
    done += 1;
    if (done === 500) rss = process.memoryUsage.rss();
  });
  assert.ok((kinds.get('fields') ?? 0) > 0 && (kinds.get('malformed') ?? 0) > 0, JSON.stringify([...kinds]));
  if (n > 2_000) assert.ok(process.memoryUsage.rss() - rss < 64 << 20, `${n} decoders`);
});
