import assert from 'node:assert/strict';
import type { lookup } from 'node:dns';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { refusal } from '../refused-addresses.ts';
import { type FetcherOptions, openFetcher } from './fetch-json.ts';

/** As if a name meant these addresses. */
const meaning = (...addresses: readonly string[]) =>
  ((_name: string, _options: unknown, callback: (error: null, all: unknown) => void) =>
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )) as typeof lookup;

async function serving(t: TestContext, handler: RequestListener, options: Partial<FetcherOptions> = {}) {
  const server = createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const fetcher = openFetcher({ refusal: () => undefined, ...options });
  t.after(async () => {
    await fetcher[Symbol.asyncDispose]();
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { fetch: fetcher.fetch, port };
}

test('a document is fetched by name and by address', async (t) => {
  const { fetch, port } = await serving(t, (req, res) => res.end(JSON.stringify({ at: req.url })), {
    lookup: meaning('127.0.0.1'),
  });
  assert.deepEqual(await fetch(`http://keys.example:${port}/a`, 5_000), { at: '/a' });
  assert.deepEqual(await fetch(`http://127.0.0.1:${port}/b`, 5_000), { at: '/b' });
});

test('nobody is called at an address that is refused, whether written out or meant by a name', async (t) => {
  let calls = 0;
  const handler: RequestListener = (_req, res) => {
    calls++;
    res.end('{}');
  };
  const rows: readonly [string, string, readonly string[], RegExp][] = [
    ['by address', '127.0.0.1', [], /127\.0\.0\.1 is loopback/],
    ['by an address of IPv6', '[::1]', [], /::1 is loopback/],
    ['by another spelling', '2130706433', [], /127\.0\.0\.1 is loopback/],
    ['mapped', '[::ffff:127.0.0.1]', [], /127\.0\.0\.1 is loopback/],
    ['by name', 'keys.example', ['127.0.0.1'], /keys\.example is 127\.0\.0\.1, loopback/],
    ['by a name of the metadata service', 'keys.example', ['169.254.169.254'], /link-local/],
    ['by a name that means nothing', 'keys.example', [], /keys\.example is nowhere/],
  ];
  for (const [name, host, addresses, expected] of rows) {
    const { fetch, port } = await serving(t, handler, { refusal, lookup: meaning(...addresses) });
    await assert.rejects(fetch(`http://${host}:${port}/`, 5_000), expected, name);
  }
  assert.equal(calls, 0);
});

test('of several addresses only those that may be called are', async (t) => {
  const allowLoopback = (ip: string) => (ip === '127.0.0.1' ? undefined : 'refused');
  const { fetch, port } = await serving(t, (_req, res) => res.end('1'), {
    refusal: allowLoopback,
    lookup: meaning('127.0.0.9', '127.0.0.1'),
  });
  assert.equal(await fetch(`http://keys.example:${port}/`, 5_000), 1);
});

test('a redirect is not followed', async (t) => {
  const { fetch, port } = await serving(t, (req, res) => {
    if (req.url === '/') res.writeHead(302, { location: '/elsewhere' }).end();
    else res.end('{}');
  });
  await assert.rejects(fetch(`http://127.0.0.1:${port}/`, 5_000), /status 302: redirects are not followed/);
});

test('what is too large, too late or no JSON is an error that says so', async (t) => {
  const { fetch, port } = await serving(t, (req, res) => {
    if (req.url === '/large') res.end(Buffer.alloc(2 << 20, '[1,'));
    else if (req.url === '/text') res.end('keys');
    else if (req.url === '/missing') res.writeHead(404).end();
    else res.write('{'); // and no more
  });
  const url = (path: string) => `http://127.0.0.1:${port}${path}`;
  await assert.rejects(fetch(url('/large'), 5_000), /JWKS_FETCH_FAILED/);
  await assert.rejects(fetch(url('/text'), 5_000), /not valid JSON/);
  await assert.rejects(fetch(url('/missing'), 5_000), /status 404/);
  await assert.rejects(fetch(url('/slow'), 50), /no answer in time/);
});
