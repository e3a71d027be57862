import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Condition } from '../../derive/outputs.ts';
import { telemetry } from '../../derive/test-objects.ts';
import { DEFAULT_MESH_CONFIG } from '../../kube-object.ts';
import type { TelemetryConfig } from '../model.ts';
import { meshTelemetryOf, meshTelemetrySchema } from './mesh-telemetry.ts';
import { Telemetries } from './telemetries.ts';

type Json = Record<string, unknown>;

const PROVIDERS = [
  {
    name: 'otel',
    opentelemetry: { service: 'otel.obs.svc.cluster.local', port: 4318, http: { path: '/v1/traces', timeout: '2s' } },
  },
  { name: 'other', opentelemetry: { service: 'obs/other.obs.svc.cluster.local', port: 4318, http: {} } },
  { name: 'grpc', opentelemetry: { service: 'otel.obs.svc.cluster.local', port: 4317 } },
  { name: 'json', envoyFileAccessLog: { path: '/dev/stdout', logFormat: { labels: { code: '%RESPONSE_CODE%' } } } },
  { name: 'old', zipkin: { service: 'z', port: 9411 } },
];
const GATEWAY = { namespace: 'infra', name: 'waypoint' };
const CART = { kind: 'Service', namespace: 'shop', name: 'cart' } as const;

class World {
  readonly said = new Map<string, Condition | undefined>();
  readonly telemetries: Telemetries;

  constructor(mesh: Json = {}, objects: readonly (readonly [path: string, spec: Json, created?: string])[] = []) {
    const written = meshTelemetrySchema.parse({ extensionProviders: PROVIDERS, ...mesh });
    const config = { ...DEFAULT_MESH_CONFIG, telemetry: meshTelemetryOf(written, 'cluster.local') };
    this.telemetries = new Telemetries({
      config: () => config,
      say: ({ metadata }, condition) => void this.said.set(`${metadata.namespace}/${metadata.name}`, condition),
    });
    for (const [path, spec, creationTimestamp] of objects) {
      const meta = creationTimestamp === undefined ? {} : { creationTimestamp };
      this.telemetries.note(path, telemetry(path, spec, meta));
    }
  }

  cart(): TelemetryConfig | undefined {
    return this.telemetries.of(GATEWAY, CART);
  }
}

const logs = (...accessLogging: readonly Json[]) => ({ accessLogging });
const by = (...names: readonly string[]) => ({ providers: names.map((name) => ({ name })) });
const at = (kind: string, name: string, group = kind === 'Service' ? '' : 'gateway.networking.k8s.io') => ({
  targetRefs: [{ group, kind, name }],
});
const TEXT = { encoding: 'TEXT', format: '', filter: '' };
const CODE = { encoding: 'JSON', format: '{"code":"%RESPONSE_CODE%"}', filter: '' };
const filtered = (expression: string) => ({ filter: { expression } });
const BAD = 'response.code > 399';

test('access logs: the mesh says, then each level that is more specific', async (t) => {
  type Row = readonly [mesh: Json, objects: ConstructorParameters<typeof World>[1], logs: readonly Json[]];
  const FILE = { accessLogFile: '/dev/stdout' };
  const rows: Readonly<Record<string, Row>> = {
    'nobody asked': [{}, [], []],
    'the mesh configuration': [FILE, [], [TEXT]],
    'in JSON, in a format of its own': [
      { ...FILE, accessLogEncoding: 'JSON', accessLogFormat: '{"a":"%PROTOCOL%"}' },
      [],
      [{ encoding: 'JSON', format: '{"a":"%PROTOCOL%"}', filter: '' }],
    ],
    'default providers': [{ defaultProviders: { accessLogging: ['json'] } }, [], [CODE]],
    'an object of the root namespace, for the mesh': [{}, [['istio-system/a', logs(by('envoy'))]], [TEXT]],
    'an entry without a provider': [{}, [['shop/a', logs({})]], [TEXT]],
    'an object of the namespace of the waypoint': [{}, [['infra/a', logs(by('envoy'))]], [TEXT]],
    'an object of another namespace': [{}, [['web/a', logs(by('envoy'))]], []],
    'the namespace of the service over the mesh': [FILE, [['shop/a', logs(by('json'))]], [CODE]],
    'the service over its namespace': [
      {},
      [
        ['shop/a', logs(by('json'))],
        ['shop/b', { ...at('Service', 'cart'), ...logs({ disabled: true }) }],
      ],
      [],
    ],
    'another service': [{}, [['shop/b', { ...at('Service', 'pay'), ...logs(by('json')) }]], []],
    'the Gateway, for services of other namespaces too': [
      {},
      [['infra/a', { ...at('Gateway', 'waypoint'), ...logs(by('json')) }]],
      [CODE],
    ],
    'the class, from the root namespace': [
      {},
      [['istio-system/a', { ...at('GatewayClass', 'istio-waypoint'), ...logs(by('json')) }]],
      [CODE],
    ],
    'one of two is switched off': [
      { defaultProviders: { accessLogging: ['envoy', 'json'] } },
      [['shop/a', logs({ ...by('envoy'), disabled: true })]],
      [CODE],
    ],
    'an entry for clients': [FILE, [['shop/a', logs({ match: { mode: 'CLIENT' }, disabled: true })]], [TEXT]],
    'of two of one namespace the oldest': [
      {},
      [
        ['shop/a', logs(by('json')), '2026-02-01T00:00:00Z'],
        ['shop/b', logs(by('envoy')), '2026-01-01T00:00:00Z'],
      ],
      [TEXT],
    ],
    'a filter': [{}, [['shop/a', logs(filtered(BAD))]], [{ ...TEXT, filter: BAD }]],
    'a filter of one of two': [
      {},
      [['shop/a', logs(by('envoy'), { ...by('json'), ...filtered(BAD) })]],
      [TEXT, { ...CODE, filter: BAD }],
    ],
    'a filter of the level above': [
      {},
      [
        ['istio-system/a', logs({ ...by('json'), ...filtered(BAD) })],
        ['shop/a', logs(by('json'))],
      ],
      [{ ...CODE, filter: BAD }],
    ],
    'a filter over that of the level above': [
      {},
      [
        ['istio-system/a', logs({ ...by('json'), ...filtered(BAD) })],
        ['shop/a', logs(filtered('response.code == 500'))],
      ],
      [{ ...CODE, filter: 'response.code == 500' }],
    ],
    'a filter that can not be read leaves its entry out': [{}, [['shop/a', logs(filtered('response.code >'))]], []],
  };
  for (const [name, [mesh, objects, expected]] of Object.entries(rows)) {
    await t.test(name, () => assert.deepEqual(new World(mesh, objects).cart()?.accessLogs ?? [], expected));
  }
});

test('tracing: field by field, the more specific wins', () => {
  const customTags = { team: { literal: { value: 'shop' } }, user: { header: { name: 'X-User', defaultValue: '-' } } };
  const world = new World({ defaultConfig: { tracing: { sampling: 5 } } }, [
    ['istio-system/a', { tracing: [by('otel')] }],
    ['shop/a', { tracing: [{ randomSamplingPercentage: 50, customTags, enableIstioTags: false }] }],
  ]);
  const collector = { service: 'obs/otel.obs.svc.cluster.local', port: 4318, path: '/v1/traces', timeoutMs: 2_000 };
  assert.deepEqual(world.cart()?.tracing, {
    provider: 'otel',
    ...collector,
    headers: [],
    samplingPercentage: 50,
    customTags: [
      { name: 'team', kind: 'LITERAL', value: 'shop', defaultValue: '' },
      { name: 'user', kind: 'HEADER', value: 'X-User', defaultValue: '-' },
    ],
    istioTags: false,
    disableSpanReporting: false,
  });
  assert.equal(world.telemetries.of(GATEWAY, undefined)?.tracing?.samplingPercentage, 5);
  const plain = new World({ defaultProviders: { tracing: ['other'] } }).cart()?.tracing;
  assert.deepEqual([plain?.service, plain?.samplingPercentage], ['obs/other.obs.svc.cluster.local', 1]);
});

test('metrics are taken away, and given back further down', () => {
  const world = new World({}, [
    [
      'istio-system/a',
      {
        metrics: [
          {
            overrides: [
              { match: { metric: 'REQUEST_SIZE' }, disabled: true },
              { match: { metric: 'RESPONSE_SIZE' }, disabled: true },
            ],
          },
        ],
      },
    ],
    [
      'shop/a',
      {
        metrics: [
          {
            overrides: [
              {
                match: { metric: 'RESPONSE_SIZE' },
                disabled: false,
                tagOverrides: { source_app: { operation: 'REMOVE' } },
              },
            ],
          },
        ],
      },
    ],
  ]);
  assert.deepEqual(world.cart()?.disabledMetrics, ['REQUEST_SIZE']);
  assert.deepEqual(world.cart()?.removedTags, [{ metric: 'RESPONSE_SIZE', tag: 'source_app' }]);
});

test('what is said of numbers that somebody else should get, is not about ours', () => {
  const off = { overrides: [{ match: { metric: 'REQUEST_SIZE' }, disabled: true }] };
  assert.deepEqual(new World({}, [['shop/a', { metrics: [{ ...by('old'), ...off }] }]]).cart(), undefined);
  const ours = new World({}, [['shop/a', { metrics: [{ ...by('old', 'prometheus'), ...off }] }]]).cart();
  assert.deepEqual(ours?.disabledMetrics, ['REQUEST_SIZE']);
});

test('of two objects about the same the younger says that it does not count, while there is an older one', () => {
  const world = new World({}, [['shop/young', logs(by('envoy')), '2026-02-01T00:00:00Z']]);
  assert.equal(world.said.get('shop/young'), undefined);
  const old = telemetry('shop/old', logs(by('json')), { creationTimestamp: '2026-01-01T00:00:00Z' });
  world.telemetries.note('shop/old', old);
  assert.match(
    world.said.get('shop/young')?.message ?? '',
    /shop\/old is about the same \(Namespace shop\), and older/,
  );
  assert.equal(world.said.get('shop/old'), undefined);
  world.telemetries.note('shop/old', undefined);
  assert.equal(world.said.get('shop/young'), undefined);
});

const tags = (tagOverrides: Json, more: Json = {}) => ({ metrics: [{ overrides: [{ ...more, tagOverrides }] }] });

test('labels are given, and taken away further down', () => {
  const only = { match: { metric: 'REQUEST_COUNT' } };
  const world = new World({}, [
    ['istio-system/a', tags({ host: { value: 'request.host' }, path: { value: 'request.path' } }, only)],
    ['shop/a', tags({ path: { operation: 'REMOVE' } }, only)],
  ]);
  const metric = 'REQUEST_COUNT';
  assert.deepEqual(world.cart()?.tagValues, [{ metric, tag: 'host', expression: 'request.host' }]);
  assert.deepEqual(world.cart()?.removedTags, [{ metric, tag: 'path' }]);
});

test('an object says what of it is not done', async (t) => {
  const rows: Readonly<Record<string, readonly [spec: Json, why: RegExp | undefined]>> = {
    'nothing is amiss': [{ ...logs(by('envoy')), tracing: [by('otel')], metrics: [by('prometheus')] }, undefined],
    'a selector': [{ selector: { matchLabels: { a: 'b' } } }, /no waypoint looks at selectors/],
    'a filter': [logs(filtered(BAD)), undefined],
    'a filter of what nobody knows': [
      logs(filtered('xds.node == "a"')),
      /spec\.accessLogging\[0\]\.filter\.expression: xds is not known here; .* left out/,
    ],
    'a filter that is no question': [
      logs(filtered('request.path')),
      /a filter must be true or false, and not a string/,
    ],
    'a filter with an escape that is no character': [
      logs(filtered('request.path == "\\U00110000"')),
      /filter\.expression: \\U00110000 stands for no character, at 17; .* left out/,
    ],
    'a provider that nobody has': [{ tracing: [by('nobody')] }, /provider nobody: no extensionProvider/],
    'a collector over gRPC': [{ tracing: [by('grpc')] }, /provider grpc: .*opentelemetry\.http\.path/],
    'a provider of another time': [{ tracing: [by('old')] }, /provider old: .*know no other provider/],
    'a label with an expression': [tags({ a: { value: 'request.host' } }), undefined],
    'a label with one that can not be read': [
      tags({ a: { value: 'request.' } }),
      /spec\.metrics\[0\]\.overrides\[0\]\.tagOverrides\.a\.value: unexpected the end; it is left out/,
    ],
    'a label without one': [tags({ a: {} }), /tagOverrides\.a\.value: a label that is not removed needs one/],
    'a label that is a map': [tags({ a: { value: 'request.headers' } }), /and not a map/],
    'a name that no label can have': [
      tags({ 'a-b': { value: '"c"' } }),
      /tagOverrides\.a-b: no label can have this name/,
    ],
    'a name that histograms need': [tags({ le: { value: '"c"' } }), /tagOverrides\.le: no label/],
    'an entry for clients': [
      logs({ match: { mode: 'CLIENT' }, disabled: true }),
      /spec\.accessLogging\[0\]\.match\.mode: waypoints serve/,
    ],
    'an override for clients': [
      tags({ a: { value: 'request.host' } }, { match: { mode: 'CLIENT' } }),
      /spec\.metrics\[0\]\.overrides\[0\]\.match\.mode: waypoints serve/,
    ],
    'a second entry of tracing': [{ tracing: [by('otel'), by('other')] }, /spec\.tracing\[1\]: .* the first counts/],
    'a second collector': [{ tracing: [by('otel', 'other')] }, /spec\.tracing\[0\]\.providers: .* the first counts/],
    'sampling by the id of requests': [
      { tracing: [{ useRequestIdForTraceSampling: true }] },
      /spec\.tracing\[0\]\.useRequestIdForTraceSampling: not known here/,
    ],
    'no context for others': [
      { tracing: [{ disableContextPropagation: true }] },
      /disableContextPropagation: not known/,
    ],
    'an interval of numbers': [{ metrics: [{ reportingInterval: '5s' }] }, /spec\.metrics\[0\]\.reportingInterval: /],
    'numbers for whom nobody knows': [
      { metrics: [{ ...by('nobody'), overrides: [{ disabled: true }] }] },
      /nobody: no ext/,
    ],
    'a target that can be none': [at('Pod', 'x'), /spec\.targetRefs\[0\]: Pod of group/],
  };
  for (const [name, [spec, why]] of Object.entries(rows)) {
    await t.test(name, () => {
      const said = new World({}, [['shop/a', spec]]).said.get('shop/a');
      if (why === undefined) assert.equal(said, undefined);
      else assert.match(said?.message ?? '', why);
    });
  }
});

test('who follows is told of changes, and of nothing else', () => {
  const world = new World();
  let told = 0;
  world.telemetries.follow(() => told++);
  const one = telemetry('shop/a', logs(by('envoy')));
  world.telemetries.note('shop/a', one);
  world.telemetries.note('shop/a', { ...one, status: {} });
  assert.equal(told, 1);
  world.telemetries.note('shop/a', undefined);
  assert.equal(told, 2);
  assert.equal(world.cart(), undefined);
});
