/**
 * Messages that two readers may read in two ways, to ours and to Node's parser in its strict setting: what ours takes, Node must
 * take too, and read as the same requests, fields and bodies. Ours may refuse more. AMBIT_FUZZ_SECONDS makes it longer,
 * AMBIT_FUZZ_SEED begins where a failure was.
 */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, METHODS, request as nodeRequest, type Server } from 'node:http';
import { duplexPair } from 'node:stream';
import { test } from 'node:test';
import { randomness } from '../../h2/index.ts';
import { type Leg, memoryLegs } from '../../hbone/index.ts';
import { settle } from '../../time/index.ts';
import { bodyOf, NO_BODY } from '../body.ts';
import { HeaderFields } from '../header-fields.ts';
import { type Body, type ClientConnection, DEFAULT_LIMITS } from '../message.ts';
import { connectHttp1 } from './client.ts';
import { isFraming } from './control-fields.ts';
import { mutated, pieces, type Random } from './mutation.ts';
import { serveHttp1 } from './server.ts';
import { get, RawPeer } from './stand.ts';

const BUDGET_MS = Number(process.env['AMBIT_FUZZ_SECONDS'] ?? 4) * 350; // each of three parts
const FIRST_SEED = Number(process.env['AMBIT_FUZZ_SEED'] ?? Date.now() % 1_000_000);

/** However slow the machine is. */
const FEWEST_ROUNDS = 200;

type Seen = { head: string; body: string; isWhole: boolean; readonly fields: readonly string[] };

async function rounds(one: (random: Random) => Promise<void>): Promise<void> {
  const until = performance.now() + BUDGET_MS;
  let seed = FIRST_SEED;
  for (; performance.now() < until || seed - FIRST_SEED < FEWEST_ROUNDS; seed += 1) {
    try {
      await one(randomness(Math.imul(seed + 1, 0x9e3779b1)));
    } catch (cause) {
      throw new Error(`AMBIT_FUZZ_SEED=${seed}`, { cause });
    }
  }
}

function collect(body: Body, seen: Seen, over: () => void): void {
  body.deliver({
    data: (view) => {
      seen.body += Buffer.from(view).toString('latin1');
    },
    end: () => {
      seen.isWhole = true;
      over();
    },
    failed: over,
  });
}

function collectNode(message: IncomingMessage, seen: Seen, over: () => void): void {
  message.setEncoding('latin1');
  message.on('data', (piece: string) => {
    seen.body += piece;
  });
  message.on('end', () => {
    seen.isWhole = true;
    over();
  });
  message.on('error', () => {});
}

/** Fields that both readers show: without those between neighbours, and what Connection names. */
function compared(list: readonly string[]): string[] {
  const named = new Set<string>();
  const kept: string[] = [];
  for (let at = 0; at < list.length; at += 2) {
    if (list[at]?.toLowerCase() === 'connection')
      for (const name of list[at + 1]?.split(',') ?? []) named.add(name.trim().toLowerCase());
  }
  for (let at = 0; at < list.length; at += 2) {
    const name = (list[at] as string).toLowerCase();
    if (!isFraming(name) && name !== 'expect' && !named.has(name)) kept.push(`${name}: ${list[at + 1]}`);
  }
  return kept;
}

async function ours(parts: readonly Buffer[]): Promise<Seen[]> {
  const all: Seen[] = [];
  const [near, far] = memoryLegs();
  const server = serveHttp1(near, {
    limits: DEFAULT_LIMITS,
    onRefused: () => {},
    handler: (request) => {
      const seen: Seen = {
        head: `${request.method} ${request.target} ${request.authority}`,
        body: '',
        isWhole: false,
        fields: compared(request.headers.list),
      };
      all.push(seen);
      const { promise, resolve } = Promise.withResolvers<void>();
      collect(request.body, seen, resolve);
      if (request.upgrade !== undefined) resolve();
      return promise.then(() => ({ status: 200, headers: new HeaderFields(), body: bodyOf('x') }));
    },
  });
  const peer = new RawPeer(far);
  for (const part of parts) far.write(part);
  far.end();
  await peer.over();
  await server.closed;
  return all;
}

const plain = /^http:\/\/[^/?]*/i;

/** As ours shows it: an absolute target by its path. */
function headOf(message: IncomingMessage): string {
  const { method = '', url = '', headers } = message;
  const rest = url.replace(plain, '');
  const target =
    rest === url ? url : rest === '' ? (method === 'OPTIONS' ? '*' : '/') : rest.startsWith('/') ? rest : `/${rest}`;
  return `${method} ${target} ${headers.host}`;
}

function nodeServer(all: Seen[]): Server {
  const server = createServer(
    { insecureHTTPParser: false, requestTimeout: 0, keepAliveTimeout: 0 },
    (message, response) => {
      const seen: Seen = { head: headOf(message), body: '', isWhole: false, fields: compared(message.rawHeaders) };
      all.push(seen);
      collectNode(message, seen, () => response.end('x'));
    },
  );
  server.on('clientError', () => {}); // what came before the error is still to be seen
  return server;
}

async function nodes(text: string): Promise<Seen[]> {
  const all: Seen[] = [];
  const server = nodeServer(all);
  const [near, far] = duplexPair({ allowHalfOpen: true });
  server.emit('connection', near);
  near.on('error', () => {});
  far.on('error', () => {});
  far.resume();
  far.end(Buffer.from(text, 'latin1'));
  const over = new Promise((resolve) => near.once('close', resolve));
  await Promise.race([over, settle().then(settle)]);
  near.destroy();
  far.destroy();
  server.close();
  return all;
}

/** A method that Node has never heard of is no ambiguity: it is passed on as it is. */
const isKnown = (seen: Seen): boolean => METHODS.includes(seen.head.split(' ', 1)[0] ?? '');

test('what our server takes, Node takes as the same requests', { timeout: 60_000 }, async () => {
  let taken = 0;
  let refused = 0;
  await rounds(async (random) => {
    const text = mutated('requests', random);
    const parts = [...pieces(text, random)];
    const [mine, theirs] = await Promise.all([ours(parts), nodes(text)]);
    for (const [i, seen] of mine.entries()) {
      if (!isKnown(seen)) break; // nothing after it can be compared
      const other = theirs[i];
      assert.ok(other !== undefined, `Node refused what we took: ${seen.head} in ${JSON.stringify(text)}`);
      assert.equal(seen.head, other.head, JSON.stringify(text));
      assert.deepEqual(seen.fields, other.fields, JSON.stringify(text));
      if (seen.isWhole) assert.deepEqual([seen.body, true], [other.body, other.isWhole], JSON.stringify(text));
      taken += 1;
    }
    if (mine.length < theirs.length) refused += 1;
  });
  assert.ok(taken > 50 && refused > 10, `too little was tried: ${taken} taken, ${refused} refused`);
});

/** Node's server behind a leg. */
function nodeBehind(far: Leg, all: Seen[]): void {
  const server = nodeServer(all);
  server.on('clientError', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'HPE_INVALID_EOF_STATE')
      all.push({ head: `refused: ${error}`, body: '', isWhole: false, fields: [] });
  });
  const [near, wire] = duplexPair({ allowHalfOpen: true });
  server.emit('connection', near);
  near.on('error', () => {});
  wire.on('error', () => {});
  wire.on('data', (bytes: Buffer) => void far.write(bytes));
  wire.on('end', () => far.end());
  far.deliver({
    data: (view) => void wire.write(Buffer.from(view)),
    writable: () => {},
    end: () => void wire.end(),
    reset: () => {
      near.destroy();
      wire.destroy();
    },
  });
}

test('what a proxy of both forwards, Node reads as exactly the requests that were decided on', {
  timeout: 60_000,
}, async () => {
  let forwarded = 0;
  await rounds(async (random) => {
    const text = mutated('requests', random);
    const decided: Seen[] = [];
    const arrived: Seen[] = [];
    let client: ClientConnection | undefined;
    const [near, far] = memoryLegs();
    const server = serveHttp1(near, {
      limits: DEFAULT_LIMITS,
      onRefused: () => {},
      handler: async (request) => {
        const { method, target, authority, headers } = request;
        if (!METHODS.includes(method)) return { status: 501, headers: new HeaderFields(), body: NO_BODY };
        decided.push({
          head: `${method} ${target} ${authority}`,
          body: '',
          isWhole: false,
          fields: compared(headers.list),
        });
        if (client === undefined || client.capacity === 0) {
          const [ours, theirs] = memoryLegs();
          nodeBehind(theirs, arrived);
          client = connectHttp1(ours, { limits: DEFAULT_LIMITS, onChange: () => {} });
        }
        const call = client.send(request);
        request.onAbort((error) => call.cancel(error));
        return await call.response;
      },
    });
    const peer = new RawPeer(far);
    for (const part of pieces(text, random)) far.write(part);
    far.end();
    await peer.over();
    await server.closed;
    await settle();
    client?.cut();
    const heads = (all: readonly Seen[]) => all.map((seen) => `${seen.head}\n${seen.fields.join('\n')}`);
    // One that the client left in its middle may not have come to anybody's eyes.
    assert.deepEqual(heads(arrived), heads(decided).slice(0, arrived.length), JSON.stringify(text));
    assert.ok(arrived.length >= decided.length - 1, JSON.stringify(text));
    forwarded += arrived.length;
  });
  assert.ok(forwarded > 50, `too little was tried: ${forwarded} forwarded`);
});

async function oursAsClient(parts: readonly Buffer[]): Promise<Seen | undefined> {
  const [near, far] = memoryLegs();
  const client = connectHttp1(near, { limits: DEFAULT_LIMITS, onChange: () => {} });
  const peer = new RawPeer(far);
  const call = client.send(get());
  for (const part of parts) far.write(part);
  far.end();
  try {
    const response = await call.response;
    const seen: Seen = {
      head: String(response.status),
      body: '',
      isWhole: false,
      fields: compared(response.headers.list),
    };
    const { promise, resolve } = Promise.withResolvers<void>();
    collect(response.body, seen, resolve);
    await promise;
    await settle();
    return peer.wasReset ? undefined : seen; // bytes behind the response: Node lets go of the response as well
  } catch {
    return undefined;
  } finally {
    client.cut();
    await client.closed;
  }
}

async function nodesAsClient(text: string): Promise<Seen | undefined> {
  const [near, far] = duplexPair({ allowHalfOpen: true });
  far.on('error', () => {});
  far.resume();
  const { promise, resolve } = Promise.withResolvers<Seen | undefined>();
  const request = nodeRequest({ host: '127.0.0.1', createConnection: () => near as never });
  request.on('error', () => resolve(undefined));
  let hasResponse = false;
  request.on('response', (message) => {
    hasResponse = true;
    const seen: Seen = {
      head: String(message.statusCode),
      body: '',
      isWhole: false,
      fields: compared(message.rawHeaders),
    };
    collectNode(message, seen, () => resolve(seen));
    message.on('close', () => resolve(seen));
  });
  request.on('close', () => {
    if (!hasResponse) resolve(undefined);
  });
  request.end();
  far.end(Buffer.from(text, 'latin1'));
  const seen = await promise;
  near.destroy();
  far.destroy();
  return seen;
}

test('what our client takes, Node takes as the same response', { timeout: 60_000 }, async () => {
  let taken = 0;
  let refused = 0;
  await rounds(async (random) => {
    const text = mutated('response', random);
    const parts = [...pieces(text, random)];
    const [mine, theirs] = await Promise.all([oursAsClient(parts), nodesAsClient(text)]);
    if (mine?.isWhole !== true) {
      refused += 1;
      return;
    }
    taken += 1;
    assert.ok(theirs !== undefined, `Node refused what we took: ${JSON.stringify(text)}`);
    assert.deepEqual(mine, theirs, JSON.stringify(text));
  });
  assert.ok(taken > 50 && refused > 10, `too little was tried: ${taken} taken, ${refused} refused`);
});
