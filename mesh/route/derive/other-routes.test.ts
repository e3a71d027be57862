import assert from 'node:assert/strict';
import { test } from 'node:test';
import { match } from '../table.ts';
import { request } from '../test-routes.ts';
import { servicesIn } from './tables.ts';
import { httpRoute, parentRef, RouteMesh, route } from './test-derive-routes.ts';

type Json = Readonly<Record<string, unknown>>;

const mesh = () =>
  new RouteMesh({
    'ns/echo': { 80: 'GRPC', 90: 'TCP', 91: 'TLS', 92: 'UNKNOWN' },
    'ns/v1': { 80: 'GRPC', 90: 'TCP' },
    'ns/v2': { 80: 'GRPC', 90: 'TCP' },
  });
const to = (name: string, fields: Json = {}) => ({ name, port: 80, ...fields });
const call = (path: string, headers: Record<string, string> = {}) =>
  [path, { method: 'POST', with: { 'content-type': 'application/grpc+proto', ...headers } }] as const;
const grpc = (path: string, rules: readonly Json[], meta = {}) =>
  route('GRPCRoute', path, { parentRefs: [parentRef('echo')], rules }, meta);

test('a gRPC method is met by service, by method, by both, exactly or by pattern', () => {
  const rows: readonly [string, Json, yes: readonly string[], no: readonly string[]][] = [
    ['nothing said', {}, ['/a.B/C'], []],
    ['both', { service: 'a.B', method: 'C' }, ['/a.B/C'], ['/a.B/D', '/aXB/C', '/a.B/C/']],
    ['service', { service: 'a.B' }, ['/a.B/C', '/a.B/D'], ['/a.BB/C', '/a.B']],
    ['method', { method: 'C' }, ['/a.B/C', '/x/C'], ['/a.B/CC', '/a/b/C']],
    [
      'both by pattern',
      { type: 'RegularExpression', service: 'a\\.[A-Z]', method: 'C|D' },
      ['/a.B/C', '/a.X/D'],
      ['/a.b/C', '/a.B/E'],
    ],
    ['service by pattern', { type: 'RegularExpression', service: 'a.*' }, ['/a.B/C'], ['/b/C']],
    ['method by pattern', { type: 'RegularExpression', method: 'Get.*' }, ['/a.B/GetX'], ['/a.B/SetX']],
  ];
  for (const [name, method, yes, no] of rows) {
    const around = mesh().note(grpc('ns/r', [{ matches: [{ method }], backendRefs: [to('v1')] }]));
    for (const path of yes) assert.equal(around.rule('ns/echo', ...call(path)), 'ns.r.0', `${name}: ${path}`);
    for (const path of no) assert.equal(around.rule('ns/echo', ...call(path)), undefined, `${name}: not ${path}`);
  }
});

test('the more specific gRPC match wins: service, then method, then headers', () => {
  const rule = (name: string, match: Json) => ({ name, matches: [match], backendRefs: [to('v1')] });
  const rules = [
    rule('any', {}),
    rule('header', { headers: [{ name: 'X', value: '1' }] }),
    rule('method', { method: { method: 'C' } }),
    rule('service', { method: { service: 'a.B' } }),
    rule('both', { method: { service: 'a.B', method: 'C' } }),
  ];
  const around = mesh().note(grpc('ns/r', rules));
  const rows: readonly [Parameters<typeof call>, string][] = [
    [['/a.B/C', { x: '1' }], 'both'],
    [['/a.B/D', { x: '1' }], 'service'],
    [['/other/C', { x: '1' }], 'method'],
    [['/other/D', { x: '1' }], 'header'],
    [['/other/D'], 'any'],
  ];
  for (const [asked, expected] of rows) assert.equal(around.rule('ns/echo', ...call(...asked)), expected);
});

test('an HTTPRoute beside a GRPCRoute has what is no gRPC', () => {
  const around = mesh().note(
    httpRoute('ns/h', 'echo', [{ name: 'http', backendRefs: [to('v2')] }], {
      creationTimestamp: '2020-01-01T00:00:00Z',
    }),
  );
  around.note(grpc('ns/g', [{ name: 'grpc', backendRefs: [to('v1')] }]));
  assert.equal(around.rule('ns/echo', ...call('/a/b')), 'grpc');
  assert.equal(around.rule('ns/echo', '/a/b', { method: 'POST' }), 'http');
});

test('a gRPC rule changes headers and sends shares', () => {
  const filters = [{ type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'A', value: '1' }] } }];
  const around = mesh().note(
    grpc('ns/r', [{ filters, backendRefs: [to('v1', { weight: 70 }), to('v2', { weight: 30 })] }]),
  );
  const compiled = around.compiled('ns/echo');
  const action = compiled && match(compiled, request(...call('/a/b')));
  assert.deepEqual(
    action?.backends.map(({ weight }) => weight),
    [70, 30],
  );
  assert.deepEqual(action?.requestHeaders?.set, [{ name: 'a', value: '1' }]);
});

test('a TCPRoute is for ports that speak no HTTP, or that it names', () => {
  const around = mesh();
  const tcp = (parent: string) =>
    route('TCPRoute', 'ns/t', {
      parentRefs: [parentRef(parent)],
      rules: [{ backendRefs: [to('v1', { port: 90, weight: 3 }), to('nobody')] }],
    });
  const ports = () =>
    [...around.tables('ns/echo')].filter(([, { tcp: tables }]) => tables.length > 0).map(([port]) => port);
  around.note(tcp('echo'));
  assert.deepEqual(ports(), [90, 91]);
  const backends = [
    { service: 'ns/v1.ns.svc.cluster.local', port: 90, weight: 3, isInvalid: false },
    { service: '', port: 0, weight: 1, isInvalid: true },
  ];
  assert.deepEqual(around.tables('ns/echo').get(90)?.tcp, [
    { clientNamespace: '', rules: [{ name: 'ns.t.0', sni: [], backends }] },
  ]);
  around.note(tcp('echo:92'));
  assert.deepEqual(ports(), [92]);
});

test('a TLSRoute goes by the name in the ClientHello, exact names first, before a TCPRoute', () => {
  const around = mesh();
  const tls = (name: string, hostnames: readonly string[]) =>
    route('TLSRoute', `ns/${name}`, {
      parentRefs: [parentRef('echo:91')],
      hostnames,
      rules: [{ name, backendRefs: [to('v1', { port: 90 })] }],
    });
  around.note(
    route('TCPRoute', 'ns/tcp', {
      parentRefs: [parentRef('echo:91')],
      rules: [{ name: 'tcp', backendRefs: [to('v1', { port: 90 })] }],
    }),
  );
  around.note(
    tls('wild', ['*.example.com']),
    tls('exact', ['A.example.com', 'b.com']),
    tls('deep', ['*.x.example.com']),
  );
  const rules = around
    .tables('ns/echo')
    .get(91)
    ?.tcp[0]?.rules.map(({ name, sni }) => [name, ...sni]);
  assert.deepEqual(rules, [
    ['exact', 'a.example.com'],
    ['exact', 'b.com'],
    ['deep', '*.x.example.com'],
    ['wild', '*.example.com'],
    ['tcp'],
  ]);
  around.routes.takeStatuses();
  around.note(tls('none', []));
  assert.equal(around.routes.takeStatuses()[0]?.parents[0]?.conditions[0]?.reason, 'UnsupportedValue');
});

test('the services that routes send to are known', () => {
  const around = mesh();
  const mirror = { type: 'RequestMirror', requestMirror: { backendRef: to('v2') } };
  around.note(httpRoute('ns/h', 'echo', [{ filters: [mirror], backendRefs: [to('v1'), to('nobody')] }]));
  const found = [...around.tables('ns/echo').values()].flatMap((routes) => [...servicesIn(routes)]);
  assert.deepEqual([...new Set(found)].sort(), ['ns/v1.ns.svc.cluster.local', 'ns/v2.ns.svc.cluster.local']);
});
