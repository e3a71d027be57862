import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../kube-object.ts';
import { type Row, tableOf } from './test-support.ts';

const table = tableOf(test, assert.deepEqual);
const dr = (spec: object): KubeObject => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'DestinationRule',
  metadata: { name: 'd', namespace: 'shop' },
  spec: { host: 'cart', ...spec },
});
const AT = 'spec.trafficPolicy';
const policy = (name: string, trafficPolicy: object, ...errors: readonly string[]): Row => [
  name,
  dr({ trafficPolicy }),
  errors.map((error) => `${AT}${error}`),
];
const balancer = (name: string, loadBalancer: object, ...errors: readonly string[]) =>
  policy(name, { loadBalancer }, ...errors.map((error) => `.loadBalancer${error}`));
const tls = (name: string, tls: object, ...errors: readonly string[]) =>
  policy(name, { tls }, ...errors.map((error) => `.tls${error}`));

table('a DestinationRule that contradicts itself is refused', [
  policy('nothing is amiss', {
    outlierDetection: { consecutive5xxErrors: 3, interval: '5s', baseEjectionTime: '30s' },
  }),
  ['a domain', dr({ host: '*.example.org' }), []],
  ['no host', dr({ host: '' }), ['spec.host: must not be empty']],
  ['a wildcard in the middle', dr({ host: 'a.*.b' }), ['spec.host: "a.*.b" is no host name']],
  ['two subsets of one name', dr({ subsets: [{ name: 'a' }, { name: 'a' }] }), ['spec.subsets[1].name: "a" is taken']],
  ['a subset without a name', dr({ subsets: [{ labels: { a: 'b' } }] }), ['spec.subsets[0].name: is required']],
  [
    'a subset with a bad policy',
    dr({ subsets: [{ name: 'a', trafficPolicy: {} }] }),
    ['spec.subsets[0].trafficPolicy: is empty'],
  ],
  policy('an empty policy', {}, ': is empty'),
  policy(
    'a tunnel and a PROXY header',
    { tunnel: {}, proxyProtocol: { version: 'V1' } },
    ': tunnel and proxyProtocol exclude',
  ),
  policy(
    'a port that is none',
    { portLevelSettings: [{ port: { number: 0 } }] },
    '.portLevelSettings[0].port.number: 0 is no whole',
  ),
  balancer(
    'two ways to choose',
    { simple: 'RANDOM', consistentHash: { useSourceIp: true } },
    ': simple and consistentHash exclude',
  ),
  balancer('an unknown way', { simple: 'Random' }, '.simple: "Random" is none of'),
  balancer(
    'two keys',
    { consistentHash: { useSourceIp: true, httpHeaderName: 'a' } },
    '.consistentHash: httpHeaderName and useSourceIp',
  ),
  balancer(
    'a table of no prime',
    { consistentHash: { useSourceIp: true, maglev: { tableSize: 10 } } },
    '.consistentHash.maglev.tableSize: 10 is no prime',
  ),
  balancer(
    'shares that are no whole',
    { localityLbSetting: { distribute: [{ from: 'a', to: { b: 50, c: 49 } }] } },
    '.localityLbSetting.distribute[0].to: shares come to 99',
  ),
  balancer('a start without an end', { warmup: {} }, '.warmup.duration: is required'),
  balancer(
    'a share above all',
    { warmup: { duration: '5s', minimumPercent: 101 } },
    '.warmup.minimumPercent: 101 is no percentage',
  ),
  policy(
    'less than nothing',
    { connectionPool: { http: { http2MaxRequests: -1 } } },
    '.connectionPool.http.http2MaxRequests: -1 is no whole',
  ),
  policy(
    'no time at all',
    { connectionPool: { tcp: { connectTimeout: '0s' } } },
    '.connectionPool.tcp.connectTimeout: "0s" is shorter',
  ),
  policy(
    'failures that are not counted apart',
    { outlierDetection: { consecutiveLocalOriginFailures: 1 } },
    '.outlierDetection.consecutiveLocalOriginFailures: needs',
  ),
  policy(
    'a share of endpoints',
    { outlierDetection: { maxEjectionPercent: 200 } },
    '.outlierDetection.maxEjectionPercent: 200 is no percentage',
  ),
  tls('MUTUAL with a Secret', { mode: 'MUTUAL', credentialName: 'a' }),
  tls('MUTUAL without a certificate', { mode: 'MUTUAL' }, ': MUTUAL needs a credentialName'),
  tls(
    'a Secret and files',
    { mode: 'SIMPLE', credentialName: 'a', caCertificates: '/b' },
    ': credentialName and caCertificates',
  ),
  tls(
    'names that nobody checks',
    { mode: 'SIMPLE', insecureSkipVerify: true, subjectAltNames: ['a'] },
    ': insecureSkipVerify and subjectAltNames',
  ),
]);

table('what has no effect at a waypoint is a warning', [
  ['subsets', dr({ subsets: [{ name: 'a' }] }), [], ['spec.subsets: has no effect at a waypoint']],
  [
    'a rule for sidecars',
    dr({ workloadSelector: { matchLabels: { a: 'b' } } }),
    [],
    ['spec.workloadSelector: it is about some'],
  ],
  [
    'settings that are not known here',
    dr({ trafficPolicy: { connectionPool: { http: { h2UpgradePolicy: 'UPGRADE' } } } }),
    [],
    [`${AT}.connectionPool.http.h2UpgradePolicy: has no effect`],
  ],
  [
    'a client that chooses',
    dr({ trafficPolicy: { loadBalancer: { simple: 'PASSTHROUGH' } } }),
    [],
    [`${AT}.loadBalancer.simple: has no effect`],
  ],
  [
    'outliers by codes',
    dr({ trafficPolicy: { outlierDetection: { outlierDetectionHttpErrorCodes: [429] } } }),
    [],
    [`${AT}.outlierDetection.outlierDetectionHttpErrorCodes: has no effect`],
  ],
  ['a budget', dr({ trafficPolicy: { retryBudget: { percent: 20 } } }), [], [`${AT}.retryBudget: has no effect`]],
  [
    'keys for no TLS',
    dr({ trafficPolicy: { tls: { credentialName: 'a' } } }),
    [],
    [`${AT}.tls: has no effect at a waypoint: mode DISABLE, the default,`],
  ],
  [
    'keys from files',
    dr({ trafficPolicy: { tls: { mode: 'SIMPLE', caCertificates: '/a' } } }),
    [],
    [`${AT}.tls.caCertificates: a waypoint sends nothing to this host`],
  ],
  [
    'failover by place',
    dr({ trafficPolicy: { loadBalancer: { localityLbSetting: { failover: [{ from: 'a', to: 'b' }] } } } }),
    [],
    [`${AT}.loadBalancer.localityLbSetting.failover: has no effect at a waypoint: distance is for trafficDistribution`],
  ],
  [
    'a field of tomorrow',
    dr({ trafficPolicy: { retryBugdet: {} } }),
    [],
    ['retryBugdet: unknown field; did you mean retryBudget?; it has no effect'],
  ],
]);
