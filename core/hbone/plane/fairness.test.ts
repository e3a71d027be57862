/** Streams of one connection among themselves: who stalls, stalls alone, and costs what was granted. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  DEFAULT_H2_LIMITS,
  FIRST_WINDOW_BYTES,
  FRAME,
  frame,
  HeldBytes,
  numberFrame,
  SETTING,
  settingsFrame,
} from '../../h2/index.ts';
import { Recorder } from '../leg-contract.ts';
import { DEFAULT_SETTINGS } from '../types.ts';
import { Bench } from './connection-bench.ts';
import type { PlaneStream } from './stream.ts';

const { maxConcurrentStreams } = DEFAULT_SETTINGS;
const FRAME_BYTES = 16_384;

/** A peer that sends all that it may, and keeps the books that a peer keeps. */
class Greedy {
  readonly #bench: Bench;
  readonly #windows = new Map<number, number>();
  #connection = 65_535;
  #read = 0;

  constructor(bench: Bench) {
    this.#bench = bench;
  }

  open(id: number): PlaneStream {
    this.#bench.connect(id);
    this.#windows.set(id, FIRST_WINDOW_BYTES);
    const stream = this.#bench.streams.at(-1);
    assert.ok(stream);
    stream.isAnswered = true;
    return stream;
  }

  /** Sends up to `bytes` on a stream; says how many it could. */
  send(id: number, bytes: number): number {
    let sent = 0;
    while (sent < bytes) {
      this.#settle();
      const window = this.#windows.get(id) ?? 0;
      const n = Math.min(FRAME_BYTES, bytes - sent, window, this.#connection);
      if (n <= 0) break;
      this.#windows.set(id, window - n);
      this.#connection -= n;
      sent += n;
      this.#bench.feed(frame(FRAME.DATA, 0, id, Buffer.alloc(n)));
    }
    return sent;
  }

  #settle(): void {
    for (; this.#read < this.#bench.sent.length; this.#read++) {
      const f = this.#bench.sent[this.#read];
      if (f?.type !== FRAME.WINDOW_UPDATE) continue;
      if (f.streamId === 0) this.#connection += f.number;
      else this.#windows.set(f.streamId, (this.#windows.get(f.streamId) ?? 0) + f.number);
    }
  }
}

describe('receiving', () => {
  it(`all ${maxConcurrentStreams} streams stall, some after a fast start, and hold no more than the limit`, () => {
    using bench = Bench.ready();
    const peer = new Greedy(bench);
    const ids = Array.from({ length: maxConcurrentStreams }, (_, i) => 2 * i + 1);
    for (const id of ids) {
      const stream = peer.open(id);
      stream.deliver(new Recorder());
      // Reads at first, so that its window grows as far as it may.
      if (id % 3 === 0) assert.equal(peer.send(id, 20 << 20), 20 << 20);
      stream.pause();
    }
    for (let round = 0; round < 3; round++) for (const id of ids) peer.send(id, 1 << 30);
    assert.ok(bench.connection.heldBytes > 48 << 20, `${bench.connection.heldBytes}`);
    assert.ok(bench.connection.heldBytes <= DEFAULT_H2_LIMITS.heldBytes, `${bench.connection.heldBytes}`);
    assert.equal(bench.isOver, false);
  });

  it('one stream whose reader reads goes at full speed beside all others stalled', () => {
    using bench = Bench.ready();
    const peer = new Greedy(bench);
    const stalled = Array.from({ length: maxConcurrentStreams - 1 }, (_, i) => 2 * i + 1);
    for (const id of stalled) {
      const stream = peer.open(id);
      stream.deliver(new Recorder());
      if (id % 3 === 0) peer.send(id, 8 << 20);
      stream.pause();
      peer.send(id, 1 << 30);
    }
    const live = peer.open(2 * maxConcurrentStreams - 1);
    const seen = new Recorder();
    live.deliver(seen);
    const bytes = 200 << 20;
    assert.equal(peer.send(live.id, bytes), bytes);
    assert.equal(seen.bytes, bytes);
  });

  it('streams that have ended and are not read count, too: in the end the connection waits, and goes on when they are', () => {
    using bench = Bench.ready();
    const peer = new Greedy(bench);
    const unread: PlaneStream[] = [];
    for (let i = 0, sent = 1; sent > 0 && i < 10_000; i++) {
      const stream = peer.open(2 * i + 1);
      stream.deliver(new Recorder());
      stream.pause();
      sent = peer.send(stream.id, 1 << 30);
      unread.push(stream);
      bench.feed(frame(FRAME.DATA, 1, stream.id));
      stream.end(); // both directions are over: nothing but what is unread remains
    }
    assert.equal(bench.connection.streamCount, 0);
    const most = DEFAULT_H2_LIMITS.heldBytes + DEFAULT_SETTINGS.connectionWindowBytes;
    assert.ok(bench.connection.heldBytes <= most, `${bench.connection.heldBytes}`);
    for (const stream of unread) stream.reset('cancel');
    assert.equal(bench.connection.heldBytes, 0);
    const next = peer.open(99_999);
    assert.equal(peer.send(next.id, 100_000), 100_000);
  });

  it('a window sent byte by byte costs twice its bytes, not an object for each', () => {
    const held = new HeldBytes();
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 256 * 1024; i++) held.push(Buffer.from([i]));
    assert.ok(process.memoryUsage().arrayBuffers - before < 4 << 20);
    const chunks: Buffer[] = [];
    for (let chunk = held.shift(); chunk; chunk = held.shift()) chunks.push(chunk);
    assert.ok(chunks.length < 20, `${chunks.length} chunks`);
    const all = Buffer.concat(chunks);
    assert.equal(all.length, 256 * 1024);
    assert.ok(all.every((byte, i) => byte === (i & 255)));
    assert.equal(held.bytes, 0);
  });
});

describe('sending', () => {
  const open = (bench: Bench): PlaneStream => {
    const stream = bench.connection.open([
      [':method', 'CONNECT'],
      [':authority', 'a:1'],
    ]);
    assert.ok(stream);
    return stream;
  };
  /** Writes as long as it may; says how much it has been allowed to. */
  const pour = (stream: PlaneStream) => {
    const chunk = Buffer.alloc(64 * 1024);
    const go = () => {
      while (stream.write(chunk));
    };
    stream.deliver({ data: () => {}, writable: go, end: () => {}, reset: () => {} });
    go();
  };
  const sentOn = (bench: Bench, id: number) =>
    bench.sent.filter((f) => f.type === FRAME.DATA && f.streamId === id).reduce((sum, f) => sum + f.length, 0);

  it('streams that all have much to say share a narrow wire in equal parts', () => {
    using bench = Bench.ready('client');
    bench.feed(settingsFrame([[SETTING.INITIAL_WINDOW_SIZE, 2 ** 30]]), numberFrame(FRAME.WINDOW_UPDATE, 0, 2 ** 30));
    bench.roomBytes = 0;
    const streams = Array.from({ length: 8 }, () => open(bench));
    for (const stream of streams) pour(stream);
    for (let i = 0; i < 400; i++) {
      bench.roomBytes = 100_000;
      bench.connection.drained();
    }
    const shares = streams.map((stream) => sentOn(bench, stream.id));
    assert.ok(Math.min(...shares) > 0.9 * Math.max(...shares), shares.join());
  });

  it('a stream whose peer grants nothing does not keep its neighbour from sending', () => {
    using bench = Bench.ready('client');
    bench.feed(numberFrame(FRAME.WINDOW_UPDATE, 0, 2 ** 30));
    const [stalled, live] = [open(bench), open(bench)];
    pour(stalled);
    pour(live);
    for (let i = 0; i < 1_000; i++) bench.feed(numberFrame(FRAME.WINDOW_UPDATE, live.id, 64 * 1024));
    assert.equal(sentOn(bench, stalled.id), 65_535);
    assert.equal(sentOn(bench, live.id), 65_535 + 1_000 * 64 * 1024);
  });
});
