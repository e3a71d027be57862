/** Bodies that wait: who does not read stops who sends, on that stream alone, and nothing is held beyond its windows. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { encodeHeaders, FLAG, FRAME, frame, numberFrame, SETTING } from '../../h2/index.ts';
import { memoryLegs } from '../../hbone/index.ts';
import {
  type Body,
  type BodyEvents,
  bodyOf,
  DEFAULT_LIMITS,
  HeaderFields,
  type HttpResponse,
  NO_BODY,
  readBody,
} from '../index.ts';
import { serveHttp2 } from './index.ts';
import { RawPeer } from './raw-peer.ts';
import { answer, connectTo, passingOn, requestOf, TestServer } from './stand.ts';

const PIECE = Buffer.alloc(16_000, 'p');
/** What may be under way of one stream: its windows, twice through a proxy, and what the kernel keeps of it. */
const UNDER_WAY_BYTES = 24 << 20;

/** As many bytes as are taken, up to a limit. */
class Source implements Body {
  readonly length = undefined;
  produced = 0;
  readonly #limit: number;
  #to: BodyEvents | undefined;
  #isPaused = false;
  #isRunning = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  deliver(to: BodyEvents): void {
    this.#to = to;
    this.#run();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#run();
  }

  cancel(): void {
    this.#to = undefined;
  }

  #run(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    while (!this.#isPaused && this.#to !== undefined && this.produced < this.#limit) {
      this.produced += PIECE.length;
      this.#to.data(PIECE);
    }
    this.#isRunning = false;
    if (this.produced < this.#limit || this.#isPaused) return;
    this.#to?.end(undefined);
    this.#to = undefined;
  }
}

/** Reads, or does not. */
class Reader implements BodyEvents {
  bytes = 0;
  readonly over = Promise.withResolvers<void>();
  data(view: Uint8Array): void {
    this.bytes += view.length;
  }
  end(): void {
    this.over.resolve();
  }
  failed(error: Error): void {
    this.over.reject(error);
  }
}

/** Until a number has not changed for a while. */
async function settledAt(look: () => number): Promise<number> {
  for (let last = -1, same = 0; ; ) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    same = look() === last ? same + 1 : 0;
    last = look();
    if (same === 10) return last;
  }
}

const download = (source: Body): HttpResponse => ({ status: 200, headers: new HeaderFields(), body: source });

describe('through a proxy over TCP', () => {
  it('who does not read stops the origin, while others on the same connections go on; then all of it comes', async () => {
    const slow = new Source(64 << 20);
    await using origin = new TestServer((request) => download(request.target === '/slow' ? slow : new Source(4 << 20)));
    await using upstream = await connectTo(origin.port);
    await using proxy = new TestServer(passingOn(() => upstream));
    await using client = await connectTo(proxy.port);
    const { body } = await client.send(requestOf({ target: '/slow' })).response;
    const reader = new Reader();
    body.deliver(reader);
    body.pause();
    const stopped = await settledAt(() => slow.produced);
    assert.ok(stopped < UNDER_WAY_BYTES, `${stopped} bytes were produced for nobody`);
    const others = await Promise.all([1, 2, 3].map(() => client.send(requestOf({ target: '/fast' })).response));
    for (const other of others) assert.ok((await readBody(other.body, 8 << 20)).length >= 4 << 20);
    assert.equal(slow.produced, stopped);
    body.resume();
    await reader.over.promise;
    assert.equal(reader.bytes, slow.produced);
  });

  it('a server that does not read stops the caller, while others go on; then all of it comes', async () => {
    const wanted = Promise.withResolvers<void>();
    let received = 0;
    await using origin = new TestServer(async (request) => {
      if (request.target !== '/slow')
        return answer(200, {}, bodyOf(String((await readBody(request.body, 8 << 20)).length)));
      await wanted.promise;
      const reader = new Reader();
      request.body.deliver(reader);
      await reader.over.promise;
      received = reader.bytes;
      return answer(200);
    });
    await using upstream = await connectTo(origin.port);
    await using proxy = new TestServer(passingOn(() => upstream));
    await using client = await connectTo(proxy.port);
    const slow = new Source(64 << 20);
    const call = client.send(requestOf({ method: 'POST', target: '/slow', body: slow }));
    const stopped = await settledAt(() => slow.produced);
    assert.ok(stopped < UNDER_WAY_BYTES, `${stopped} bytes were produced for nobody`);
    const other = await client.send(requestOf({ method: 'POST', target: '/fast', body: new Source(2 << 20) })).response;
    assert.ok(Number((await readBody(other.body, 100)).toString()) >= 2 << 20);
    assert.equal(slow.produced, stopped);
    wanted.resolve();
    assert.equal((await call.response).status, 200);
    assert.equal(received, slow.produced);
  });

  it('large responses share a connection: when the first is complete, the others are well on their way', async () => {
    const total = 8 << 20;
    await using origin = new TestServer(() => download(new Source(total)));
    await using client = await connectTo(origin.port);
    const readers = await Promise.all(
      [1, 2, 3, 4].map(async () => {
        const reader = new Reader();
        (await client.send(requestOf()).response).body.deliver(reader);
        return reader;
      }),
    );
    await Promise.race(readers.map((reader) => reader.over.promise));
    for (const reader of readers) assert.ok(reader.bytes > total / 4, `${reader.bytes} of ${total}`);
    await Promise.all(readers.map((reader) => reader.over.promise));
  });

  it('a caller that leaves stops the origin, however much is under way', async () => {
    const slow = new Source(1 << 30);
    await using origin = new TestServer(() => download(slow));
    await using upstream = await connectTo(origin.port);
    await using proxy = new TestServer(passingOn(() => upstream));
    const client = await connectTo(proxy.port);
    await client.send(requestOf()).response;
    await settledAt(() => slow.produced);
    client.cut();
    await client.closed;
    await settledAt(() => upstream.active + [...origin.connections].reduce((sum, one) => sum + one.active, 0));
    assert.equal(upstream.active, 0);
  });
});

describe('a server whose caller grants', () => {
  const get = (id: number) =>
    frame(
      FRAME.HEADERS,
      FLAG.END_HEADERS | FLAG.END_STREAM,
      id,
      encodeHeaders([
        [':method', 'GET'],
        [':scheme', 'http'],
        [':authority', 'a'],
        [':path', '/'],
      ]),
    );
  function serve(body: () => Body, settings: readonly (readonly [number, number])[]) {
    const [ours, theirs] = memoryLegs();
    const options = {
      handler: () => ({ status: 200, headers: new HeaderFields(), body: body() }),
      limits: DEFAULT_LIMITS,
      onRefused: () => {},
    };
    return { server: serveHttp2(ours, options), peer: new RawPeer(theirs, 'client', settings) };
  }

  it('nothing at first, and then byte by byte, sends so, and ends with no byte left', async () => {
    const { server, peer } = serve(() => bodyOf('hello'), [[SETTING.INITIAL_WINDOW_SIZE, 0]]);
    await peer.say(get(1)).settled();
    assert.deepEqual([peer.statusOf(1), peer.dataOf(1).length, peer.hasEnded(1)], ['200', 0, false]);
    for (const sent of ['h', 'he', 'hel', 'hell']) {
      await peer.say(numberFrame(FRAME.WINDOW_UPDATE, 1, 1)).settled();
      assert.deepEqual([peer.dataOf(1).toString(), peer.hasEnded(1)], [sent, false]);
    }
    await peer.say(numberFrame(FRAME.WINDOW_UPDATE, 1, 1)).settled();
    assert.deepEqual([peer.dataOf(1).toString(), peer.hasEnded(1), server.active], ['hello', true, 0]);
    server.cut();
  });

  it('nothing needs no window for an end without content', async () => {
    const { server, peer } = serve(() => ({ ...NO_BODY, length: undefined }), [[SETTING.INITIAL_WINDOW_SIZE, 0]]);
    await peer.say(get(1)).settled();
    assert.equal(peer.hasEnded(1), true);
    server.cut();
  });

  it('a window by SETTINGS that shrinks and grows again sends what there is', async () => {
    const { server, peer } = serve(() => bodyOf('x'.repeat(100)), [[SETTING.INITIAL_WINDOW_SIZE, 40]]);
    await peer.say(get(1)).settled();
    assert.equal(peer.dataOf(1).length, 40);
    const set = (bytes: number) => {
      const payload = Buffer.alloc(6);
      payload.writeUInt16BE(SETTING.INITIAL_WINDOW_SIZE, 0);
      payload.writeUInt32BE(bytes, 2);
      return frame(FRAME.SETTINGS, 0, 0, payload);
    };
    await peer.say(set(10), numberFrame(FRAME.WINDOW_UPDATE, 1, 30)).settled();
    assert.equal(peer.dataOf(1).length, 40);
    await peer.say(set(70)).settled();
    assert.equal(peer.dataOf(1).length, 100);
    server.cut();
  });

  it('ever more to a reader that keeps up', async () => {
    const [ours, theirs] = memoryLegs();
    const reader = new Reader();
    const handler = async (request: { readonly body: Body }) => {
      request.body.deliver(reader);
      await reader.over.promise;
      return answer(200);
    };
    const server = serveHttp2(ours, { handler, limits: DEFAULT_LIMITS, onRefused: () => {} });
    const peer = new RawPeer(theirs, 'client');
    const fields = encodeHeaders([
      [':method', 'POST'],
      [':scheme', 'http'],
      [':authority', 'a'],
      [':path', '/'],
    ]);
    await peer.say(frame(FRAME.HEADERS, FLAG.END_HEADERS, 1, fields)).settled();
    const sent = 40;
    for (let i = 0; i < sent; i++) await peer.say(frame(FRAME.DATA, 0, 1, Buffer.alloc(16_384))).settled();
    const granted = peer.of(FRAME.WINDOW_UPDATE, 1).reduce((sum, f) => sum + f.payload.readUInt32BE(0), 0);
    assert.ok(granted > sent * 16_384 + 256 * 1024, `${granted} were granted`);
    server.cut();
  });
});
