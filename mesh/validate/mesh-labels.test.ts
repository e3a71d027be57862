import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kubeService, namespace, pod } from '../derive/test-objects.ts';
import { among, type Row, tableOf } from './test-support.ts';

const table = tableOf(test, assert.deepEqual);
type Map = Readonly<Record<string, string>>;
const ns = (labels: Map, annotations: Map = {}, name = 'shop') => namespace(name, { labels, annotations });
const svc = (labels: Map, annotations: Map = {}) => kubeService('shop/web', {}, { labels, annotations });
const MODE = 'istio.io/dataplane-mode';

table('labels and annotations of the mesh', [
  ['enrolment', ns({ [MODE]: 'ambient' }), []],
  ['an empty label', ns({ [MODE]: '' }), []],
  ['labels of others', ns({ 'app.kubernetes.io/name': 'x', team: 'a', 'istio.io/rev': 'r' }), []],
  ['a slip in the value', ns({ [MODE]: 'Ambient' }), [`metadata.labels[${MODE}]: "Ambient" is none of ambient, none`]],
  [
    'a slip in the name',
    ns({ 'istio.io/dataplan-mode': 'ambient' }),
    [],
    ['metadata.labels[istio.io/dataplan-mode]: is no name that the mesh knows; did you mean istio.io/dataplane-mode?'],
  ],
  [
    'a label among the annotations',
    ns({}, { [MODE]: 'ambient' }),
    [],
    [`metadata.annotations[${MODE}]: has no effect here: it is a label`],
  ],
  [
    'an annotation among the labels',
    svc({ 'networking.istio.io/traffic-distribution': 'Any' }),
    [],
    ['has no effect here: it is an annotation'],
  ],
  [
    'a label on a kind that does not have it',
    svc({ [MODE]: 'ambient' }),
    [],
    [`metadata.labels[${MODE}]: has no effect on this kind: it belongs on Namespace, Pod`],
  ],
  [
    'a waypoint with a bad name',
    svc({ 'istio.io/use-waypoint': 'A_b' }),
    ['metadata.labels[istio.io/use-waypoint]: "A_b" is no DNS name'],
  ],
  ['no waypoint, by name', svc({ 'istio.io/use-waypoint': 'none' }), []],
  ['a distribution in any case', svc({}, { 'networking.istio.io/traffic-distribution': 'preferclose' }), []],
  [
    'a distribution that is none',
    svc({}, { 'networking.istio.io/traffic-distribution': 'Near' }),
    ['metadata.annotations[networking.istio.io/traffic-distribution]: "Near" is none of PreferClose'],
  ],
  [
    'a canary of 101 %',
    svc({ 'istio.io/use-waypoint-canary': 'c' }, { 'istio.io/use-waypoint-canary-weight': '101' }),
    ['"101" is not 0 to 100'],
  ],
  [
    'a weight without a canary',
    svc({}, { 'istio.io/use-waypoint-canary-weight': '10' }),
    [],
    ['has no effect without the label istio.io/use-waypoint-canary'],
  ],
  [
    'a canary that is the waypoint',
    svc({ 'istio.io/use-waypoint': 'w', 'istio.io/use-waypoint-canary': 'w' }),
    [],
    ['it names the waypoint that is there already'],
  ],
  [
    'a namespace for no waypoint',
    svc({ 'istio.io/use-waypoint-namespace': 'a' }),
    [],
    ['has no effect without istio.io/use-waypoint'],
  ],
  [
    'a boolean of a pod',
    pod('shop/p', { annotations: { 'ambient.istio.io/dns-capture': 'on' } }),
    ['"on" is not true or false'],
  ],
  [
    'ambient beside sidecars',
    ns({ [MODE]: 'ambient', 'istio-injection': 'enabled' }),
    [],
    ['metadata.labels[istio-injection]: stands beside istio.io/dataplane-mode=ambient'],
  ],
  [
    'ambient for kube-system',
    ns({ [MODE]: 'ambient' }, {}, 'kube-system'),
    [],
    ['this namespace is excluded from the mesh'],
  ],
] satisfies readonly Row[]);

table(
  'a waypoint that does not exist',
  [
    [
      'for a service',
      svc({ 'istio.io/use-waypoint': 'gone' }),
      [],
      ['metadata.labels[istio.io/use-waypoint]: Gateway shop/gone does not exist'],
    ],
    ['for a namespace', ns({ 'istio.io/use-waypoint': 'gone' }), [], ['Gateway shop/gone does not exist']],
    ['in another namespace', ns({ 'istio.io/use-waypoint': 'wp', 'istio.io/use-waypoint-namespace': 'infra' }), []],
  ] satisfies readonly Row[],
  among({ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway', metadata: { name: 'wp', namespace: 'infra' } }),
);
