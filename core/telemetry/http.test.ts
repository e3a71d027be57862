import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib';
import { request } from 'undici';
import {
  chooseCoding,
  LogFilter,
  loggingRoute,
  metricsRoute,
  Readiness,
  Registry,
  readinessRoute,
  serveHttp,
} from './index.ts';

test('metrics are the same under every content coding', async () => {
  const registry = new Registry();
  registry.gauge('istio_build', 'Build.', ['component']).labels(['ztunnel']).set(1);
  await using server = await serveHttp({ port: 0, host: 'localhost', routes: { '/metrics': metricsRoute(registry) } });
  const decode = { gzip: gunzipSync, br: brotliDecompressSync, zstd: zstdDecompressSync, deflate: inflateSync };
  for (const [coding, decompress] of Object.entries(decode)) {
    const { headers, body } = await request(`http://127.0.0.1:${server.port}/metrics`, {
      headers: { 'accept-encoding': coding, accept: 'application/openmetrics-text; version=1.0.0' },
    });
    assert.equal(headers['content-encoding'], coding);
    assert.equal(headers['content-type'], 'application/openmetrics-text;charset=utf-8;version=1.0.0');
    assert.equal(decompress(Buffer.from(await body.arrayBuffer())).toString(), registry.render().body);
  }
  assert.equal((await request(`http://127.0.0.1:${server.port}/other`)).statusCode, 404);
});

const CODINGS: readonly (readonly [string | undefined, string | undefined])[] = [
  [undefined, undefined],
  ['gzip', 'gzip'],
  ['gzip, deflate, br', 'br'],
  ['gzip;q=1.0, br;q=0.5', 'gzip'],
  ['*', 'zstd'],
  ['identity', undefined],
  ['gzip;q=0', undefined],
  ['identity;q=1, gzip;q=0.5', undefined],
];
for (const [header, want] of CODINGS) {
  test(`Accept-Encoding ${header} chooses ${want ?? 'no coding'}`, () => assert.equal(chooseCoding(header), want));
}

test('readiness names what is pending and can be lost again', async () => {
  const readiness = new Readiness();
  const [state, workloads] = [readiness.task('state manager'), readiness.task('workload proxy manager')];
  const routes = { '/healthz/ready': readinessRoute(readiness) };
  await using server = await serveHttp({ port: 0, host: '127.0.0.1', routes });
  const get = async (method: 'GET' | 'POST' = 'GET') => {
    const { statusCode, body } = await request(`http://127.0.0.1:${server.port}/healthz/ready`, { method });
    return [statusCode, await body.text()];
  };
  assert.deepEqual(await get(), [500, 'not ready, pending: state manager, workload proxy manager\n']);
  state.ready();
  workloads.ready();
  assert.deepEqual(await get(), [200, 'ready\n']);
  workloads.notReady();
  assert.deepEqual(await get(), [500, 'not ready, pending: workload proxy manager\n']);
  assert.equal((await get('POST'))[0], 405);
});

test('log levels are shown, changed and reset by POST only', async () => {
  const filter = new LogFilter('info');
  await using server = await serveHttp({ port: 0, host: '127.0.0.1', routes: { '/logging': loggingRoute(filter) } });
  const post = async (query: string, method: 'GET' | 'POST' = 'POST') => {
    const { statusCode, body } = await request(`http://127.0.0.1:${server.port}/logging${query}`, { method });
    return [statusCode, (await body.text()).split('\n')[0]];
  };
  assert.deepEqual(await post(''), [200, 'current log level is info']);
  assert.deepEqual(await post('?level=debug'), [200, 'current log level is debug']);
  assert.deepEqual(await post('?level=xds=trace,zds=warn'), [200, 'current log level is xds=trace,zds=warn,debug']);
  assert.deepEqual(await post('?reset&level=zds=error'), [200, 'current log level is zds=error,info']);
  assert.equal((await post('?level=xds=loud'))[0], 400);
  assert.equal((await post('', 'GET'))[0], 405);
});

test('a handler that fails is a 500 with its text, and the server lives on', async () => {
  const failures: string[] = [];
  await using server = await serveHttp({
    port: 0,
    host: '127.0.0.1',
    routes: {
      '/boom': () => {
        throw new Error('no luck');
      },
      '/ok': () => ({ body: 'fine' }),
    },
    onError: (_error, path) => failures.push(path),
  });
  const boom = await request(`http://127.0.0.1:${server.port}/boom`);
  assert.equal(boom.statusCode, 500);
  assert.equal(await boom.body.text(), 'no luck\n');
  assert.equal((await request(`http://127.0.0.1:${server.port}/ok`)).statusCode, 200);
  assert.deepEqual(failures, ['/boom']);
});

test('a taken port is refused at start', async () => {
  await using first = await serveHttp({ port: 0, host: '127.0.0.1', routes: {} });
  await assert.rejects(serveHttp({ port: first.port, host: '127.0.0.1', routes: {} }), { code: 'EADDRINUSE' });
});

test('a request path that is no path is answered with 400, and the process goes on', async () => {
  await using server = await serveHttp({ port: 0, host: '127.0.0.1', routes: { '/': () => ({ body: 'here' }) } });
  const ask = async (path: string): Promise<string> => {
    const socket = connect(server.port, '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.end(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    await once(socket, 'close');
    return answer.slice('HTTP/1.1 '.length, 'HTTP/1.1 200'.length);
  };
  for (const path of ['//', 'http://', 'http://[', '//:80', '/\\\\', 'http://a:99999/']) {
    assert.match(await ask(path), /400|404/, path);
  }
  assert.equal(await ask('/'), '200');
});

test('a neighbour that opens connections and says nothing does not take all descriptors of the process', async () => {
  const routes = { '/': () => ({ body: 'here' }) };
  await using server = await serveHttp({ port: 0, host: '127.0.0.1', routes, maxConnections: 4 });
  const open = () =>
    connect(server.port, '127.0.0.1')
      .on('error', () => {})
      .resume();
  const silent = [];
  for (let i = 0; i < 4; i++) {
    const socket = open();
    await once(socket, 'connect');
    silent.push(socket);
  }
  await once(open(), 'close'); // at once; the silent ones have two seconds to speak
  assert.ok(silent.every((socket) => !socket.closed));
  for (const socket of silent) socket.destroy();
});
