import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { KubeObject } from '../../mesh/index.ts';
import type { Cluster } from '../cluster.ts';
import { CliError } from '../errors.ts';
import { linesOver } from '../http-over.ts';
import { ambit, memoryCluster } from '../test-support.ts';
import { CLASS, namespace, object, pod, waypoint } from '../waypoint/test-waypoints.ts';
import { parseLine, type TapEntry } from './entry.ts';
import { tapLine } from './line.ts';

const ENTRY = {
  at: '2026-03-01T14:03:12.123456Z',
  method: 'GET',
  authority: 'cart.shop:8080',
  path: '/items?id=1',
  status: 200,
  flags: '-',
  durationMs: 12.3,
  upstreamMs: 9.04,
  protocol: 'HTTP/1.1',
  source: { principal: 'spiffe://cluster.local/ns/shop/sa/web', ip: '10.1.0.1', workload: 'web', namespace: 'shop' },
  destination: { service: 'shop/cart.shop.svc.cluster.local', port: 8080, endpoint: '10.1.0.2:9090' },
  route: 'canary',
  policy: { verdict: 'allow', because: 'shop/get-only, rule 0' },
  bytesReceived: 0,
  bytesSent: 120,
  requestId: 'a-b-c',
};
const DENIED = {
  ...ENTRY,
  path: '/admin',
  status: 403,
  upstreamMs: undefined,
  destination: { service: 'shop/cart.shop.svc.cluster.local', port: 8080 },
  route: undefined,
  policy: { verdict: 'deny', because: 'shop/no-admin, rule 0' },
  receipt: '01JZ0V8Q6M3W7R9X2K4T5N1B8C',
};

const lines: readonly [string, Readonly<Record<string, unknown>>, string][] = [
  [
    'a request that was answered',
    ENTRY,
    '14:03:12.123  200  GET cart.shop:8080/items?id=1  12ms (upstream 9.0ms)  web.shop -> cart.shop:8080 at 10.1.0.2:9090  route canary',
  ],
  [
    'a denial names its policy and receipt',
    DENIED,
    '14:03:12.123  403  GET cart.shop:8080/admin  12ms  web.shop -> cart.shop:8080  denied by shop/no-admin, rule 0 receipt 01JZ0V8Q6M3W7R9X2K4T5N1B8C',
  ],
  [
    'a failure says what its flags and details are',
    { ...ENTRY, status: 503, flags: 'UF', details: 'connect: refused', route: undefined, upstreamMs: undefined },
    '14:03:12.123  503  GET cart.shop:8080/items?id=1  12ms  web.shop -> cart.shop:8080 at 10.1.0.2:9090  UF connect: refused',
  ],
  [
    'a caller without a workload is known by its account, and then by its address',
    { ...ENTRY, source: { principal: 'spiffe://cluster.local/ns/shop/sa/web', ip: '10.1.0.1' }, route: undefined },
    '14:03:12.123  200  GET cart.shop:8080/items?id=1  12ms (upstream 9.0ms)  web.shop -> cart.shop:8080 at 10.1.0.2:9090',
  ],
  [
    'a request that a route has led to another service names both',
    { ...ENTRY, called: { service: 'shop/front.shop.svc.cluster.local', port: 80 } },
    '14:03:12.123  200  GET cart.shop:8080/items?id=1  12ms (upstream 9.0ms)  web.shop -> front.shop:80 -> cart.shop:8080 at 10.1.0.2:9090  route canary',
  ],
  ['the least that a line can hold', { at: 'now', durationMs: 0.25 }, 'now  ---  -   0.3ms  ? -> nobody'],
];
for (const [name, entry, expected] of lines) {
  test(`as a line: ${name}`, () =>
    assert.equal(tapLine(parseLine(JSON.stringify(entry), 'x') as TapEntry, false), expected));
}

/** A waypoint's admin port: writes lines to whoever taps, and keeps the answer open. */
async function adminServer(t: TestContext, entries: readonly object[], o: { readonly ends?: boolean } = {}) {
  const asked: string[] = [];
  const open = new Set<object>();
  const server: Server = createServer((request, response) => {
    if (request.url === '/none') return void response.writeHead(404).end('not found');
    asked.push(request.url ?? '');
    open.add(response);
    response.on('close', () => open.delete(response));
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    response.write('\n'); // as a sign of life
    const text = entries.map((entry) => `${JSON.stringify(entry)}\n`).join('');
    const half = Math.floor(text.length / 2); // lines arrive in pieces
    response.write(text.slice(0, half), () => {
      response.write(text.slice(half));
      if (o.ends) response.end();
    });
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { asked, open, port: (server.address() as AddressInfo).port };
}

/** Port-forwards of pods lead to these ports; others can not be reached. */
const forwarding =
  (ports: Readonly<Record<string, number>>): Cluster['podLines'] =>
  (to, _port, path, signal) => {
    const port = ports[`${to.namespace}/${to.name}`];
    if (port === undefined) throw new CliError('pod is gone');
    return linesOver(connect(port, '127.0.0.1'), { path, signal });
  };

const running = (path: string, of: string, ip = '10.1.0.9') => pod(path, of, { phase: 'Running', podIP: ip });
const MESH: readonly KubeObject[] = [
  CLASS,
  namespace('shop', { 'istio.io/use-waypoint': 'gate' }),
  waypoint('shop/gate'),
  waypoint('edge/gate'),
  running('shop/gate-1', 'gate'),
  running('shop/gate-2', 'gate'),
  running('edge/gate-1', 'gate'),
  object('Service', 'shop/cart'),
  object('Service', 'edge/front'),
  object('Pod', 'shop/web-7d9c-abcde', { status: { phase: 'Running', podIP: '10.1.0.1' } }),
];

test('requests of one service are shown as they end, from every pod of its waypoint', {
  timeout: 10_000,
}, async (t) => {
  const [one, two] = await Promise.all([adminServer(t, [ENTRY]), adminServer(t, [DENIED])]);
  const cluster = memoryCluster(MESH, { podLines: forwarding({ 'shop/gate-1': one.port, 'shop/gate-2': two.port }) });
  const args = ['tap', 'svc/cart.shop', '--max', '2', '--status', '5XX', '--path', '/items'];
  const { code, out, said } = await ambit(args, cluster);
  assert.equal(code, 0, said);
  assert.match(out, / 200 {2}GET cart\.shop:8080\/items/);
  assert.match(out, / 403 {2}GET cart\.shop:8080\/admin/);
  assert.deepEqual(one.asked, ['/tap?service=shop%2Fcart&status=5xx&path=%2Fitems']);
  assert.match(said, /Listening to 2 pods/);
});

test('ctrl-c ends it, with every port-forward', { timeout: 10_000 }, async (t) => {
  const [one, two] = await Promise.all([adminServer(t, [ENTRY]), adminServer(t, [ENTRY])]);
  const cluster = memoryCluster(MESH, { podLines: forwarding({ 'shop/gate-1': one.port, 'shop/gate-2': two.port }) });
  const key = new AbortController();
  let count = 0;
  const out = () => {
    count += 1;
    if (count === 2) key.abort();
  };
  const { code } = await ambit(['tap', '-n', 'shop'], cluster, { interrupted: key.signal, out });
  assert.equal(code, 0);
  while (one.open.size + two.open.size > 0) await new Promise((resolve) => setImmediate(resolve));
});

test('one waypoint that can not be reached is named, and the others are heard', { timeout: 10_000 }, async (t) => {
  const one = await adminServer(t, [ENTRY]);
  const cluster = memoryCluster(MESH, { podLines: forwarding({ 'shop/gate-1': one.port }) });
  const { code, said } = await ambit(['tap', 'waypoint/gate.shop', '--max', '1', '-o', 'json'], cluster);
  assert.equal(code, 0);
  assert.deepEqual(one.asked, ['/tap?max=1']);
  assert.match(said, /waypoint shop\/gate-2 is not heard: pod is gone/);
});

test('when no waypoint is left the command fails', { timeout: 10_000 }, async (t) => {
  const one = await adminServer(t, [ENTRY], { ends: true });
  const cluster = memoryCluster(MESH, { podLines: forwarding({ 'edge/gate-1': one.port }) });
  const { code, out, said } = await ambit(['tap', 'waypoint/gate.edge', '-o', 'json'], cluster);
  assert.equal(code, 1);
  assert.equal((JSON.parse(out) as { readonly waypoint: string }).waypoint, 'edge/gate-1');
  assert.match(said, /waypoint edge\/gate-1 has ended\n.*no waypoint is left/);
});

test('a pod is told by its addresses, at whichever waypoint', { timeout: 10_000 }, async (t) => {
  const other = { ...ENTRY, source: { ip: '10.1.0.77', workload: 'other' } };
  const to = { ...other, path: '/to', destination: { ...ENTRY.destination, endpoint: '10.1.0.1:8080' } };
  const one = await adminServer(t, [other, ENTRY, to]);
  const ports = { 'shop/gate-1': one.port, 'shop/gate-2': one.port, 'edge/gate-1': one.port };
  const cluster = memoryCluster(MESH, { podLines: forwarding(ports) });
  const { out } = await ambit(['tap', 'pod/web.shop', '--max', '4', '-o', 'json'], cluster);
  const paths = out.split('\n').map((line) => (JSON.parse(line) as { readonly path: string }).path);
  assert.equal(paths.length, 4);
  assert.deepEqual(new Set(paths), new Set(['/items?id=1', '/to']));
  assert.deepEqual(new Set(one.asked), new Set(['/tap']), 'who leaves out requests here counts here');
});

test('a waypoint that knows no tap is said to, and a line that is no request ends its part', {
  timeout: 10_000,
}, async (t) => {
  const one = await adminServer(t, [{ at: 'now' }]);
  const podLines: Cluster['podLines'] = (to, _port, path, signal) =>
    linesOver(connect(one.port, '127.0.0.1'), { path: to.name === 'gate-1' ? '/none' : path, signal });
  const { code, said } = await ambit(['tap', 'waypoint/gate.shop'], memoryCluster(MESH, { podLines }));
  assert.equal(code, 1);
  assert.match(said, /gate-1 is not heard: it does not know \/tap: is it one of Ambit\?/);
  assert.match(said, /gate-2 is not heard: waypoint shop\/gate-2: not a request: durationMs/);
});

test('requests that a waypoint could not tell of are counted', { timeout: 10_000 }, async (t) => {
  const one = await adminServer(t, [{ lost: 7 }, ENTRY]);
  const cluster = memoryCluster(MESH, { podLines: forwarding({ 'edge/gate-1': one.port }) });
  const { out, said } = await ambit(['tap', 'waypoint/gate.edge', '--max', '1', '--method', 'get'], cluster);
  assert.match(said, /waypoint edge\/gate-1: 7 requests are not shown: this reader was too slow/);
  assert.equal(out.split('\n').length, 1);
  assert.deepEqual(one.asked, ['/tap?method=GET&max=1']);
});

test('what a caller sends can not drive the terminal', { timeout: 10_000 }, async (t) => {
  const one = await adminServer(t, [{ ...ENTRY, path: '/\u001b[2J\u009b1m\u202egnp' }]);
  const cluster = memoryCluster(MESH, { podLines: forwarding({ 'edge/gate-1': one.port }) });
  const { out } = await ambit(['tap', 'waypoint/gate.edge', '--max', '1'], cluster);
  assert.match(out, /\/\\u001b\[2J\\u009b1m\\u202egnp/);
  const json = (await ambit(['tap', 'waypoint/gate.edge', '--max', '1', '-o', 'json'], cluster)).out;
  assert.match(json, /\/\\u001b\[2J\\u009b1m\\u202egnp/);
  assert.equal(
    (JSON.parse(json) as { readonly path: string }).path,
    '/\u001b[2J\u009b1m\u202egnp',
    'JSON loses nothing',
  );
});

test('colours are for terminals', { timeout: 10_000 }, async (t) => {
  const one = await adminServer(t, [ENTRY]);
  const cluster = memoryCluster(MESH, { podLines: forwarding({ 'edge/gate-1': one.port }) });
  const args = ['tap', 'waypoint/gate.edge', '--max', '1'];
  assert.equal((await ambit(args, cluster)).out.includes('\u001b'), false);
  assert.equal((await ambit(args, cluster, { isTerminal: true })).out.includes('\u001b[32m200\u001b[0m'), true);
});

const NONE = memoryCluster([CLASS, namespace('shop')]);
const refusals: readonly [string, readonly string[], Cluster, number, RegExp][] = [
  ['what is no target', ['deploy/web'], memoryCluster(MESH), 2, /expected svc\/NAME\.NAMESPACE, pod/],
  ['a status that is none', ['--status', 'bad'], memoryCluster(MESH), 2, /expected a status such as 404/],
  ['a path without a slash', ['--path', 'x'], memoryCluster(MESH), 2, /a path starts with \//],
  ['no waypoint', ['-n', 'shop'], NONE, 1, /there is no waypoint in namespace shop \(-A looks everywhere\)/],
  ['a service that is not there', ['svc/nobody.shop'], memoryCluster(MESH), 1, /there is no service shop\/nobody/],
  [
    'a service without a waypoint',
    ['svc/front', '-n', 'edge'],
    memoryCluster(MESH),
    1,
    /service edge\/front uses no waypoint.*kubectl label service front -n edge/,
  ],
  ['a waypoint that is not there', ['waypoint/door.shop'], memoryCluster(MESH), 1, /in that namespace there is gate/],
  [
    'a waypoint without pods',
    ['waypoint/gate.shop'],
    memoryCluster([CLASS, waypoint('shop/gate')]),
    1,
    /no pod of waypoint shop\/gate runs: `ambit waypoint status gate -n shop`/,
  ],
];
for (const [name, args, cluster, code, message] of refusals) {
  test(`${name} can not be tapped`, async () => {
    const answer = await ambit(['tap', ...args], cluster);
    assert.equal(answer.code, code, answer.said);
    assert.match(answer.said, message);
  });
}
