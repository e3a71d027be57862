import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gateway, kubeService, namespace, telemetry } from '../derive/test-objects.ts';
import { among, tableOf } from './test-support.ts';

const table = tableOf(test, assert.deepEqual);
const of = (spec: Readonly<Record<string, unknown>>) => telemetry('shop/t', spec);
const log = (entry: object) => of({ accessLogging: [entry] });
const filter = (expression: string) => log({ filter: { expression } });
const trace = (entry: object) => of({ tracing: [entry] });
const tag = (change: object) => of({ metrics: [{ overrides: [{ tagOverrides: { a: change } }] }] });
const FILTER = 'spec.accessLogging[0].filter.expression';
const TAG = 'spec.metrics[0].overrides[0].tagOverrides[a]';

table('a Telemetry that can not be read is refused', [
  ['nothing is amiss', filter('response.code >= 400 && !has(request.headers.debug)'), []],
  ['an expression without an end', filter('response.code >='), [`${FILTER}: "response.code >=": unexpected the end`]],
  ['an expression that is no question', filter('response.code'), [`${FILTER}: "response.code": a filter must be`]],
  ['a pattern that can not be run', filter('request.path.matches("(")'), ['not a pattern that can be run']],
  ['an escape that is no character', filter('request.path == "\\uD800"'), ['\\uD800 stands for no character, at 17']],
  ['a label', tag({ value: 'request.' }), [`${TAG}.value: "request.": unexpected the end`]],
  ['a label without a value', tag({}), [`${TAG}: needs a value`]],
  ['a label that is removed', tag({ operation: 'REMOVE' }), []],
  [
    'a share of traces',
    trace({ randomSamplingPercentage: 101 }),
    ['spec.tracing[0].randomSamplingPercentage: 101 is no'],
  ],
  ['a share below nothing', trace({ randomSamplingPercentage: -1 }), ['randomSamplingPercentage: -1 is no percentage']],
  [
    'a tag of two sources',
    trace({ customTags: { a: { literal: {}, header: {} } } }),
    ['customTags[a]: needs exactly one of'],
  ],
  [
    'a metric that nobody has',
    of({ metrics: [{ overrides: [{ match: { metric: 'REQUESTS' } }] }] }),
    ['"REQUESTS" is none of'],
  ],
  ['a mode', log({ match: { mode: 'BOTH' } }), ['spec.accessLogging[0].match.mode: "BOTH" is none of']],
]);

table('what waypoints do not do is a warning', [
  ['attributes of others', filter('xds.node.id == "a"'), [], [`${FILTER}: xds is not known here`]],
  [
    'a metric of others',
    of({ metrics: [{ overrides: [{ match: { customMetric: 'x' } }] }] }),
    [],
    ['waypoints have the standard metrics'],
  ],
  [
    'a formatter',
    trace({ customTags: { a: { formatter: '%X%' } } }),
    [],
    ['spec.tracing[0].customTags.a: waypoints know'],
  ],
  [
    'a field of tomorrow',
    log({ fitler: {} }),
    [],
    ['spec.accessLogging[0].fitler: unknown field; did you mean filter?'],
  ],
]);

table(
  'a provider, or a target, that the mesh does not have is warned about',
  [
    ['the one that is always there', log({ providers: [{ name: 'envoy' }] }), []],
    [
      'one that nobody has',
      log({ providers: [{ name: 'x' }] }),
      [],
      ['spec: extensionProviders of the mesh configuration have no x'],
    ],
    [
      'a target that is not there',
      of({ targetRefs: [{ kind: 'Service', name: 'x' }] }),
      [],
      ['Service shop/x does not exist'],
    ],
    [
      'a selector that selects nothing',
      of({ selector: { matchLabels: { a: 'b' } } }),
      [],
      ['no pod of namespace shop has a=b'],
    ],
  ],
  among(namespace('shop'), gateway('shop/gate'), kubeService('shop/cart', { ports: [{ port: 80 }] })),
);
