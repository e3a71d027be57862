import assert from 'node:assert/strict';
import { get } from 'node:http';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { serveHttp } from '../../core/telemetry/index.ts';
import { type MeshConfig, readMeshConfig } from '../../mesh/index.ts';
import { tapRoute } from '../../waypoint/observe/tap-route.ts';
import type { OtlpSpan } from '../../waypoint/trace/span.ts';
import { eventually } from '../support/netns.ts';
import { podYaml, SHOP, WaypointWorld } from './world.ts';

const CART = '10.0.0.100';
const OBSERVABILITY = `
apiVersion: v1
kind: Namespace
metadata: { name: obs }
---
apiVersion: v1
kind: Service
metadata: { name: otel, namespace: obs }
spec: { clusterIP: 10.0.0.110, selector: { app: otel }, ports: [{ name: http, port: 4318 }] }
---
${podYaml('obs', 'otel-1', 9, 'otel')}
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { name: traces, namespace: shop }
spec:
  targetRefs: [{ group: gateway.networking.k8s.io, kind: Gateway, name: waypoint }]
  tracing: [{ providers: [{ name: otel }], randomSamplingPercentage: 100, customTags: { team: { literal: { value: shop } } } }]
`;

function meshConfig(): MeshConfig {
  const mesh = `extensionProviders: [{ name: otel, opentelemetry: { service: otel.obs.svc.cluster.local, port: 4318, http: { path: /v1/traces } } }]`;
  const surroundings = { clusterId: 'Kubernetes', clusterDomain: 'cluster.local', revision: '' };
  const configMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'istio' }, data: { mesh } };
  return readMeshConfig(configMap, surroundings, 'istio-system');
}

async function shop(t: TestContext, yaml = SHOP, config: Partial<MeshConfig> = {}): Promise<WaypointWorld> {
  const world = await WaypointWorld.start(t, { yaml, config });
  for (const n of [1, 2]) {
    await world.http(n, 8080, (req, res) => {
      res.setHeader('x-traceparent', String(req.headers['traceparent'] ?? ''));
      res.setHeader('x-tracestate', String(req.headers['tracestate'] ?? ''));
      res.statusCode = req.url === '/broken' ? 500 : 200;
      res.end('four');
    });
  }
  return world;
}

async function ask(port: number, path: string, headers: Readonly<Record<string, string>> = {}) {
  const { promise, resolve, reject } = Promise.withResolvers<Record<string, string>>();
  get({ port, host: '127.0.0.1', path, headers: { host: 'cart', ...headers } }, (response) => {
    void text(response).then(() => resolve(response.headers as Record<string, string>), reject);
  }).on('error', reject);
  return promise;
}

test('a request is counted under who called, what was called and how it ended, and written to the log', async (t) => {
  const world = await shop(t);
  const port = await world.through('web/client', `${CART}:80`);
  await ask(port, '/a?b=c', { 'user-agent': 'probe' });
  const line = JSON.parse(await world.logged(/"path":"\/a\?b=c"/));
  assert.equal(line.response_code, 200);
  assert.equal(line.response_code_details, 'via_upstream');
  assert.equal(line.bytes_sent, 4);
  assert.equal(line.user_agent, 'probe');
  assert.equal(line.source_principal, 'spiffe://cluster.local/ns/web/sa/client');
  assert.equal(line.upstream_cluster, 'inbound-vip|80|http|cart.shop.svc.cluster.local');
  assert.match(line.upstream_host, /:8080$/);
  const counted = world.metrics().match(/^istio_requests_total\{.*$/m)?.[0] ?? '';
  for (const label of [
    'reporter="waypoint"',
    'source_principal="spiffe://cluster.local/ns/web/sa/client"',
    'source_canonical_service="client"',
    'destination_service="cart.shop.svc.cluster.local"',
    'destination_service_name="cart"',
    'destination_principal="spiffe://cluster.local/ns/shop/sa/cart"',
    'response_code="200"',
  ]) {
    assert.ok(counted.includes(label), `${label} in ${counted}`);
  }
  assert.match(counted, / 1$/);
});

const EXPRESSIONS = `
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { name: errors, namespace: shop }
spec:
  accessLogging: [{ providers: [{ name: envoy }], filter: { expression: 'response.code >= 500 || has(request.headers.debug)' } }]
  metrics: [{ overrides: [{ match: { metric: REQUEST_COUNT }, tagOverrides: { tenant: { value: 'request.headers["x-tenant"]' } } }] }]
`;

test('a filter says what is logged, and an expression what a label says', async (t) => {
  const world = await shop(t, `${SHOP}\n---\n${EXPRESSIONS}`);
  const port = await world.through('web/client', `${CART}:80`);
  await ask(port, '/quiet', { 'x-tenant': 'blue' });
  await ask(port, '/looked-at', { debug: '1' });
  await ask(port, '/broken');
  await world.logged(/ \/looked-at /);
  await world.logged(/ \/broken /);
  assert.equal(
    world.logs.some((line) => /quiet/.test(line)),
    false,
  );
  assert.match(world.metrics(), /^istio_requests_total\{.*response_code="200".*,tenant="blue"\} 1$/m);
  assert.match(world.metrics(), /^istio_requests_total\{.*response_code="500".*,tenant="unknown"\} 1$/m);
});

test('a connection is counted when it opens and when it closes', async (t) => {
  const world = await WaypointWorld.start(t, { yaml: SHOP });
  for (const n of [1, 2]) await world.tcp(n, 9090, (socket) => void socket.end('seven b'));
  const { leg } = await world.open('web/client', `${CART}:90`);
  leg.deliver({ data: () => {}, writable: () => {}, end: () => leg.end(), reset: () => {} });
  await world.logged(/"bytes_sent":7/);
  const metrics = world.metrics();
  const series = (name: string) =>
    metrics.match(new RegExp(`^${name}_total\\{.*destination_workload="cart.*$`, 'm'))?.[0] ?? '';
  assert.match(
    series('istio_tcp_connections_opened'),
    /destination_principal="spiffe:\/\/cluster.local\/ns\/shop\/sa\/cart".* 1$/,
  );
  assert.match(series('istio_tcp_connections_closed'), / 1$/);
  assert.match(series('istio_tcp_sent_bytes'), / 7$/);
});

type Scoped = { readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[] };
type Exported = { readonly resourceSpans: readonly Scoped[] };
const spansOf = ({ scopeSpans }: Scoped) => scopeSpans.flatMap(({ spans }) => spans);

function tagsOf({ attributes }: OtlpSpan): Readonly<Record<string, string>> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [key, 'stringValue' in value ? value.stringValue : value.intValue]),
  );
}

test('a trace of a caller goes on through the waypoint, which adds its span', async (t) => {
  const world = await shop(t, `${SHOP}\n---\n${OBSERVABILITY}`, meshConfig());
  const got: { readonly url: string | undefined; readonly body: string }[] = [];
  await world.http(9, 4318, async (req, res) => {
    got.push({ url: req.url, body: await text(req) });
    res.end('{}');
  });
  const port = await world.through('web/client', `${CART}:80`);
  const traceId = 'ab'.repeat(16);
  const traceparent = `00-${traceId}-${'cd'.repeat(8)}-01`;
  const passed = await ask(port, '/traced', { traceparent, tracestate: 'v=1' });
  const [, id, spanId, flags] = (passed['x-traceparent'] ?? '').split('-');
  assert.deepEqual([id, flags, passed['x-tracestate']], [traceId, '01', 'v=1']);
  assert.notEqual(spanId, 'cd'.repeat(8));
  const broken = await ask(port, '/broken', { traceparent: 'nonsense', tracestate: 'v=1' });
  assert.match(broken['x-traceparent'] ?? '', /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  assert.equal(broken['x-tracestate'], '');
  const spans = () => got.flatMap(({ body }) => (JSON.parse(body) as Exported).resourceSpans).flatMap(spansOf);
  await eventually('both spans arrive', () => spans().length === 2);
  assert.equal(got[0]?.url, '/v1/traces');
  const span = spans().find((one) => one.traceId === traceId);
  assert.ok(span);
  assert.equal(span.spanId, spanId);
  assert.equal(span.parentSpanId, 'cd'.repeat(8));
  assert.equal(span.kind, 2);
  const tags = tagsOf(span);
  assert.equal(tags['http.url'], 'http://cart/traced');
  assert.equal(tags['http.status_code'], '200');
  assert.equal(tags['istio.destination_canonical_service'], 'cart');
  assert.equal(tags['istio.source_namespace'], 'web');
  assert.equal(tags['team'], 'shop');
  assert.deepEqual(spans().find((one) => one.traceId !== traceId)?.status, { code: 2 });
  await eventually('they count as sent', () => /ambit_trace_spans_total\{outcome="sent"\} 2/.test(world.metrics()));
});

test('a tap shows the requests that it asked for, as they end', async (t) => {
  const world = await shop(t);
  const server = await serveHttp({
    port: 0,
    host: 'localhost',
    routes: { '/tap': tapRoute((filter, max, sink) => world.plane.taps.open(filter, max, sink)) },
  });
  t.after(() => server[Symbol.asyncDispose]());
  const port = await world.through('web/client', `${CART}:80`);
  const lines = new Promise<string>((resolve, reject) => {
    get({ port: server.port, host: '127.0.0.1', path: '/tap?service=cart.shop&status=5xx&max=1' }, (response) => {
      text(response).then(resolve, reject);
    }).on('error', reject);
  });
  await eventually('the tap is open', () => !world.plane.taps.isIdle);
  await ask(port, '/fine');
  await ask(port, '/broken');
  const shown = (await lines)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    shown.map(({ path, status }) => [path, status]),
    [['/broken', 500]],
  );
  assert.equal(shown[0].source.principal, 'spiffe://cluster.local/ns/web/sa/client');
  assert.equal(shown[0].destination.service, 'shop/cart.shop.svc.cluster.local');
  assert.equal(world.plane.taps.isIdle, true);
});

test('a tap that nobody understands is refused with help', async (t) => {
  const world = await shop(t);
  const server = await serveHttp({
    port: 0,
    host: 'localhost',
    routes: { '/tap': tapRoute((filter, max, sink) => world.plane.taps.open(filter, max, sink)) },
  });
  t.after(() => server[Symbol.asyncDispose]());
  for (const [query, why] of [
    ['status=6xx', /status:/],
    ['max=0', /max:/],
    ['serivce=a', /serivce: no such parameter/],
  ] as const) {
    const response = await fetch(`http://127.0.0.1:${server.port}/tap?${query}`);
    assert.equal(response.status, 400);
    assert.match(await response.text(), why);
  }
});
