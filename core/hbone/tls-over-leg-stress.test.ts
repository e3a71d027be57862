/**
 * TLS over connections that are real, ended in every way while the collector runs. AMBIT_STRESS_TLS makes it longer,
 * AMBIT_STRESS_SEED repeats a run.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { it } from 'node:test';
import { createSecureContext, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { TestCa } from '../../test/support/certificates.ts';
import { randomness } from '../h2/index.ts';
import { connectTcp } from '../net/index.ts';
import { eventually } from './leg-contract.ts';
import { tcpLeg } from './tcp-leg.ts';
import { secureLeg } from './tls-over-leg.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const CONNECTIONS = Number(process.env['AMBIT_STRESS_TLS'] ?? 400);
const SEED = Number(process.env['AMBIT_STRESS_SEED'] ?? Date.now() % 2 ** 31);
const AT_ONCE = 20;
const BYTES = 50_000;
/** Between the first quarter of a run and its end. */
const MAX_EXTERNAL_GROWTH_BYTES = 8 << 20;

const [ca, stranger] = await Promise.all([TestCa.create(), TestCa.create()]);
const NAME = 'api.example.com';
const serving = await ca.authority.issueServing({ dnsNames: [NAME], ttlSeconds: 3600, now: new Date() });
const ours = createSecureContext({ ca: ca.authority.rootPem });
const others = createSecureContext({ ca: stranger.authority.rootPem });

/** What servers do; those that speak no TLS come last. */
const TLS: Readonly<Record<string, (socket: TLSSocket) => void>> = {
  echoes: (socket) => socket.pipe(socket),
  'ends at once': (socket) => socket.resume().end(),
  'goes after some bytes': (socket) => socket.once('data', () => socket.write('x', () => socket.destroy())),
  'goes as soon as TLS stands': (socket) => socket.destroy(),
};
const PLAIN: Readonly<Record<string, (socket: Socket) => void>> = {
  'hangs up when it is called': (socket) => socket.destroy(),
  'resets at the hello': (socket) => socket.once('data', () => socket.resetAndDestroy()),
  'answers with something else': (socket) => socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
  'says nothing': (socket) => socket.resume(),
};

/** What callers do beside that. */
const CALLERS = [
  'stays',
  'resets',
  'ends twice, resets twice',
  'aborts',
  'wants another name',
  'trusts another',
] as const;
type Caller = (typeof CALLERS)[number];

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return address.port;
}

function servers(): ReadonlyMap<string, Server> {
  const quiet = (socket: Socket) => void socket.on('error', () => {}); // its peers go without a word
  const tls = Object.entries(TLS).map(([name, serve]) => {
    const server = createTlsServer({ cert: serving.certPem, key: serving.keyPem, handshakeTimeout: 2_000 });
    server.on('secureConnection', (socket) => {
      quiet(socket);
      serve(socket);
    });
    return [name, server.on('tlsClientError', () => {})] as const;
  });
  const plain = Object.entries(PLAIN).map(([name, serve]) => [name, createServer(serve)] as const);
  return new Map([...tls, ...plain].map(([name, server]) => [name, server.on('connection', quiet)]));
}

type Called = { readonly port: number; readonly timeoutMs: number };

/** How one connection went: `refused` without TLS, else how the leg ended. */
async function call({ port, timeoutMs }: Called, caller: Caller, abortAfterTurns: number): Promise<string> {
  const gone = new AbortController();
  const below = tcpLeg(await connectTcp({ to: { ip: '127.0.0.1', port } }));
  const judge = () => (caller === 'wants another name' ? 'it is another' : undefined);
  const context = caller === 'trusts another' ? others : ours;
  if (caller === 'aborts') void afterTurns(abortAfterTurns).then(() => gone.abort(new Error('it went')));
  const secured = await secureLeg(
    below,
    { context, serverName: NAME, protocols: [], judge },
    timeoutMs,
    gone.signal,
  ).catch((error: unknown) => assert.ok(error instanceof Error));
  if (secured === undefined) {
    await below.closed;
    return 'refused';
  }
  const { leg } = secured;
  const { promise, resolve } = Promise.withResolvers<string>();
  let echoed = 0;
  leg.deliver({
    data: (view) => {
      echoed += view.length;
      if (caller === 'resets') leg.reset('cancel');
      if (caller !== 'ends twice, resets twice') return;
      leg.end();
      leg.end();
      leg.reset('cancel');
      leg.reset('connect-error');
    },
    writable: () => {},
    end: () => resolve(echoed === BYTES ? 'whole' : 'ended'),
    reset: () => resolve('reset'),
  });
  leg.write(Buffer.alloc(BYTES, 1));
  leg.end();
  const ended = await promise;
  await Promise.all([leg.closed, below.closed]);
  return ended;
}

async function afterTurns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

function usage() {
  collect();
  const { external } = process.memoryUsage();
  return { fds: readdirSync('/proc/self/fd').length, external, handles: process.getActiveResourcesInfo().length };
}

it('hundreds of connections that end in every way, under forced collection: no crash, and nothing stays', async (t) => {
  const before = usage();
  const all = servers();
  t.after(() => {
    for (const server of all.values()) server.close().unref();
  });
  const called = await Promise.all(
    [...all].map(async ([name, server]) => {
      const timeoutMs = name === 'says nothing' ? 50 : 10_000;
      return { name, port: await listen(server), timeoutMs };
    }),
  );
  const random = randomness(SEED);
  const seen = new Map<string, number>();
  let early: ReturnType<typeof usage> | undefined;
  const one = async () => {
    const server = called[random(called.length)] ?? assert.fail();
    const caller = CALLERS[random(CALLERS.length)] ?? 'stays';
    const ended = await call(server, caller, random(12));
    const { name } = server;
    if (name in PLAIN || caller.includes('another')) assert.equal(ended, 'refused', `${caller}; the server ${name}`);
    if (name === 'echoes' && caller === 'stays') assert.equal(ended, 'whole');
    seen.set(ended, (seen.get(ended) ?? 0) + 1);
  };
  for (let i = 0; i < CONNECTIONS; i += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, one));
    collect();
    if (i >= CONNECTIONS / 4) early ??= usage();
  }
  await Promise.all([...all.values()].map((server) => once(server.close(), 'close')));
  await eventually('descriptors and handles are back', () => {
    const now = usage();
    return now.fds <= before.fds && now.handles <= before.handles;
  });
  const told = JSON.stringify({ seed: SEED, before, early, after: usage(), ends: Object.fromEntries(seen) });
  t.diagnostic(told);
  assert.deepEqual([...seen.keys()].sort(), ['ended', 'refused', 'reset', 'whole'], told);
  assert.ok(early && usage().external - early.external < MAX_EXTERNAL_GROWTH_BYTES, told);
});
