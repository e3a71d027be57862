import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HttpAction } from '../model.ts';
import { match } from '../table.ts';
import { request } from '../test-routes.ts';
import { grant, httpRoute, RouteMesh, route } from './test-derive-routes.ts';

type Json = Readonly<Record<string, unknown>>;

const mesh = () =>
  new RouteMesh({
    'ns/echo': { 80: 'HTTP11' },
    'ns/v1': { 80: 'HTTP11', 8080: 'HTTP11' },
    'other/svc': { 80: 'HTTP11' },
  });
const to = (name: string, fields: Json = {}) => ({ name, port: 80, ...fields });
const rule = (name: string, match?: Json): Json => ({
  name,
  ...(match && { matches: [match] }),
  backendRefs: [to('v1')],
});
const path = (value: string, type = 'PathPrefix') => ({ path: { type, value } });

/** The action that a request for `/` meets when this is the only rule. */
function actionOf(written: Json, around = mesh()): HttpAction | undefined {
  const compiled = around.note(httpRoute('ns/r', 'echo', [written])).compiled('ns/echo');
  return compiled && match(compiled, request('/'));
}

test('the more specific match wins, wherever it is written', () => {
  const header = (name: string) => ({ name, value: '1' });
  const all = request('/a/b?q=1', { with: { x: '1', y: '1' } });
  const rows: readonly [string, winner: Json, loser: Json][] = [
    ['exact before prefix', path('/a/b', 'Exact'), path('/a/b')],
    ['exact before a longer pattern', path('/a/b', 'Exact'), path('/a/b(c{0,10})', 'RegularExpression')],
    ['longer prefix before shorter', path('/a/b'), { ...path('/a'), method: 'GET' }],
    ['prefix before pattern', path('/a'), path('/a/b.*', 'RegularExpression')],
    ['longer pattern before shorter', path('/a/b.*', 'RegularExpression'), path('/a.*', 'RegularExpression')],
    ['method before headers', { ...path('/a'), method: 'GET' }, { ...path('/a'), headers: [header('x'), header('y')] }],
    ['more headers', { headers: [header('x'), header('y')] }, { headers: [header('x')] }],
    ['headers before parameters', { headers: [header('x')] }, { queryParams: [{ name: 'q', value: '1' }] }],
    ['more parameters', { queryParams: [{ name: 'q', value: '1' }] }, {}],
  ];
  for (const [name, winner, loser] of rows) {
    for (const order of [
      [rule('winner', winner), rule('loser', loser)],
      [rule('loser', loser), rule('winner', winner)],
    ]) {
      const compiled = mesh()
        .note(httpRoute('ns/r', 'echo', order))
        .compiled('ns/echo');
      assert.equal(compiled && match(compiled, all)?.name, 'winner', name);
    }
  }
});

test('of equal matches the older route wins, then the first by name, then the first as written', () => {
  const at = (second: number) => ({ creationTimestamp: `2026-01-01T00:00:0${second}Z` });
  const older = mesh().note(
    httpRoute('ns/a', 'echo', [rule('young')], at(2)),
    httpRoute('ns/b', 'echo', [rule('old')], at(1)),
  );
  assert.equal(older.rule('ns/echo', '/'), 'old');
  const named = mesh().note(httpRoute('ns/b', 'echo', [rule('b')]), httpRoute('ns/a', 'echo', [rule('a')]));
  assert.equal(named.rule('ns/echo', '/'), 'a');
  const written = mesh().note(httpRoute('ns/a', 'echo', [rule('first'), rule('second')]));
  assert.equal(written.rule('ns/echo', '/'), 'first');
  const across = mesh().note(
    httpRoute('ns/a', 'echo', [rule('short', path('/a'))]),
    httpRoute('ns/b', 'echo', [rule('long', path('/a/b'))]),
  );
  assert.equal(across.rule('ns/echo', '/a/b/c'), 'long');
  assert.equal(across.rule('ns/echo', '/a/c'), 'short');
  assert.equal(across.rule('ns/echo', '/c'), undefined, 'with a route there is no way but the routes');
});

test('a rule is named by itself, or by its route and place', () => {
  const named = mesh().note(
    httpRoute('ns/r', 'echo', [rule('mine', path('/named')), { matches: [path('/not')], backendRefs: [to('v1')] }]),
  );
  assert.equal(named.rule('ns/echo', '/named'), 'mine');
  assert.equal(named.rule('ns/echo', '/not'), 'ns.r.1');
});

test('of equivalent header names the first counts', () => {
  const twice = {
    headers: [
      { name: 'X-Env', value: 'one' },
      { name: 'x-env', value: 'two' },
    ],
  };
  const found = mesh().note(httpRoute('ns/r', 'echo', [rule('r', twice)]));
  assert.equal(found.rule('ns/echo', '/', { with: { 'x-env': 'one' } }), 'r');
  assert.equal(found.rule('ns/echo', '/', { with: { 'x-env': 'two' } }), undefined);
});

test('filters, timeouts and retries become what they say', () => {
  const rows: readonly [string, Json, Partial<HttpAction>][] = [
    [
      'headers, of which the first of a name counts',
      {
        filters: [
          {
            type: 'RequestHeaderModifier',
            requestHeaderModifier: {
              set: [
                { name: 'X-A', value: '1' },
                { name: 'x-a', value: '2' },
              ],
              add: [{ name: 'b', value: 'x y' }],
              remove: ['C', 'c'],
            },
          },
        ],
      },
      { requestHeaders: { set: [{ name: 'x-a', value: '1' }], add: [{ name: 'b', value: 'x y' }], remove: ['c'] } },
    ],
    [
      'a host that is set is a rewrite',
      {
        filters: [
          { type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'Host', value: 'a.example:80' }] } },
        ],
      },
      { rewrite: { hostname: 'a.example:80' } },
    ],
    [
      'a rewrite beats a host that is set',
      {
        filters: [
          {
            type: 'URLRewrite',
            urlRewrite: { hostname: 'b.example', path: { type: 'ReplaceFullPath', replaceFullPath: '/x' } },
          },
          { type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'host', value: 'a.example' }] } },
        ],
      },
      { rewrite: { hostname: 'b.example', path: { kind: 'FULL', prefix: '', value: '/x' } } },
    ],
    [
      'a prefix is replaced',
      {
        filters: [
          { type: 'URLRewrite', urlRewrite: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/x' } } },
        ],
      },
      { rewrite: { hostname: '', path: { kind: 'SEGMENTS', prefix: '/', value: '/x' } } },
    ],
    [
      'a redirect',
      {
        backendRefs: [],
        filters: [{ type: 'RequestRedirect', requestRedirect: { scheme: 'https', port: 8443, statusCode: 308 } }],
      },
      { backends: [], redirect: { scheme: 'https', hostname: '', port: 8443, status: 308 } },
    ],
    [
      'a redirect without a status',
      { backendRefs: [], filters: [{ type: 'RequestRedirect', requestRedirect: { hostname: 'example.org' } }] },
      { backends: [], redirect: { scheme: '', hostname: 'example.org', port: 0, status: 302 } },
    ],
    [
      'mirrors',
      {
        filters: [
          { type: 'RequestMirror', requestMirror: { backendRef: to('v1', { port: 8080 }) } },
          { type: 'RequestMirror', requestMirror: { backendRef: to('v1'), percent: 20 } },
          {
            type: 'RequestMirror',
            requestMirror: { backendRef: to('v1'), fraction: { numerator: 1, denominator: 3 } },
          },
        ],
      },
      {
        mirrors: [
          [8080, 1, 1],
          [80, 20, 100],
          [80, 1, 3],
        ].map(([port = 0, numerator = 0, denominator = 0]) => ({
          service: 'ns/v1.ns.svc.cluster.local',
          port,
          numerator,
          denominator,
        })),
      },
    ],
    [
      'CORS',
      {
        filters: [
          {
            type: 'CORS',
            cors: {
              allowOrigins: ['*', 'https://a.com', 'http://*.b.com:8080'],
              allowMethods: ['GET'],
              allowHeaders: ['*'],
              allowCredentials: true,
              maxAge: 60,
            },
          },
        ],
      },
      {
        cors: {
          allowOrigins: [
            { kind: 'PRESENT', value: '', ignoreCase: false },
            { kind: 'EXACT', value: 'https://a.com', ignoreCase: true },
            { kind: 'REGEX', value: 'http://[-a-z0-9_.]+\\.b\\.com:8080', ignoreCase: true },
          ],
          allowMethods: ['GET'],
          allowHeaders: ['*'],
          exposeHeaders: [],
          allowCredentials: true,
          maxAgeSeconds: 60,
          forwardsUnmatched: false,
        },
      },
    ],
    [
      'timeouts',
      { timeouts: { request: '1m2s30ms', backendRequest: '500ms' } },
      { requestTimeoutMs: 500, backendTimeoutMs: 0 },
    ],
    [
      'timeouts of each try, and of all',
      { timeouts: { request: '2s', backendRequest: '500ms' }, retry: {} },
      { requestTimeoutMs: 2_000, backendTimeoutMs: 500 },
    ],
    ['a timeout of zero', { timeouts: { request: '0s' } }, { requestTimeoutMs: 0 }],
    [
      'retries',
      { retry: { attempts: 3, codes: [500, 503], backoff: '100ms' } },
      {
        retry: {
          attempts: 3,
          on: ['CONNECT_FAILURE', 'REFUSED_STREAM', 'RESET', 'TRY_TIMEOUT', 'GRPC_UNAVAILABLE', 'GRPC_CANCELLED'],
          codes: [500, 503],
          backoffMs: 100,
        },
      },
    ],
    ['no backends at all', { backendRefs: undefined }, { backends: [] }],
  ];
  for (const [name, fields, expected] of rows) {
    const action = actionOf({ backendRefs: [to('v1')], ...fields });
    assert.ok(action, name);
    for (const [field, value] of Object.entries(expected))
      assert.deepEqual(action[field as keyof HttpAction], value, name);
    assert.equal(action.directResponse, undefined, name);
  }
});

test('what a rule asks for and can not have fails its requests, and no others', () => {
  const rows: readonly [string, Json, said: RegExp][] = [
    [
      'a filter of somebody else',
      { filters: [{ type: 'ExtensionRef', extensionRef: { group: 'x', kind: 'Y', name: 'z' } }] },
      /ExtensionRef: is not supported/,
    ],
    ['external authorization', { filters: [{ type: 'ExternalAuth' }] }, /ExternalAuth: is not supported/],
    [
      'a header that is none',
      { filters: [{ type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'a b', value: '1' }] } }] },
      /no header name/,
    ],
    [
      'a header that splits the message',
      {
        filters: [
          { type: 'RequestHeaderModifier', requestHeaderModifier: { add: [{ name: 'a', value: 'x\r\ny: z' }] } },
        ],
      },
      /characters/,
    ],
    [
      'a header that says where the message ends',
      {
        filters: [
          {
            type: 'RequestHeaderModifier',
            requestHeaderModifier: { set: [{ name: 'Transfer-Encoding', value: 'chunked' }] },
          },
        ],
      },
      /framed/,
    ],
    [
      'a length that is removed',
      { filters: [{ type: 'RequestHeaderModifier', requestHeaderModifier: { remove: ['Content-Length'] } }] },
      /can not be removed/,
    ],
    [
      'a header that says who calls',
      {
        filters: [
          { type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'Ambit-Source', value: 'me' }] } },
        ],
      },
      /mesh alone/,
    ],
    [
      'a mirror on a backend',
      { backendRefs: [to('v1', { filters: [{ type: 'RequestMirror' }] })] },
      /not supported on a backend/,
    ],
    [
      'a prefix where none is matched',
      {
        matches: [path('/', 'Exact')],
        filters: [
          { type: 'URLRewrite', urlRewrite: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/x' } } },
        ],
      },
      /prefix is replaced only/,
    ],
    [
      'a path that splits the message',
      {
        filters: [
          { type: 'URLRewrite', urlRewrite: { path: { type: 'ReplaceFullPath', replaceFullPath: '/x HTTP/1.1\r\n' } } },
        ],
      },
      /is no path/,
    ],
    [
      'a status that is no redirect',
      { filters: [{ type: 'RequestRedirect', requestRedirect: { statusCode: 200 } }] },
      /none of 301/,
    ],
    ['a duration that is none', { timeouts: { request: '1.5s' } }, /no duration/],
    [
      'an origin with a star in the middle',
      { filters: [{ type: 'CORS', cors: { allowOrigins: ['https://a.*.com'] } }] },
      /another place/,
    ],
  ];
  for (const [name, fields, said] of rows) {
    const around = mesh();
    const bad = { backendRefs: [to('v1')], ...fields };
    around.note(httpRoute('ns/r', 'echo', [bad, rule('good', path('/good'))]));
    const compiled = around.compiled('ns/echo');
    const answer = compiled && match(compiled, request('/'))?.directResponse;
    assert.equal(answer?.status, 500, name);
    assert.match(answer.body, /can not be carried out/, name);
    assert.equal(around.rule('ns/echo', '/good'), 'good', name);
    const [status] = around.routes.takeStatuses();
    const conditions = new Map(status?.parents[0]?.conditions.map((one) => [one.type, one]));
    assert.equal(conditions.get('Accepted')?.status, 'True', name);
    assert.equal(conditions.get('ResolvedRefs')?.reason, 'InvalidFilter', name);
    assert.match(conditions.get('ResolvedRefs')?.message ?? '', said, name);
    assert.equal(conditions.get('PartiallyInvalid')?.reason, 'UnsupportedValue', name);
  }
});

test('a match that can not be run is left out, and said so', () => {
  const around = mesh();
  around.note(
    httpRoute('ns/r', 'echo', [rule('bad', path('/(?=a)', 'RegularExpression')), rule('good', path('/good'))]),
  );
  assert.equal(around.rule('ns/echo', '/a'), undefined);
  assert.equal(around.rule('ns/echo', '/good'), 'good');
  const [status] = around.routes.takeStatuses();
  const said = status?.parents[0]?.conditions.map(({ type, status: is, message }) => `${type}=${is} ${message}`);
  assert.match(
    said?.at(-1) ?? '',
    /^PartiallyInvalid=True .*rules\[0\]\.matches\[0\].*looking around is not linear.*left out/,
  );
  around.note(httpRoute('ns/r', 'echo', [rule('bad', path('/(?=a)', 'RegularExpression'))]));
  const accepted = around.routes.takeStatuses()[0]?.parents[0]?.conditions[0];
  assert.equal(accepted?.reason, 'UnsupportedValue');
  assert.equal(around.rule('ns/echo', '/a'), undefined);
});

test('a backend that can not be had fails its share, with the reason', () => {
  const host = (name: string) => ({ group: 'networking.istio.io', kind: 'Hostname', name, port: 443 });
  const rows: readonly [string, Json, reason: string][] = [
    ['there is none', to('nobody'), 'BackendNotFound'],
    ['it has no such port', to('v1', { port: 81 }), 'BackendNotFound'],
    ['no port is named', { name: 'v1' }, 'InvalidDestination'],
    ['it is of another kind', to('v1', { group: 'example.com', kind: 'Thing' }), 'InvalidKind'],
    ['it is of another group', to('v1', { group: 'example.com' }), 'InvalidKind'],
    ['nobody lets it be named from here', to('svc', { namespace: 'other' }), 'RefNotPermitted'],
    ['it may not be named, and is not there', to('nobody', { namespace: 'other' }), 'RefNotPermitted'],
    ['no host of that name', host('nobody.example'), 'BackendNotFound'],
  ];
  for (const [name, backend, reason] of rows) {
    const around = mesh();
    const action = actionOf({ backendRefs: [to('v1', { weight: 3 }), { ...backend, weight: 7 }] }, around);
    assert.deepEqual(
      action?.backends.map(({ service, weight, invalidStatus }) => ({ service, weight, invalidStatus })),
      [
        { service: 'ns/v1.ns.svc.cluster.local', weight: 3, invalidStatus: 0 },
        { service: '', weight: 7, invalidStatus: 500 },
      ],
      name,
    );
    const conditions = around.routes.takeStatuses()[0]?.parents[0]?.conditions ?? [];
    assert.deepEqual(
      conditions.map((one) => one.reason),
      ['Accepted', reason, 'ResolvedWaypoints'],
      name,
    );
  }
});

test('a host of a ServiceEntry is a backend', () => {
  const around = mesh();
  around.setService('entry ns/api.example', { 443: 'TLS' });
  const action = actionOf(
    { backendRefs: [{ group: 'networking.istio.io', kind: 'Hostname', name: 'api.example', port: 443 }] },
    around,
  );
  assert.equal(action?.backends[0]?.service, 'ns/api.example');
});

test('a grant lets a route name a service of another namespace, as long as it stands', () => {
  const rows: readonly [string, from: Json, to: Json, permitted: boolean][] = [
    ['for all services', { kind: 'HTTPRoute', namespace: 'ns' }, { kind: 'Service' }, true],
    ['for this service', { kind: 'HTTPRoute', namespace: 'ns' }, { kind: 'Service', name: 'svc' }, true],
    ['for another service', { kind: 'HTTPRoute', namespace: 'ns' }, { kind: 'Service', name: 'else' }, false],
    ['for another kind of route', { kind: 'TCPRoute', namespace: 'ns' }, { kind: 'Service' }, false],
    ['for another namespace', { kind: 'HTTPRoute', namespace: 'else' }, { kind: 'Service' }, false],
    ['for another kind of target', { kind: 'HTTPRoute', namespace: 'ns' }, { kind: 'Secret' }, false],
  ];
  for (const [name, from, target, permitted] of rows) {
    const around = mesh();
    const given = grant('other/g', from, target);
    const action = () => actionOf({ backendRefs: [to('svc', { namespace: 'other' })] }, around);
    assert.equal(action()?.backends[0]?.invalidStatus, 500, name);
    around.touched.length = 0;
    around.routes.takeStatuses();
    around.note(given);
    assert.deepEqual(around.touched, ['ns/echo'], name);
    assert.equal(action()?.backends[0]?.invalidStatus, permitted ? 0 : 500, name);
    assert.equal(around.routes.takeStatuses().length, permitted ? 1 : 0, name);
    around.remove(given);
    assert.equal(action()?.backends[0]?.invalidStatus, 500, name);
  }
});

test('a route of another namespace is for the clients of that namespace alone, and may send back where they were going', () => {
  const around = mesh();
  around.note(httpRoute('ns/producer', 'echo', [rule('producer')]));
  around.note(
    httpRoute('shop/consumer', 'ns/echo', [
      { name: 'consumer', backendRefs: [to('echo', { namespace: 'ns' }), to('v1', { namespace: 'ns' })] },
    ]),
  );
  const name = (clients: string) => {
    const compiled = around.compiled('ns/echo', 80, clients);
    return compiled && match(compiled, request('/'))?.name;
  };
  assert.deepEqual(['ns', 'else', '', 'shop'].map(name), ['producer', 'producer', 'producer', 'consumer']);
  const compiled = around.compiled('ns/echo', 80, 'shop');
  assert.deepEqual(
    compiled && match(compiled, request('/'))?.backends.map((one) => one.invalidStatus),
    [0, 500],
    'without a grant only the parent',
  );
});

test('a route about a Service that is not there says so until it comes', () => {
  const around = mesh();
  around.note(httpRoute('ns/r', 'late', [rule('r')], { generation: 3 }));
  const said = () =>
    around.routes
      .takeStatuses()
      .map(({ object, parents }) => [
        object.metadata.generation,
        ...(parents[0]?.conditions ?? []).map((one) => `${one.type}=${one.status} ${one.reason}`),
      ]);
  assert.deepEqual(said(), [
    [
      3,
      'Accepted=False NoMatchingParent',
      'ResolvedRefs=True ResolvedRefs',
      'ResolvedWaypoints=False NoMatchingParent',
    ],
  ]);
  around.setService('ns/late', { 80: 'HTTP11' });
  around.routes.serviceChanged({ kind: 'Service', namespace: 'ns', name: 'late' });
  assert.deepEqual(said(), [
    [3, 'Accepted=True Accepted', 'ResolvedRefs=True ResolvedRefs', 'ResolvedWaypoints=True ResolvedWaypoints'],
  ]);
  assert.deepEqual(around.touched.at(-1), 'ns/late');
  around.bindings.set('ns/late', {
    kind: 'unbound',
    reason: 'WaypointIsNotReady',
    message: 'waypoint ns/w has no address yet',
  });
  around.routes.serviceChanged({ kind: 'Service', namespace: 'ns', name: 'late' });
  assert.deepEqual(said(), [
    [3, 'Accepted=True Accepted', 'ResolvedRefs=True ResolvedRefs', 'ResolvedWaypoints=False WaypointIsNotReady'],
  ]);
  around.setService('ns/v1', undefined);
  around.routes.serviceChanged({ kind: 'Service', namespace: 'ns', name: 'v1' });
  assert.equal(said()[0]?.[2], 'ResolvedRefs=False BackendNotFound');
  assert.deepEqual(said(), [], 'nothing changed, nothing is said');
  around.remove(httpRoute('ns/r', 'late', []));
  assert.deepEqual(
    around.routes.takeStatuses().map(({ parents }) => parents),
    [[]],
    'nothing of ours stays on a route that does not count any more',
  );
});

test('a parent is a Service or ServiceEntry, and may name a port', () => {
  const around = new RouteMesh({
    'ns/many': { 80: 'HTTP11', 81: 'HTTP2', 82: 'UNKNOWN', 83: 'TCP', 84: 'TLS' },
    'ns/v1': { 80: 'HTTP11' },
    'entry ns/api.example': { 80: 'HTTP11' },
  });
  const ports = (...parentRefs: readonly Json[]) => {
    around.note(route('HTTPRoute', 'ns/r', { parentRefs, rules: [rule('r')] }));
    return [...around.tables('ns/many')].filter(([, { http }]) => http.length > 0).map(([port]) => port);
  };
  const service = { group: '', kind: 'Service', name: 'many' };
  assert.deepEqual(ports(service), [80, 81, 82], 'all ports where HTTP can be');
  assert.deepEqual(ports({ ...service, port: 81 }), [81]);
  assert.deepEqual(ports({ ...service, port: 80 }, { ...service, port: 82 }), [80, 82]);
  assert.deepEqual(ports({ ...service, port: 83 }), [], 'TCP stays TCP');
  assert.deepEqual(ports({ ...service, sectionName: 'http' }), []);
  assert.deepEqual(ports({ name: 'many' }), [], 'a Gateway is no parent in the mesh');
  ports({ group: 'networking.istio.io', kind: 'ServiceEntry', name: 'api.example' });
  assert.deepEqual([...around.tables('entry ns/api.example').keys()], [80]);
  const accepted = (parent: Json) => {
    ports(parent);
    return around.routes.takeStatuses()[0]?.parents[0]?.conditions[0]?.reason;
  };
  assert.equal(accepted({ ...service, port: 99 }), 'NoMatchingParent');
  assert.equal(accepted({ ...service, port: 83 }), 'NoMatchingParent');
  assert.equal(accepted({ ...service, port: 82 }), 'Accepted');
  assert.deepEqual(ports({ name: 'gateway' }), []);
  assert.deepEqual(around.routes.takeStatuses()[0]?.parents, [], 'what routes say of Gateways is not ours to judge');
});

test('matches of a rule share what it does, but for cookies of sessions, which are bound to paths', () => {
  const written = { matches: [path('/a'), path('/a'), path('/b', 'Exact')], backendRefs: [to('v1')] };
  const actions = (more: Json) =>
    mesh()
      .note(httpRoute('ns/r', 'echo', [{ ...written, ...more }]))
      .tables('ns/echo')
      .get(80)?.http[0]?.actions ?? [];
  assert.equal(actions({}).length, 1);
  assert.deepEqual(
    actions({ sessionPersistence: {} }).map(({ session }) => session?.cookieAttributes),
    ['; Path=/a; HttpOnly; SameSite=Strict', '; Path=/b; HttpOnly; SameSite=Strict'],
  );
  assert.equal(actions({ sessionPersistence: { type: 'Header' } }).length, 1);
  const [failed] = actions({ sessionPersistence: { type: 'Query' } });
  assert.deepEqual([failed?.directResponse?.status, failed?.session], [500, undefined]);
});
