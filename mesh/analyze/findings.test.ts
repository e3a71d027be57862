import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../kube-object.ts';
import { buildModel } from '../predict/model.ts';
import { seeded, shuffled } from '../test-support.ts';
import { CODES, reaches } from './codes.ts';
import { findings } from './findings.ts';
import { ambient, cases, found, inShort, object, peers, pod, policy, service } from './test-support.ts';

const HTTP = { rules: [{ to: [{ operation: { paths: ['/admin'] } }] }] };
const status = (conditions: readonly object[]): KubeObject => ({
  ...policy('shop/p', {}, { generation: 2 }),
  status: { conditions },
});
const SHOP = [ambient('shop'), pod('shop/cart')];

const CASES = cases(
  ['AMB0104', 'AMB0108', 'AMB0716', 'IST0106', 'IST0133', 'IST0171'],
  [
    [
      'a policy that L4 enforces as written',
      [...SHOP, policy('shop/p', { rules: [{ to: [{ operation: { ports: ['80'] } }] }] })],
      [],
    ],
    [
      'an ALLOW by HTTP where only L4 enforces',
      [...SHOP, policy('shop/p', HTTP)],
      ['AMB0104 AuthorizationPolicy shop/p spec.rules[0]'],
    ],
    [
      'a DENY by HTTP where only L4 enforces',
      [...SHOP, policy('shop/p', { action: 'DENY', ...HTTP })],
      ['AMB0104 AuthorizationPolicy shop/p spec.rules[0]'],
    ],
    [
      'settings of a DestinationRule that no waypoint follows',
      [
        object('networking.istio.io/v1', 'DestinationRule', 'shop/d', {
          host: 'cart',
          trafficPolicy: { retryBudget: {} },
        }),
      ],
      ['AMB0716 DestinationRule shop/d spec.trafficPolicy.retryBudget'],
    ],
    [
      'settings of a Telemetry that no waypoint follows',
      [object('telemetry.istio.io/v1', 'Telemetry', 'shop/t', { tracing: [{ disableContextPropagation: true }] })],
      ['AMB0716 Telemetry shop/t spec.tracing[0].disableContextPropagation'],
    ],
    [
      'an action that nothing enforces',
      [...SHOP, policy('shop/p', { action: 'AUDIT', rules: [{}] })],
      ['AMB0108 AuthorizationPolicy shop/p spec.action'],
    ],
    [
      'an object that the mesh can not take',
      [...SHOP, policy('shop/p', { action: 'PERHAPS' })],
      ['IST0106 AuthorizationPolicy shop/p spec.action'],
    ],
    [
      'a status that says yes',
      [...SHOP, status([{ type: 'ZtunnelAccepted', status: 'True', reason: 'Accepted' }])],
      [],
    ],
    [
      'a status that says no',
      [...SHOP, status([{ type: 'ZtunnelAccepted', status: 'False', reason: 'Invalid' }])],
      ['IST0171 AuthorizationPolicy shop/p status.conditions["ZtunnelAccepted"]'],
    ],
    [
      'a policy of Gateway API that is not followed, as far as it is ours to say',
      [
        ...SHOP,
        {
          apiVersion: 'gateway.networking.k8s.io/v1',
          kind: 'BackendTLSPolicy',
          metadata: { namespace: 'shop', name: 'p' },
          status: {
            ancestors: ['istio.io/mesh-controller', 'example.com/other'].map((controllerName) => ({
              controllerName,
              conditions: [{ type: 'Accepted', status: 'False', reason: 'NoValidCACertificate' }],
            })),
          },
        },
      ],
      ['IST0171 BackendTLSPolicy shop/p status.conditions["Accepted"]'],
    ],
    [
      'a status of what stood there before',
      [...SHOP, status([{ type: 'ZtunnelAccepted', status: 'False', observedGeneration: 1 }])],
      [],
    ],
  ],
);
for (const { name, got, want } of CASES) test(name, () => assert.deepEqual(got(), want));

const MIXED = [
  ambient('shop', { 'istio.io/use-waypoint': 'nowhere' }),
  pod('shop/cart'),
  pod('shop/old', { captured: false, spec: { hostNetwork: true } }),
  policy('shop/a', { rules: [{}] }),
  policy('shop/b', { rules: [{}] }),
  policy('shop/c', { selector: { matchLabels: { app: 'nobody' } } }),
  peers('shop/x', { mtls: { mode: 'STRICT' } }),
  peers('shop/y', {}, 2),
  service('shop/s', { selector: { app: 'nobody' } }),
];

test('findings do not depend on the order of the objects; the worst come first', () => {
  const want = found(MIXED);
  assert.deepEqual([...new Set(want.map(({ severity }) => severity))], ['error', 'warning', 'info']);
  const random = seeded(7);
  for (let round = 0; round < 20; round++) assert.deepEqual(found(shuffled(MIXED, random)), want);
});

test('an object mutes codes about itself', () => {
  const muted = (codes: string) =>
    found([
      ...SHOP,
      policy(
        'shop/p',
        { selector: { matchLabels: { app: 'x' } } },
        { annotations: { 'galley.istio.io/analyze-suppress': codes } },
      ),
    ]).map(inShort);
  assert.deepEqual(muted('IST0101'), ['IST0127 AuthorizationPolicy shop/p spec.selector.matchLabels']);
  assert.deepEqual(muted('IST0101, IST0127'), []);
  assert.deepEqual(muted('*'), []);
  const onHost = { captured: false, spec: { hostNetwork: true } };
  const mute = { 'galley.istio.io/analyze-suppress': 'AMB0301' };
  assert.deepEqual(found([...SHOP, pod('shop/agent', { ...onHost, annotations: mute })]), []);
});

test('a severity reaches a threshold that is as bad or milder', () => {
  assert.deepEqual(
    (['error', 'warning', 'info'] as const).map((severity) => reaches(severity, 'warning')),
    [true, true, false],
  );
});

test('every code has a name of its own and says what it means', () => {
  const names = Object.values(CODES).map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const [code, { meaning }] of Object.entries(CODES))
    assert.match(`${code} ${meaning}`, /^(IST|AMB)\d{4} [a-z"S]/);
});

test('objects full of nonsense are analysed all the same', () => {
  const values: readonly unknown[] = [null, 7, '', 'x', [], [null], {}, { a: 1 }, true];
  const kinds = [
    'Service',
    'Pod',
    'NetworkPolicy',
    'AuthorizationPolicy',
    'PeerAuthentication',
    'ServiceEntry',
    'Namespace',
  ];
  const groups: Readonly<Record<string, string>> = {
    NetworkPolicy: 'networking.k8s.io/v1',
    AuthorizationPolicy: 'security.istio.io/v1',
    PeerAuthentication: 'security.istio.io/v1',
    ServiceEntry: 'networking.istio.io/v1',
  };
  const fields = [
    'selector',
    'podSelector',
    'ingress',
    'rules',
    'ports',
    'hosts',
    'addresses',
    'targetRefs',
    'containers',
  ];
  for (const kind of kinds) {
    for (const value of values) {
      const spec = Object.fromEntries(fields.map((field) => [field, value]));
      found([
        ...SHOP,
        object(groups[kind] ?? 'v1', kind, 'shop/bad', spec),
        { ...object(groups[kind] ?? 'v1', kind, 'shop/worse', {}), spec: value, status: value },
      ]);
    }
  }
});

test('a path that a second slash goes around is told with the setting that closes it', () => {
  const denied = policy('shop/p', {
    action: 'DENY',
    targetRefs: [{ kind: 'Service', group: '', name: 'cart' }],
    ...HTTP,
  });
  const found = findings(buildModel([...SHOP, denied])).filter(({ code }) => code === 'IST0133');
  assert.deepEqual(
    found.map(({ fix }) => fix?.slice(0, 55)),
    ['set pathNormalization: { normalization: MERGE_SLASHES }'],
  );
});

test('a mesh of 10,000 pods and 1,000 policies is analysed within seconds', () => {
  const objects: KubeObject[] = [];
  for (let n = 0; n < 50; n++) {
    objects.push(ambient(`ns-${n}`));
    for (let a = 0; a < 20; a++) {
      const labels = { app: `app-${a}` };
      objects.push(service(`ns-${n}/app-${a}`, { selector: labels, ports: [{ port: 80, targetPort: 'http' }] }));
      objects.push(
        object('networking.k8s.io/v1', 'NetworkPolicy', `ns-${n}/app-${a}`, {
          podSelector: { matchLabels: labels },
          ingress: [{ from: [{ namespaceSelector: {} }], ports: [{ port: 8080 }] }, { ports: [{ port: 15_008 }] }],
        }),
      );
      // All in one namespace: each may shadow each.
      objects.push(
        policy(`ns-0/p-${n}-${a}`, {
          rules: [{ from: [{ source: { principals: [`cluster.local/ns/ns-${n}/sa/app-${a}`] } }] }],
        }),
      );
      for (let r = 0; r < 10; r++)
        objects.push(
          pod(`ns-${n}/app-${a}-${r}`, { labels, ip: `10.${n}.${a}.${r}`, account: `app-${a}`, ports: { http: 8080 } }),
        );
    }
  }
  const model = buildModel(objects);
  const before = process.cpuUsage();
  assert.deepEqual(findings(model), []);
  const { user } = process.cpuUsage(before); // not the time on the clock: the machine may be shared
  assert.ok(user < 15_000_000, `${user / 1000} ms`);
});
