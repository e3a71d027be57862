/** Routes at work on real sockets: what the conformance tests for gateways ask of a route, and what goes beyond them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, type IncomingMessage, request as nodeRequest } from 'node:http';
import { connect as connectTcp } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { routeYaml, to } from '../conformance/objects.ts';
import { shares } from '../conformance/scenario.ts';
import { eventually } from '../support/netns.ts';
import { EchoMesh } from './echo-mesh.ts';

const http = (rule: string, parent = 'echo:80', name = 'r') => routeYaml('HTTPRoute', name, parent, `[${rule}]`);
const V1 = `backendRefs: [${to('echo-v1')}]`;

test('HTTPRouteTimeoutRequest: what takes too long is 504, and a timeout of zero is none', async (t) => {
  const timed = (path: string, request: string) =>
    `{ matches: [{ path: { value: ${path} } }], timeouts: { request: ${request} }, ${V1} }`;
  const rules = `${timed('/short', '100ms')}, ${timed('/ample', '20s')}, { matches: [{ path: { value: /zero } }], timeouts: { request: 0s }, ${V1} }`;
  const mesh = await EchoMesh.start(t, http(rules));
  mesh.misbehave = (req) => (req.url === '/short' ? 'hang' : undefined);
  assert.equal((await mesh.get('/ample')).status, 200);
  const late = await mesh.get('/short');
  assert.deepEqual([late.status, late.body], [504, 'upstream request timeout']);
  await mesh.world.logged(
    /"response_code":504,"response_flags":"UT","response_code_details":"upstream_response_timeout"/,
  );
  assert.equal((await mesh.get('/zero')).status, 200);
});

test('HTTPRouteTimeoutBackendRequest, HTTPRouteRetryWithTimeouts: each try has its own time, all together that of the request', async (t) => {
  const rules = `{ timeouts: { request: 20s, backendRequest: 100ms }, retry: { attempts: 5, backoff: 1ms }, ${V1} }`;
  const mesh = await EchoMesh.start(t, http(rules));
  let calls = 0;
  mesh.misbehave = () => (++calls < 3 ? 'hang' : undefined);
  assert.equal((await mesh.get('/')).status, 200);
  mesh.misbehave = () => 'hang';
  assert.equal((await mesh.get('/')).status, 504);
  await mesh.world.logged(/"response_code":504,.*"response_code_details":"upstream_per_try_timeout"/);
});

test('HTTPRouteRetry: listed codes are tried again, as often as the route says, with the whole body', async (t) => {
  const rules = `{ retry: { attempts: 2, codes: [500, 503], backoff: 1ms }, ${V1} }`;
  const mesh = await EchoMesh.start(t, http(rules));
  let calls = 0;
  mesh.misbehave = () => (++calls <= 2 ? 503 : undefined);
  const { status, seen } = await mesh.get('/', { method: 'POST', body: 'the whole body' });
  assert.deepEqual([status, seen.body, calls], [200, 'the whole body', 3]);
  calls = -9;
  assert.equal((await mesh.get('/')).status, 503);
  assert.equal(calls, -6);
  await mesh.world.logged(/"response_code":503,"response_flags":"URX"/);
  calls = 0;
  mesh.misbehave = () => (++calls <= 2 ? 502 : undefined);
  assert.equal((await mesh.get('/')).status, 502, 'a code that is not listed');
});

test('HTTPRouteRetryConnectionError: connections that break are tried again, also for a POST', async (t) => {
  const mesh = await EchoMesh.start(t, http(`{ retry: { attempts: 3, backoff: 1ms }, ${V1} }`));
  let calls = 0;
  mesh.misbehave = () => (++calls <= 2 ? 'cut' : undefined);
  const { status, seen } = await mesh.get('/', { method: 'POST', body: 'x' });
  assert.deepEqual([status, seen.body, calls], [200, 'x', 3]);
});

test('without a route a request that could not be connected goes to another endpoint', async (t) => {
  const mesh = await EchoMesh.start(t);
  await mesh.world.apply(`
apiVersion: v1
kind: Pod
metadata: { name: dead, namespace: mesh, labels: { app: echo }, annotations: { ambient.istio.io/redirection: enabled } }
spec: { nodeName: node-1, serviceAccountName: echo, containers: [{ name: c }] }
status: { phase: Running, podIPs: [{ ip: 10.0.0.9 }], conditions: [{ type: Ready, status: "True" }] }`);
  const found = await shares(40, () => mesh.get('/', { method: 'POST', body: 'x' }));
  assert.equal((found['echo-v1'] ?? 0) + (found['echo-v2'] ?? 0), 40, JSON.stringify(found));
  assert.ok(
    mesh.world.arrivals.some(({ pod }) => pod === 'mesh/dead'),
    'it was tried',
  );
});

test('HTTPRouteRequestMirror: a copy of each request reaches the mirror, which the caller does not notice', async (t) => {
  const mirror = `{ type: RequestMirror, requestMirror: { backendRef: ${to('echo-v2')} } }`;
  const rewrite = '{ type: URLRewrite, urlRewrite: { path: { type: ReplaceFullPath, replaceFullPath: /new } } }';
  const mesh = await EchoMesh.start(t, http(`{ filters: [${mirror}, ${rewrite}], ${V1} }`));
  mesh.misbehave = (_req, backend) => (backend === 'echo-v2' ? 500 : undefined);
  const { status, backend } = await mesh.get('/old', { method: 'POST', body: 'copy me' });
  assert.deepEqual([status, backend], [200, 'echo-v1']);
  await eventually('the copy arrived', () => mesh.asked.some((one) => one.backend === 'echo-v2'));
  const seen = mesh.asked.find((one) => one.backend === 'echo-v2')?.seen;
  assert.deepEqual([seen?.method, seen?.path, seen?.host, seen?.body], ['POST', '/new', 'echo-shadow', 'copy me']);
});

test('HTTPRouteCORS: preflights are answered by the waypoint, permitted origins are told so', async (t) => {
  const cors =
    '{ type: CORS, cors: { allowOrigins: ["https://www.foo.com", "https://*.bar.com"], allowMethods: [GET], allowHeaders: [X-1], maxAge: 60 } }';
  const mesh = await EchoMesh.start(t, http(`{ filters: [${cors}], ${V1} }`));
  const preflight = { 'access-control-request-method': 'GET', 'access-control-request-headers': 'x-1' };
  const allowed = await mesh.get('/', { method: 'OPTIONS', headers: { origin: 'https://www.foo.com', ...preflight } });
  assert.deepEqual(
    [allowed.status, allowed.headers['access-control-allow-origin'], allowed.headers['access-control-allow-methods']],
    [204, 'https://www.foo.com', 'GET'],
  );
  const denied = await mesh.get('/', { method: 'OPTIONS', headers: { origin: 'https://evil.com', ...preflight } });
  assert.deepEqual([denied.status, denied.headers['access-control-allow-origin']], [204, undefined]);
  assert.deepEqual(mesh.asked, [], 'the backend is not asked');
  const simple = await mesh.get('/', { headers: { origin: 'https://a.bar.com' } });
  assert.deepEqual([simple.backend, simple.headers['access-control-allow-origin']], ['echo-v1', 'https://a.bar.com']);
  const foreign = await mesh.get('/', { headers: { origin: 'https://evil.com' } });
  assert.deepEqual([foreign.backend, foreign.headers['access-control-allow-origin']], ['echo-v1', undefined]);
});

test('HTTPRouteRewriteHost, HTTPRouteBackendURLRewrite, HTTPRouteBackendRequestRedirect: by rule and by backend', async (t) => {
  const filter = (content: string) => `filters: [{ type: ${content} }]`;
  const rules = [
    `{ matches: [{ path: { value: /rule } }], ${filter('URLRewrite, urlRewrite: { hostname: one.example.org }')}, ${V1} }`,
    `{ matches: [{ path: { value: /backend } }], backendRefs: [${to('echo-v1', 80, `, ${filter('URLRewrite, urlRewrite: { hostname: two.example.org, path: { type: ReplacePrefixMatch, replacePrefixMatch: /new } }')}`)}] }`,
    `{ matches: [{ path: { value: /away } }], backendRefs: [${to('echo-v1', 80, `, ${filter('RequestRedirect, requestRedirect: { hostname: three.example.org }')}`)}] }`,
  ];
  const mesh = await EchoMesh.start(t, http(rules.join(', ')));
  assert.equal((await mesh.get('/rule')).seen.host, 'one.example.org');
  const { seen } = await mesh.get('/backend/x?y');
  assert.deepEqual([seen.host, seen.path], ['two.example.org', '/new/x?y']);
  const away = await mesh.get('/away');
  assert.deepEqual([away.status, away.headers.location], [302, 'http://three.example.org/away']);
});

test('HTTPRouteNoBackendRefs, HTTPRouteInvalidNonExistentBackendRef: 500, for its share and its rule alone', async (t) => {
  const rules = [
    '{ matches: [{ path: { value: /none } }] }',
    `{ matches: [{ path: { value: /half } }], backendRefs: [${to('echo-v1')}, ${to('nobody')}] }`,
    `{ matches: [{ path: { value: /good } }], ${V1} }`,
  ];
  const mesh = await EchoMesh.start(t, http(rules.join(', ')));
  assert.equal((await mesh.get('/none')).status, 500);
  assert.equal((await mesh.get('/good')).status, 200);
  const found = await shares(60, () => mesh.get('/half'));
  assert.ok((found['500'] ?? 0) > 10 && (found['echo-v1'] ?? 0) > 10, JSON.stringify(found));
});

test('HTTPRouteReferenceGrant: a backend of another namespace serves as long as a grant stands', async (t) => {
  const mesh = await EchoMesh.start(t);
  const grant = `
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: { name: g, namespace: mesh }
spec: { from: [{ group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: consumer }], to: [{ group: "", kind: Service }] }`;
  const rule = `[{ backendRefs: [{ name: echo-v1, namespace: mesh, port: 80 }] }]`;
  await mesh.world.apply(routeYaml('HTTPRoute', 'r', 'echo', rule, 'consumer'));
  const status = async () => (await mesh.get('/', { from: 'consumer' })).status;
  assert.equal(await status(), 500);
  await mesh.world.apply(grant);
  assert.equal(await status(), 200);
  mesh.world.remove('ReferenceGrant', 'mesh/g');
  assert.equal(await status(), 500);
});

test('what a client’s namespace makes of its requests is judged by the policies of the service', async (t) => {
  const mesh = await EchoMesh.start(t);
  const rewrite = `{ type: URLRewrite, urlRewrite: { path: { type: ReplacePrefixMatch, replacePrefixMatch: /admin } } }`;
  const deny = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: no-admin, namespace: mesh }
spec:
  targetRefs: [{ group: "", kind: Service, name: echo-v1 }]
  action: DENY
  rules: [{ to: [{ operation: { paths: [/admin, /admin/*] } }] }]
---`;
  const backendRefs = `backendRefs: [{ name: echo-v1, namespace: mesh, port: 80 }]`;
  const rule = `{ matches: [{ path: { value: /public } }], filters: [${rewrite}], ${backendRefs} }, { ${backendRefs} }`;
  await mesh.world.apply(deny + routeYaml('HTTPRoute', 'r', 'echo-v1', `[${rule}]`, 'consumer'));
  const ask = (path: string) => mesh.get(path, { service: 'echo-v1', from: 'consumer' });
  assert.equal((await ask('/other')).status, 200);
  assert.equal((await ask('/admin')).status, 403);
  assert.equal((await ask('/public')).status, 403, 'as if it had asked for that itself');
  await mesh.world.logged(/"path":"\/public".*"response_code":403/);
  assert.deepEqual(
    mesh.asked.map(({ seen }) => seen.path),
    ['/other'],
  );
});

test('what the policies of a service refuse is not to be had by a route of another service', async (t) => {
  const mesh = await EchoMesh.start(t, http(`{ backendRefs: [${to('echo-v2')}] }`));
  const policy = (action: string, paths: string, provider = '') => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: p, namespace: mesh }
spec:
  targetRefs: [{ group: "", kind: Service, name: echo-v2 }]
  action: ${action}
  ${provider}
  rules: [{ to: [{ operation: { paths: [${paths}], ports: ["80"] } }] }]`;
  assert.equal((await mesh.get('/secret')).backend, 'echo-v2');
  await mesh.world.apply(policy('DENY', '/secret'));
  assert.deepEqual([(await mesh.get('/secret')).status, (await mesh.get('/other')).status], [403, 200]);
  await mesh.world.apply(policy('ALLOW', '/secret'));
  assert.deepEqual([(await mesh.get('/secret')).status, (await mesh.get('/other')).status], [200, 403]);
  await mesh.world.apply(policy('CUSTOM', '/asked', 'provider: { name: nobody }'));
  const told: string[] = [];
  const sink = { write: (line: string) => told.push(line) > 0, end: () => {} };
  const filter = { service: 'echo.mesh', status: undefined, path: undefined, method: undefined };
  using _tap = mesh.world.plane.taps.open(filter, 2, sink);
  assert.deepEqual([(await mesh.get('/asked')).status, (await mesh.get('/other')).status], [403, 200]);
  await eventually('both requests are told', () => told.length === 2);
  for (const [i, verdict] of ['deny', undefined].entries()) {
    const { called, destination, policy: judged } = JSON.parse(told[i] ?? '');
    assert.deepEqual([called.service.split('.')[0], destination.service.split('.')[0]], ['mesh/echo', 'mesh/echo-v2']);
    assert.equal(judged?.verdict, verdict);
  }
  mesh.world.remove('AuthorizationPolicy', 'mesh/p');
  assert.equal((await mesh.get('/asked')).backend, 'echo-v2');
  await mesh.world.apply(policy('DENY', '/secret') + http(`{ ${V1} }`).replace('apiVersion', '\n---\napiVersion'));
  assert.equal((await mesh.get('/secret')).backend, 'echo-v1', 'it is about its own service alone');
});

test('routes change under a connection that is open', async (t) => {
  const mesh = await EchoMesh.start(t);
  const port = await mesh.world.through('mesh/client', '10.0.0.101:80');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const backend = async () => {
    const req = nodeRequest({ host: '127.0.0.1', port, agent });
    req.end();
    const [res] = (await once(req, 'response')) as [IncomingMessage];
    await text(res);
    return res.headers['x-backend'] ?? res.statusCode;
  };
  assert.equal(await backend(), 'echo-v1');
  await mesh.world.apply(http(`{ backendRefs: [${to('echo-v2')}] }`, 'echo-v1'));
  assert.equal(await backend(), 'echo-v2');
  await mesh.world.apply(http(`{ matches: [{ path: { type: Exact, value: /elsewhere } }], ${V1} }`, 'echo-v1'));
  assert.equal(await backend(), 404);
  mesh.world.remove('HTTPRoute', 'mesh/r');
  assert.equal(await backend(), 'echo-v1');
});

test('HTTPRouteBackendProtocolWebSocket: an upgrade goes to the backend of its route', async (t) => {
  const mesh = await EchoMesh.start(t);
  const port = await mesh.world.through('mesh/client', '10.0.0.100:80');
  const server = await mesh.world.http(1, 8081, () => {});
  server.on('upgrade', (_req, socket) => {
    socket.on('error', () => {});
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
    socket.pipe(socket);
  });
  await mesh.world.apply(`
apiVersion: v1
kind: Service
metadata: { name: ws, namespace: mesh }
spec: { clusterIP: 10.0.0.103, selector: { app: echo, version: v1 }, ports: [{ name: http, port: 80, targetPort: 8081, appProtocol: kubernetes.io/ws }] }
---
${http(`{ timeouts: { request: 100ms }, backendRefs: [${to('ws')}] }`)}`);
  const req = nodeRequest({ host: '127.0.0.1', port, headers: { connection: 'Upgrade', upgrade: 'websocket' } });
  req.end();
  const [, socket] = await once(req, 'upgrade');
  socket.write('ping');
  assert.equal(String((await once(socket, 'data'))[0]), 'ping');
  socket.destroy();
});

/** Services whose pods say their name and end. */
async function streams(t: Parameters<typeof EchoMesh.start>[0], route: string): Promise<EchoMesh> {
  const mesh = await EchoMesh.start(t);
  for (const n of [1, 2]) await mesh.world.tcp(n, 9090, (socket) => socket.end(`v${n}`));
  await mesh.world.apply(route);
  return mesh;
}

test('TCPRouteWeightedRouting: connections are shared by weight, and one of weight zero gets none', async (t) => {
  const rules = `[{ backendRefs: [${to('echo-v1', 9090, ', weight: 1')}, ${to('echo-v2', 9090, ', weight: 0')}] }]`;
  const mesh = await streams(t, routeYaml('TCPRoute', 'r', 'echo:9090', rules));
  const port = await mesh.world.through('mesh/client', '10.0.0.100:9090');
  for (let i = 0; i < 8; i++) assert.equal(await text(connectTcp({ host: '127.0.0.1', port })), 'v1');
  await mesh.world.apply(`
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: p, namespace: mesh }
spec: { targetRefs: [{ group: "", kind: Service, name: echo-v1 }], rules: [{ from: [{ source: { namespaces: [mesh] } }] }] }`);
  assert.equal(await text(connectTcp({ host: '127.0.0.1', port })), 'v1');
  const stranger = await mesh.world.through('web/client', '10.0.0.100:9090');
  await assert.rejects(text(connectTcp({ host: '127.0.0.1', port: stranger })), { code: 'ECONNRESET' });
  assert.match(
    mesh.world.plane.receipts.latest(1)[0]?.because ?? '',
    /^ALLOW policies apply and none of them matches$/,
  );
  await mesh.world.apply(routeYaml('TCPRoute', 'r', 'echo:9090', `[{ backendRefs: [${to('nobody', 9090)}] }]`));
  await assert.rejects(text(connectTcp({ host: '127.0.0.1', port })), { code: 'ECONNRESET' });
});

test('a connection that a route has led to a service is cut when that service denies it, whether or not the route still stands', async (t) => {
  const route = (name: string) => routeYaml('TCPRoute', 'r', 'echo:9090', `[{ backendRefs: [${to(name, 9090)}] }]`);
  const mesh = await EchoMesh.start(t);
  for (const n of [1, 2]) await mesh.world.tcp(n, 9090, (socket) => socket.pipe(socket));
  await mesh.world.apply(route('echo-v1'));
  const port = await mesh.world.through('web/client', '10.0.0.100:9090');
  const open = async () => {
    const socket = connectTcp({ host: '127.0.0.1', port });
    socket.on('error', () => {});
    socket.write('x');
    await once(socket, 'data');
    return socket;
  };
  const denyWeb = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: p, namespace: mesh }
spec: { targetRefs: [{ group: "", kind: Service, name: echo-v1 }], action: DENY, rules: [{ from: [{ source: { namespaces: [web] } }] }] }`;
  const routed = await open();
  await mesh.world.apply(denyWeb);
  await eventually('it is cut', () => routed.destroyed);
  await mesh.world.logged(
    /"response_flags":"LR".*"connection_termination_details":"policy_changed\{[^"]*mesh\/p[^"]*\}"/,
  );
  assert.match(mesh.world.plane.receipts.latest(1)[0]?.because ?? '', /mesh\/p, rule 0/);
  mesh.world.remove('AuthorizationPolicy', 'mesh/p');
  const left = await open();
  await mesh.world.apply(route('echo-v2'));
  const elsewhere = await open();
  await mesh.world.apply(denyWeb);
  await eventually('so is what the route had led there before', () => left.destroyed);
  elsewhere.write('y');
  await once(elsewhere, 'data');
  elsewhere.destroy();
});

test('TLSRoute: a connection goes by the name that its ClientHello asks for, and is not opened on the way', async (t) => {
  const route = (name: string, backend: string) => `
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: { name: ${backend}, namespace: mesh }
spec: { parentRefs: [{ group: "", kind: Service, name: echo, port: 9090 }], hostnames: ["${name}"], rules: [{ backendRefs: [${to(backend, 9090)}] }] }
---`;
  const mesh = await EchoMesh.start(t);
  const hellos: Record<string, Buffer> = {};
  for (const n of [1, 2]) {
    await mesh.world.tcp(n, 9090, (socket) => {
      socket.once('data', (data) => {
        hellos[`v${n}`] = Buffer.from(data);
        socket.destroy();
      });
    });
  }
  await mesh.world.apply(route('one.example.com', 'echo-v1') + route('*.wild.example.com', 'echo-v2'));
  const port = await mesh.world.through('mesh/client', '10.0.0.100:9090');
  for (const [servername, version] of [
    ['one.example.com', 'v1'],
    ['a.wild.example.com', 'v2'],
  ] as const) {
    const socket = connectTls({ host: '127.0.0.1', port, servername });
    socket.on('error', () => {});
    await eventually(`${servername} arrived`, () => hellos[version] !== undefined);
    assert.ok(hellos[version]?.includes(servername), 'the ClientHello as it was sent');
    socket.destroy();
  }
});
