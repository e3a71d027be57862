/**
 * The part that the compiler can't check: memory that OpenSSL, nghttp2 and libuv hold while the collector runs.
 * AMBIT_STRESS_CONNECTIONS makes it longer (100000 takes some ten minutes), AMBIT_STRESS_SEED repeats a run.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { mustParseIp } from '../../../mesh/index.ts';
import { TestCa } from '../../../test/support/certificates.ts';
import { randomness } from '../../h2/index.ts';
import { connectTcp, listenTcp, localAddress, type TcpConnection, TcpListener } from '../../net/index.ts';
import {
  type ConnectRequest,
  createHboneClient,
  createHboneServer,
  type HboneClient,
  type HboneServer,
  type TlsMaterial,
} from '../index.ts';
import { eventually } from '../leg-contract.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const CONNECTIONS = Number(process.env['AMBIT_STRESS_CONNECTIONS'] ?? 2_000);
const SEED = Number(process.env['AMBIT_STRESS_SEED'] ?? Date.now() % 2 ** 31);
const AT_ONCE = 40;
const BYTES = 60_000;
/** Between the first tenth of a run and its end, of the process and of what V8 does not manage. */
const MAX_RSS_GROWTH_BYTES = 64 << 20;
const MAX_EXTERNAL_GROWTH_BYTES = 8 << 20;

const WAYS = [
  'whole',
  'half-close from the server first',
  'reset by the client',
  'reset by the server',
  'the client dies',
  'the server refuses',
  'ends twice, resets twice',
  'expired certificate',
  'a hello that breaks off',
  'a hello that goes wrong',
  'hangs up unheard',
] as const;

type Random = (below: number) => number;

/** Where connections come in, and what serves them: raw, like the ztunnel's. */
function listen(server: HboneServer): Disposable & { readonly port: number } {
  const fd = listenTcp({ ip: '127.0.0.1', port: 0 });
  const port = localAddress(fd)?.port ?? 0;
  const listener = new TcpListener(fd, (connection) => server.accept(connection), {
    perTurn: 64,
    onError: (error) => assert.fail(error),
  });
  return { port, [Symbol.dispose]: () => listener[Symbol.dispose]() };
}

/** Echoes; the authority says what else is to happen. */
function serve(request: ConnectRequest): void {
  const [way] = request.authority.split('.');
  if (way === 'refuse') return void request.refuse(401);
  const leg = request.respond(200);
  let echoed = 0;
  if (way === 'half') leg.end();
  leg.deliver({
    data: (view) => {
      echoed += view.length;
      if (way === 'reset' && echoed > BYTES / 2) leg.reset('connect-error');
      else if (way !== 'half' && !leg.write(view)) leg.pause();
    },
    writable: () => leg.resume(),
    end: () => leg.end(),
    reset: () => {},
  });
}

/** The start of a ClientHello: enough for OpenSSL to wait for more. */
const HELLO = Buffer.from('1603010200010001fc0303', 'hex');
const authorityFor: Partial<Record<(typeof WAYS)[number], string>> = {
  'half-close from the server first': 'half.test:80',
  'reset by the server': 'reset.test:80',
  'the server refuses': 'refuse.test:80',
};

class Stress {
  readonly #client: HboneClient;
  readonly #port: number;
  readonly #material: { readonly good: TlsMaterial; readonly expired: TlsMaterial };
  readonly #server: TlsMaterial;
  readonly done = new Map<string, number>();

  constructor(
    client: HboneClient,
    port: number,
    server: TlsMaterial,
    material: { good: TlsMaterial; expired: TlsMaterial },
  ) {
    this.#client = client;
    this.#port = port;
    this.#server = server;
    this.#material = material;
  }

  async one(i: number, random: Random): Promise<void> {
    const way = WAYS[random(WAYS.length)] ?? 'whole';
    this.done.set(way, (this.done.get(way) ?? 0) + 1);
    const dial = () => connectTcp({ to: { ip: '127.0.0.1', port: this.#port } });
    if (way === 'hangs up unheard') return closeSomehow(await dial(), random);
    if (way === 'a hello that breaks off' || way === 'a hello that goes wrong') {
      const socket = (await dial()).toSocket();
      socket.on('error', () => {}); // the server may be faster
      socket.write(way === 'a hello that breaks off' ? HELLO : Buffer.concat([HELLO, Buffer.alloc(600, random(256))]));
      if (random(2) === 0) await new Promise((resolve) => setImmediate(resolve));
      if (random(2) === 0) socket.resetAndDestroy();
      socket.destroy();
      return;
    }
    let raw: TcpConnection | undefined;
    const opening = this.#client.open({
      dial: { ip: mustParseIp('127.0.0.1'), port: this.#port },
      source: way === 'expired certificate' ? this.#material.expired : this.#material.good,
      expected: [this.#server.identity],
      authority: authorityFor[way] ?? 'echo.test:80',
      headers: {},
      connect: async () => {
        raw = await dial();
        return raw;
      },
      poolKey: String(i),
    });
    if (way === 'expired certificate' || way === 'the server refuses') {
      await assert.rejects(opening);
      return;
    }
    const { leg } = await opening;
    const payload = Buffer.alloc(BYTES, i);
    const { promise, resolve } = Promise.withResolvers<string>();
    let echoed = 0;
    leg.deliver({
      data: (view) => {
        assert.ok(payload.subarray(0, view.length).equals(view), 'the bytes are those that were sent');
        echoed += view.length;
        if (echoed < BYTES / 2) return;
        if (way === 'reset by the client') leg.reset('cancel');
        if (way === 'the client dies' && raw) closeSomehow(raw, random);
        if (way === 'ends twice, resets twice') {
          leg.end();
          leg.reset('cancel');
          leg.reset('connect-error');
          if (raw) closeSomehow(raw, random);
        }
      },
      writable: () => {},
      end: () => resolve('end'),
      reset: (code) => resolve(code),
    });
    for (let at = 0; at < BYTES; at += BYTES / 4) leg.write(payload.subarray(at, at + BYTES / 4));
    leg.end();
    const ended = await promise;
    if (way === 'whole') assert.deepEqual([ended, echoed], ['end', BYTES]);
    if (way === 'half-close from the server first') assert.deepEqual([ended, echoed], ['end', 0]);
    await leg.closed;
  }
}

/** And once more: whoever closes may do it twice. */
function closeSomehow(connection: TcpConnection, random: Random): void {
  if (random(2) === 0) connection.reset();
  connection.close();
  connection.close();
}

type Usage = { readonly fds: number; readonly rss: number; readonly external: number; readonly handles: number };

function usage(): Usage {
  collect();
  const { rss, external } = process.memoryUsage();
  return {
    fds: readdirSync('/proc/self/fd').length,
    rss,
    external,
    handles: process.getActiveResourcesInfo().length,
  };
}

it('thousands of connections that end in every way, under forced collection: no crash, and nothing stays', async (t) => {
  const ca = await TestCa.create();
  const [cart, web] = [ca.id('shop', 'cart'), ca.id('shop', 'web')];
  const own = await ca.material(cart);
  const refused = new Map<string, number>();
  const server = createHboneServer({
    implementation: 'plane',
    material: () => Promise.resolve(own),
    onHandshakeError: (error) => void refused.set(error.code, (refused.get(error.code) ?? 0) + 1),
    onConnect: serve,
    settings: { maxHandshakes: 4 * AT_ONCE, maxWaitingHandshakes: 16 * AT_ONCE },
  });
  const listener = listen(server);
  const client = createHboneClient({ implementation: 'plane', poolUnusedReleaseMs: 1 });
  const stress = new Stress(client, listener.port, own, {
    good: await ca.material(web),
    expired: await ca.expired(web),
  });
  const before = usage();
  const random = randomness(SEED);
  let early: Usage | undefined;
  for (let i = 0; i < CONNECTIONS; i += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, (_, n) => stress.one(i + n, random)));
    if (i % (5 * AT_ONCE) === 0) collect();
    if (early === undefined && i >= CONNECTIONS / 10) early = usage();
    if (i % 10_000 === 0 && i > 0) t.diagnostic(`${i}: ${JSON.stringify(usage())}`);
  }
  await eventually('tunnels are gone', () => server.stats().tunnels === 0 && client.stats().tunnels === 0, 10_000);
  await client[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  listener[Symbol.dispose]();
  await eventually('descriptors and handles are back', () => {
    const now = usage();
    return now.fds <= before.fds && now.handles <= before.handles;
  });
  const after = usage();
  const told = JSON.stringify({ seed: SEED, before, early, after, ways: Object.fromEntries(stress.done) });
  t.diagnostic(told);
  assert.equal(refused.get('EXPIRED'), stress.done.get('expired certificate'), told);
  assert.ok(early && after.rss - early.rss < MAX_RSS_GROWTH_BYTES, told);
  assert.ok(after.external - early.external < MAX_EXTERNAL_GROWTH_BYTES, told);
});
