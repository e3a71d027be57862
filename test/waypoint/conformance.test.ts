/**
 * Each test of Gateway API's conformance suite for meshes (profiles MESH-HTTP and MESH-GRPC, core and extended, and those outside
 * profiles that are about meshes), as a scenario of ours; the name of the suite's test stands in front.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answer, type Asked, EchoMesh, routeYaml } from './echo-mesh.ts';

const http = (parent: string, rules: string, name = 'r', namespace = 'mesh') =>
  routeYaml('HTTPRoute', name, parent, rules, namespace);
const prefix = (value: string) => `matches: [{ path: { type: PathPrefix, value: ${value} } }]`;
const to = (name: string, port = 80, more = '') => `{ name: ${name}, port: ${port}${more} }`;

type Row = readonly [path: string, asked: Asked, expected: string | number];

async function answersOf(mesh: EchoMesh, rows: readonly Row[]): Promise<void> {
  for (const [path, asked, expected] of rows) {
    const answer = await mesh.get(path, asked);
    assert.equal(answer.backend || answer.status, expected, `${path} ${JSON.stringify(asked)}`);
  }
}

test('MeshBasic: a service without routes is reached', async (t) => {
  const mesh = await EchoMesh.start(t);
  const { status, backend } = await mesh.get('/');
  assert.equal(status, 200);
  assert.match(backend, /^echo-v[12]$/);
});

test('MeshTrafficSplit: paths of one service lead to two versions, and nothing else does', async (t) => {
  const exact = (value: string) => `matches: [{ path: { type: Exact, value: ${value} } }]`;
  const rules = `[{ ${exact('/v1')}, backendRefs: [${to('echo-v1')}] }, { ${exact('/v2')}, backendRefs: [${to('echo-v2')}] }]`;
  await answersOf(await EchoMesh.start(t, http('echo', rules)), [
    ['/v1', {}, 'echo-v1'],
    ['/v2', {}, 'echo-v2'],
    ['/v1/', {}, 404],
    ['/', {}, 404],
  ]);
});

test('MeshHTTPRouteSimpleSameNamespace: a route of the service’s namespace forwards', async (t) => {
  const mesh = await EchoMesh.start(t, http('echo', `[{ backendRefs: [${to('echo-v1')}] }]`));
  assert.deepEqual(await mesh.shares(10, () => mesh.get('/')), { 'echo-v1': 10 });
});

test('MeshHTTPRouteMatching: paths by segment and headers choose the version', async (t) => {
  const rules = `[
    { matches: [{ path: { type: PathPrefix, value: / } }, { headers: [{ name: version, value: one }] }], backendRefs: [${to('echo-v1', 8080)}] },
    { matches: [{ path: { type: PathPrefix, value: /v2 } }, { headers: [{ name: version, value: two }] }], backendRefs: [${to('echo-v2', 8080)}] }]`;
  await answersOf(await EchoMesh.start(t, http('echo:80', rules)), [
    ['/', {}, 'echo-v1'],
    ['/example', {}, 'echo-v1'],
    ['/', { headers: { Version: 'one' } }, 'echo-v1'],
    ['/v2', {}, 'echo-v2'],
    ['/v2/example', {}, 'echo-v2'],
    ['/', { headers: { Version: 'two' } }, 'echo-v2'],
    ['/v2/', {}, 'echo-v2'],
    ['/v2example', {}, 'echo-v1'],
    ['/foo/v2/example', {}, 'echo-v1'],
  ]);
});

test('MeshHTTPRouteWeight: versions get their share, and none of weight zero', async (t) => {
  const rules = `[{ backendRefs: [${to('echo-v1', 80, ', weight: 70')}, ${to('echo-v2', 80, ', weight: 30')}, ${to('echo', 80, ', weight: 0')}] }]`;
  const mesh = await EchoMesh.start(t, http('echo', rules));
  const shares = await mesh.shares(200, () => mesh.get('/'));
  const first = (shares['echo-v1'] ?? 0) / 200;
  assert.ok(Math.abs(first - 0.7) < 0.14, `${first} of the requests`); // more than four standard deviations
});

const MODIFIER = (field: string) => `[{ type: ${field[0]?.toUpperCase()}${field.slice(1)}, ${field}: {
  set: [{ name: X-Set, value: overwritten }], add: [{ name: X-Add, value: appended }], remove: [X-Remove] } }]`;
const SENT = { 'x-set': 'original', 'X-ADD': 'original', 'x-remove': 'original', 'x-keep': 'original' };

for (const [name, rule] of [
  [
    'MeshHTTPRouteRequestHeaderModifier: a rule',
    `{ filters: ${MODIFIER('requestHeaderModifier')}, backendRefs: [${to('echo-v1')}] }`,
  ],
  [
    'MeshHTTPRouteBackendRequestHeaderModifier: a backend',
    `{ backendRefs: [${to('echo-v1', 80, `, filters: ${MODIFIER('requestHeaderModifier')}`)}] }`,
  ],
] as const) {
  test(`${name} sets, adds and removes request headers, whatever the case of their names`, async (t) => {
    const mesh = await EchoMesh.start(t, http('echo:80', `[${rule}]`));
    const { seen } = await mesh.get('/', { headers: SENT });
    assert.equal(seen.headers['x-set'], 'overwritten');
    assert.equal(seen.headers['x-add'], 'original, appended');
    assert.equal(seen.headers['x-remove'], undefined);
    assert.equal(seen.headers['x-keep'], 'original');
    const bare = await mesh.get('/');
    assert.deepEqual([bare.seen.headers['x-set'], bare.seen.headers['x-add']], ['overwritten', 'appended']);
  });
}

test('MeshHTTPRouteQueryParamMatching: parameters choose the version, in the order of precedence', async (t) => {
  const animal = (value: string, more = '') => `{ queryParams: [{ name: animal, value: ${value} }]${more} }`;
  const rules = `[
    { matches: [${animal('whale')}], backendRefs: [${to('echo-v1')}] },
    { matches: [${animal('dolphin')}], backendRefs: [${to('echo-v2')}] },
    { matches: [${animal('whale', ', headers: [{ name: version, value: one }]')}], backendRefs: [${to('echo-v2')}] },
    { matches: [${animal('shark', ', path: { value: /path3 }')}, ${animal('kraken', ', path: { value: /path4 }, headers: [{ name: version, value: three }]')}], backendRefs: [${to('echo-v1')}] },
    { matches: [{ path: { value: /path5 } }], backendRefs: [${to('echo-v1')}] },
    { matches: [${animal('hydra')}], backendRefs: [${to('echo-v2')}] }]`;
  await answersOf(await EchoMesh.start(t, http('echo:80', rules)), [
    ['/?animal=whale', {}, 'echo-v1'],
    ['/?animal=dolphin', {}, 'echo-v2'],
    ['/?animal=whale&other=irrelevant', {}, 'echo-v1'],
    ['/?color=yellow&animal=dolphin', {}, 'echo-v2'],
    ['/?color=blue', {}, 404],
    ['/?animal=dog', {}, 404],
    ['/?animal=whaledolphin', {}, 404],
    ['/', {}, 404],
    ['/?animal=whale', { headers: { version: 'one' } }, 'echo-v2'],
    ['/path3?animal=shark', {}, 'echo-v1'],
    ['/path4?animal=kraken', { headers: { version: 'three' } }, 'echo-v1'],
    ['/?animal=shark', {}, 404],
    ['/path4?animal=kraken', {}, 404],
    ['/path5?animal=hydra', {}, 'echo-v1'],
  ]);
});

type RedirectRow = readonly [path: string, filter: string, asked: string, status: number, location: string];

/** Each row is a rule of its own. */
async function redirects(t: Parameters<typeof EchoMesh.start>[0], rows: readonly RedirectRow[]): Promise<void> {
  const rules = rows.map(
    ([path, filter]) => `{ ${prefix(path)}, filters: [{ type: RequestRedirect, requestRedirect: { ${filter} } }] }`,
  );
  const mesh = await EchoMesh.start(t, http('echo:80', `[${rules.join(', ')}]`));
  for (const [, , asked, status, location] of rows) {
    const answer = await mesh.get(asked);
    assert.deepEqual([answer.status, answer.headers.location], [status, location], asked);
  }
}

test('MeshHTTPRouteRedirectHostAndStatus: callers are sent to another host', (t) =>
  redirects(t, [
    ['/host', 'hostname: example.org', '/host?a=b', 302, 'http://example.org/host?a=b'],
    [
      '/host-and-status',
      'hostname: example.org, statusCode: 301',
      '/host-and-status',
      301,
      'http://example.org/host-and-status',
    ],
  ]));

test('MeshHTTPRouteRedirectPath: callers are sent to another path', (t) => {
  const replaced = (value: string) => `path: { type: ReplacePrefixMatch, replacePrefixMatch: ${value} }`;
  const full = (value: string) => `path: { type: ReplaceFullPath, replaceFullPath: ${value} }`;
  return redirects(t, [
    ['/original', replaced('/replaced'), '/original/lemon', 302, 'http://echo/replaced/lemon'],
    ['/full', full('/new'), '/full/path', 302, 'http://echo/new'],
    [
      '/path-and-host',
      `hostname: example.org, ${replaced('/replaced')}`,
      '/path-and-host',
      302,
      'http://example.org/replaced',
    ],
    ['/path-and-status', `statusCode: 301, ${replaced('/replaced')}`, '/path-and-status', 301, 'http://echo/replaced'],
    ['/full-and-host', `hostname: example.org, ${full('/new')}`, '/full-and-host', 302, 'http://example.org/new'],
    ['/full-and-status', `statusCode: 301, ${full('/new')}`, '/full-and-status', 301, 'http://echo/new'],
  ]);
});

test('MeshHTTPRouteRedirectPort: callers are sent to another port', (t) =>
  redirects(t, [
    ['/port', 'port: 8083', '/port', 302, 'http://echo:8083/port'],
    [
      '/port-and-host',
      'port: 8083, hostname: example.org',
      '/port-and-host',
      302,
      'http://example.org:8083/port-and-host',
    ],
    ['/port-and-status', 'port: 8083, statusCode: 301', '/port-and-status', 301, 'http://echo:8083/port-and-status'],
  ]));

test('MeshHTTPRouteSchemeRedirect: callers are sent to another scheme, without its own port', (t) =>
  redirects(t, [
    ['/scheme', 'scheme: https', '/scheme', 302, 'https://echo/scheme'],
    [
      '/scheme-and-host',
      'scheme: https, hostname: example.org',
      '/scheme-and-host',
      302,
      'https://example.org/scheme-and-host',
    ],
    [
      '/scheme-and-status',
      'scheme: https, statusCode: 301',
      '/scheme-and-status',
      301,
      'https://echo/scheme-and-status',
    ],
  ]));

test('MeshHTTPRoute303Redirect, 307, 308: callers are sent with each status', (t) =>
  redirects(
    t,
    [303, 307, 308].map(
      (code) => [`/${code}`, `scheme: https, statusCode: ${code}`, `/${code}`, code, `https://echo/${code}`] as const,
    ),
  ));

test('MeshHTTPRouteRewritePath: the path is another one upstream', async (t) => {
  const rewrite = (path: string) => `{ type: URLRewrite, urlRewrite: { path: ${path} } }`;
  const replaced = (value: string) => rewrite(`{ type: ReplacePrefixMatch, replacePrefixMatch: ${value} }`);
  const full = (value: string) => rewrite(`{ type: ReplaceFullPath, replaceFullPath: ${value} }`);
  const headers = `{ type: RequestHeaderModifier, requestHeaderModifier: { set: [{ name: X-Set, value: new }], remove: [X-Remove] } }`;
  const rules = [
    `{ ${prefix('/prefix/one')}, filters: [${replaced('/one')}], backendRefs: [${to('echo-v1')}] }`,
    `{ ${prefix('/strip')}, filters: [${replaced('/')}], backendRefs: [${to('echo-v1')}] }`,
    `{ ${prefix('/full/one')}, filters: [${full('/one')}], backendRefs: [${to('echo-v1')}] }`,
    `{ ${prefix('/full/headers')}, filters: [${full('/test')}, ${headers}], backendRefs: [${to('echo-v1')}] }`,
    `{ ${prefix('/prefix/headers')}, filters: [${replaced('/prefix')}, ${headers}], backendRefs: [${to('echo-v1')}] }`,
  ];
  const mesh = await EchoMesh.start(t, http('echo:80', `[${rules.join(', ')}]`));
  const rows: readonly [string, string][] = [
    ['/prefix/one/two?q=1', '/one/two?q=1'],
    ['/strip/three', '/three'],
    ['/strip', '/'],
    ['/full/one/two', '/one'],
    ['/full/headers/x', '/test'],
    ['/prefix/headers/x', '/prefix/x'],
  ];
  for (const [asked, path] of rows) {
    const { seen } = await mesh.get(asked, { headers: { 'x-remove': '1' } });
    assert.equal(seen.path, path, asked);
    if (!asked.includes('headers')) continue;
    assert.deepEqual([seen.headers['x-set'], seen.headers['x-remove']], ['new', undefined], asked);
  }
});

test('MeshHTTPRouteNamedRule: a rule may have a name, which the log tells', async (t) => {
  const rules = `[{ name: named-rule, ${prefix('/named')}, backendRefs: [${to('echo-v1', 8080)}] }, { ${prefix('/unnamed')}, backendRefs: [${to('echo-v2', 8080)}] }]`;
  const mesh = await EchoMesh.start(t, http('echo:80', rules));
  await answersOf(mesh, [
    ['/named', {}, 'echo-v1'],
    ['/unnamed', {}, 'echo-v2'],
  ]);
  await mesh.world.logged(/named-rule/);
  await mesh.world.logged(/mesh\.r\.1/);
});

test('MeshGRPCRouteWeight: gRPC calls are shared by weight', async (t) => {
  const rules = `[{ backendRefs: [${to('echo-v1', 7070, ', weight: 70')}, ${to('echo-v2', 7070, ', weight: 30')}] }]`;
  const mesh = await EchoMesh.start(t, routeYaml('GRPCRoute', 'r', 'echo:7070', rules));
  let first = 0;
  for (let i = 0; i < 120; i++) {
    const { status, backend } = await mesh.grpc('/echo.Echo/Say');
    assert.equal(status, '0');
    if (backend === 'echo-v1') first++;
  }
  assert.ok(Math.abs(first / 120 - 0.7) < 0.17, `${first} of 120`);
});

test('MeshGRPCRouteRequestHeaderModifier: gRPC metadata is set, added and removed', async (t) => {
  const rules = `[{ filters: ${MODIFIER('requestHeaderModifier')}, backendRefs: [${to('echo-v1', 7070)}] }]`;
  const mesh = await EchoMesh.start(t, routeYaml('GRPCRoute', 'r', 'echo:7070', rules));
  const { status, seen } = await mesh.grpc('/echo.Echo/Say', { 'x-set': 'old', 'x-add': 'old', 'x-remove': 'old' });
  assert.equal(status, '0');
  assert.deepEqual([seen['x-set'], seen['x-add'], seen['x-remove']], ['overwritten', 'old, appended', undefined]);
});

test('a gRPC method that no GRPCRoute knows is UNIMPLEMENTED', async (t) => {
  const rules = `[{ matches: [{ method: { service: echo.Echo, method: Say } }], backendRefs: [${to('echo-v1', 7070)}] }]`;
  const mesh = await EchoMesh.start(t, routeYaml('GRPCRoute', 'r', 'echo:7070', rules));
  assert.equal((await mesh.grpc('/echo.Echo/Say')).backend, 'echo-v1');
  assert.equal((await mesh.grpc('/echo.Echo/Other')).status, '12');
});

const marked = (value: string) =>
  `filters: [{ type: ResponseHeaderModifier, responseHeaderModifier: { set: [{ name: X-Header-Set, value: ${value} }] } }]`;
const mark = ({ headers }: Answer) => headers['x-header-set'];

test('MeshFrontend: a route is about the service that it names, not about the endpoints', async (t) => {
  const mesh = await EchoMesh.start(t, http('echo-v2', `[{ ${marked('set')}, backendRefs: [${to('echo-v2')}] }]`));
  assert.equal(mark(await mesh.get('/', { service: 'echo-v2' })), 'set');
  for (let i = 0; i < 6; i++) assert.equal(mark(await mesh.get('/')), undefined, 'over another service');
});

test('MeshFrontendHostname: the address that was called decides, the Host header does not', async (t) => {
  const mesh = await EchoMesh.start(t, http('echo-v2', `[{ ${marked('set')}, backendRefs: [${to('echo-v2')}] }]`));
  const lying = await mesh.get('/', { service: 'echo-v2', headers: { host: 'echo-v1' } });
  assert.deepEqual([lying.backend, mark(lying)], ['echo-v2', 'set']);
  const honest = await mesh.get('/', { service: 'echo-v1', headers: { host: 'echo-v2' } });
  assert.deepEqual([honest.backend, mark(honest)], ['echo-v1', undefined]);
});

test('MeshPorts: a parent’s port is all that its route is about', async (t) => {
  const routes =
    http('echo-v1:80', `[{ ${marked('v1')}, backendRefs: [${to('echo-v1')}] }]`, 'one') +
    http('echo-v2', `[{ ${marked('v2')}, backendRefs: [${to('echo-v2')}] }]`, 'two');
  const mesh = await EchoMesh.start(t, routes);
  const rows: readonly [string, number, string | undefined][] = [
    ['echo-v1', 80, 'v1'],
    ['echo-v1', 8080, undefined],
    ['echo-v2', 80, 'v2'],
    ['echo-v2', 8080, 'v2'],
  ];
  for (const [service, port, expected] of rows) {
    assert.equal(mark(await mesh.get('/', { service, port })), expected, `${service}:${port}`);
  }
});

test('MeshConsumerRoute: a route of another namespace is for the clients of that namespace alone', async (t) => {
  const rule = `[{ ${marked('set')}, backendRefs: [{ name: echo-v1, namespace: mesh, port: 80 }] }]`;
  const mesh = await EchoMesh.start(t, http('echo-v1', rule, 'r', 'consumer'));
  const consumer = await mesh.get('/', { service: 'echo-v1', from: 'consumer' });
  assert.deepEqual([consumer.status, consumer.backend, mark(consumer)], [200, 'echo-v1', 'set']);
  const producer = await mesh.get('/', { service: 'echo-v1', from: 'mesh' });
  assert.deepEqual([producer.status, mark(producer)], [200, undefined]);
});
