import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from '../../core/telemetry/index.ts';
import { NO_TELEMETRY } from '../../mesh/index.ts';
import { attributesOf } from './attributes.ts';
import { ComputedLabels } from './computed-labels.ts';
import {
  destinationLabels,
  grpcCode,
  REQUEST_LABELS,
  requestLabels,
  sourceLabels,
  TCP_LABELS,
  tcpLabels,
} from './labels.ts';
import { metricRules } from './metric-rules.ts';
import { RequestMetrics, type RequestSample, requestFamilies } from './request-metrics.ts';
import { TcpMetrics } from './tcp-metrics.ts';
import { CART, entry, SOURCE, WORKLOAD } from './test-entry.ts';

const named = (names: readonly string[], values: readonly string[]) =>
  Object.fromEntries(names.map((name, i) => [name, values[i]]));

test('labels of a request, each field', () => {
  const end = { isGrpc: false, status: 200, grpcStatus: undefined, flags: '' };
  const values = requestLabels(sourceLabels(SOURCE), destinationLabels(WORKLOAD, CART), end);
  assert.equal(values.length, REQUEST_LABELS.length);
  assert.deepEqual(named(REQUEST_LABELS, values), {
    reporter: 'waypoint',
    source_workload: 'client-v1',
    source_canonical_service: 'client',
    source_canonical_revision: 'v1',
    source_workload_namespace: 'web', // proven, not `lies` of the baggage
    source_principal: 'spiffe://cluster.local/ns/web/sa/client',
    source_app: 'client',
    source_version: 'v1',
    source_cluster: 'Kubernetes',
    destination_workload: 'cart-v2',
    destination_workload_namespace: 'shop',
    destination_principal: 'spiffe://cluster.local/ns/shop/sa/cart',
    destination_app: 'cart',
    destination_version: 'v2',
    destination_service: 'cart.shop.svc.cluster.local',
    destination_canonical_service: 'cart',
    destination_canonical_revision: 'v2',
    destination_service_name: 'cart',
    destination_service_namespace: 'shop',
    destination_cluster: 'Kubernetes',
    request_protocol: 'http',
    response_code: '200',
    grpc_response_status: '',
    response_flags: '-',
    connection_security_policy: 'mutual_tls',
  });
});

test('what nobody knows is unknown, a revision latest', () => {
  const values = requestLabels(
    sourceLabels({ identity: SOURCE.identity, parts: SOURCE.parts, baggage: undefined }),
    destinationLabels(undefined, undefined),
    { isGrpc: true, status: 200, grpcStatus: 'x"y', flags: 'UH' },
  );
  const labels = named(REQUEST_LABELS, values);
  assert.equal(labels['source_workload'], 'unknown');
  assert.equal(labels['source_canonical_revision'], 'latest');
  assert.equal(labels['destination_service'], 'unknown');
  assert.equal(labels['destination_principal'], 'unknown');
  assert.equal(labels['grpc_response_status'], 'unknown');
  assert.equal(labels['request_protocol'], 'grpc');
  assert.equal(labels['response_flags'], 'UH');
});

test('series of TCP have neither a code nor a gRPC status', () => {
  const labels = named(TCP_LABELS, tcpLabels(sourceLabels(SOURCE), destinationLabels(WORKLOAD, CART), ''));
  assert.equal('response_code' in labels, false);
  assert.equal('grpc_response_status' in labels, false);
  assert.deepEqual([labels['request_protocol'], labels['response_flags']], ['tcp', '-']);
  assert.equal(labels['connection_security_policy'], 'mutual_tls');
});

test('a gRPC status is a number from 0 to 16', () => {
  assert.deepEqual(['0', '16', '17', '-1', '007', '', undefined].map(grpcCode), [0, 16, ...Array(5).fill(undefined)]);
});

const SAMPLE: RequestSample = {
  source: SOURCE,
  workload: WORKLOAD,
  service: CART,
  isGrpc: false,
  status: 200,
  grpcStatus: undefined,
  flags: '',
  durationMs: 12,
  bytesReceived: 0,
  bytesSent: 1_024,
  requestMessages: 0,
  responseMessages: 0,
};

function lines(registry: Registry, name: string): readonly string[] {
  return registry
    .render()
    .body.split('\n')
    .filter((line) => line.startsWith(name));
}

test('each combination of what differs counts for itself, whoever found it first', () => {
  const registry = new Registry();
  const metrics = new RequestMetrics(requestFamilies(registry));
  metrics.add(SAMPLE);
  metrics.add({ ...SAMPLE, source: { ...SOURCE } }); // another stream of the same caller
  metrics.add({ ...SAMPLE, status: 503, flags: 'UF' });
  metrics.add({ ...SAMPLE, status: 503, flags: 'UH', workload: undefined });
  metrics.add({ ...SAMPLE, isGrpc: true, grpcStatus: '5', requestMessages: 2, responseMessages: 3 });
  const counts = lines(registry, 'istio_requests_total').map((line) => {
    const of = (label: string) => line.match(`${label}="([^"]*)"`)?.[1];
    return [of('response_code'), of('response_flags'), of('grpc_response_status'), line.split(' ').at(-1)].join(' ');
  });
  assert.deepEqual(counts, ['200 -  2', '503 UF  1', '503 UH  1', '200 - 5 1']);
  assert.match(lines(registry, 'istio_request_messages_total')[0] ?? '', / 2$/);
  assert.match(lines(registry, 'istio_response_messages_total')[0] ?? '', / 3$/);
  assert.equal(
    lines(registry, 'istio_request_duration_milliseconds_bucket{')
      .find((line) => /le="25\.0"/.test(line))
      ?.split(' ')
      .at(-1),
    '2',
  );
  assert.equal(lines(registry, 'istio_response_bytes_sum')[0]?.split(' ').at(-1), '2048');
});

test('more combinations than are remembered still count right', () => {
  const registry = new Registry({ maxSeries: 20 });
  const metrics = new RequestMetrics(requestFamilies(registry));
  for (let i = 0; i < 9_000; i++) metrics.add({ ...SAMPLE, flags: `F${i}` });
  metrics.add({ ...SAMPLE, flags: 'F0' });
  const total = lines(registry, 'istio_requests_total').reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  assert.equal(total, 9_001);
});

test('settings take whole metrics away, and labels of some', () => {
  const registry = new Registry();
  const rules = metricRules({
    disabledMetrics: ['REQUEST_SIZE', 'TCP_SENT_BYTES'],
    removedTags: [{ metric: 'REQUEST_COUNT', tag: 'source_principal' }],
    tagValues: [],
  });
  new RequestMetrics(requestFamilies(registry), rules).add(SAMPLE);
  const tcp = new TcpMetrics(registry);
  tcp.closed(rules, SAMPLE, { bytesReceived: 1, bytesSent: 2, flags: '' });
  assert.deepEqual(lines(registry, 'istio_request_bytes'), []);
  assert.deepEqual(lines(registry, 'istio_tcp_sent_bytes_total'), []);
  assert.match(lines(registry, 'istio_requests_total')[0] ?? '', /source_principal=""/);
  assert.match(lines(registry, 'istio_response_bytes_count')[0] ?? '', /source_principal="spiffe/);
  assert.match(lines(registry, 'istio_tcp_received_bytes_total')[0] ?? '', / 1$/);
});

function computed(registry: Registry, ...expressions: readonly string[]): ComputedLabels {
  const tagValues = expressions.map(
    (expression, i) => ({ metric: 'REQUEST_COUNT', tag: `tag${i}`, expression }) as const,
  );
  return new ComputedLabels({ ...NO_TELEMETRY, tagValues }, requestFamilies(registry), () => {});
}

test('labels are worked out for each request, of the metric that they are for', () => {
  const registry = new Registry();
  const labels = computed(registry, 'request.method', 'response.headers["x"]', 'response.code >');
  for (const method of ['GET', 'PUT', 'GET']) labels.of(attributesOf(entry({ method }))).metrics.add(SAMPLE);
  const [get, put] = lines(registry, 'istio_requests_total');
  assert.match(get ?? '', /,tag0="GET",tag1="unknown",tag2="unknown"} 2$/);
  assert.match(put ?? '', /,tag0="PUT",tag1="unknown",tag2="unknown"} 1$/);
  assert.match(lines(registry, 'istio_request_bytes_count')[0] ?? '', /connection_security_policy="mutual_tls"} 3$/);
});

test('a label of the metric itself says something else', () => {
  const registry = new Registry();
  const tagValues = [
    { metric: 'REQUEST_COUNT', tag: 'response_code', expression: 'string(response.code / 100) + "xx"' },
  ] as const;
  const labels = new ComputedLabels({ ...NO_TELEMETRY, tagValues }, requestFamilies(registry), () => {});
  labels.of(attributesOf(entry({ status: 404 }))).metrics.add({ ...SAMPLE, status: 404 });
  assert.match(lines(registry, 'istio_requests_total')[0] ?? '', /response_code="4xx"/);
});

test('callers that make up values fill no more than their share of series', () => {
  const registry = new Registry();
  const labels = computed(registry, 'request.path');
  for (let i = 0; i < 1_500; i++) labels.of(attributesOf(entry({ path: `/${i}` }))).metrics.add(SAMPLE);
  const counted = lines(registry, 'istio_requests_total');
  assert.equal(counted.length, 1_001);
  assert.match(counted.find((line) => line.includes('tag0="overflow"')) ?? '', / 500$/);
});
