import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../kube-object.ts';
import { DEFAULT_MESH_CONFIG } from '../kube-object.ts';
import type { Authorization } from '../model.ts';
import { evaluate } from '../policy/evaluate.ts';
import { spiffeId } from '../spiffe.ts';
import { at, seeded, shuffled } from '../test-support.ts';
import { View } from '../view/view.ts';
import { Deriver } from './deriver.ts';
import { peerAuthentication, pod } from './test-objects.ts';

const mesh = (mode: string, created = 1) => peerAuthentication('istio-system/mesh', { mtls: { mode } }, created);
const wide = (mode: string, name = 'default', created = 1) =>
  peerAuthentication(`app/${name}`, { mtls: { mode } }, created);
const own = (mode: string | undefined, ports: Record<string, string> = {}, name = 'own', created = 1) =>
  peerAuthentication(
    `app/${name}`,
    {
      selector: { matchLabels: { app: 'a' } },
      ...(mode !== undefined && { mtls: { mode } }),
      portLevelMtls: Object.fromEntries(Object.entries(ports).map(([port, m]) => [port, { mode: m }])),
    },
    created,
  );

const target = pod('app/a', { labels: { app: 'a' }, ips: ['10.0.0.1'] });

/** Which of ports 80 and 81 a plaintext client reaches, and whether a client with identity reaches both. */
function reachable(objects: readonly KubeObject[]): string {
  const deriver = new Deriver(DEFAULT_MESH_CONFIG);
  for (const object of objects) deriver.apply(object);
  const view = new View({ network: '', localNode: '' });
  for (const address of deriver.addresses.values()) view.upsertAddress(address);
  for (const authorization of deriver.authorizations.values()) view.upsertAuthorization(authorization);
  const workload = view.workloadByUid('Kubernetes//Pod/app/a');
  assert.ok(workload);
  const scope = view.policyScope(workload);
  assert.deepEqual(scope.missing, []);
  const ask = (port: number, source?: ReturnType<typeof spiffeId>) =>
    evaluate(scope, { ...(source && { source }), from: at('10.0.0.2', 1), to: at('10.0.0.1', port) }).verdict ===
    'allow';
  const alice = spiffeId('cluster.local', 'x', 'alice');
  assert.ok(ask(80, alice) && ask(81, alice), 'an authenticated client is never refused');
  return [80, 81].filter((port) => ask(port)).join(' ') || 'none';
}

test('which ports answer in the clear, for every combination of tiers and ports', () => {
  const rows: readonly [string, readonly KubeObject[], string][] = [
    ['nothing said', [], '80 81'],
    ['mesh STRICT', [mesh('STRICT')], 'none'],
    ['mesh PERMISSIVE', [mesh('PERMISSIVE')], '80 81'],
    ['mesh DISABLE', [mesh('DISABLE')], '80 81'],
    ['mesh UNSET', [mesh('UNSET')], '80 81'],
    ['namespace STRICT', [wide('STRICT')], 'none'],
    ['namespace opens a strict mesh', [mesh('STRICT'), wide('PERMISSIVE')], '80 81'],
    ['namespace DISABLE opens a strict mesh', [mesh('STRICT'), wide('DISABLE')], '80 81'],
    ['namespace UNSET inherits', [mesh('STRICT'), wide('UNSET')], 'none'],
    ['namespace closes an open mesh', [mesh('PERMISSIVE'), wide('STRICT')], 'none'],
    ['workload opens', [mesh('STRICT'), own('PERMISSIVE')], '80 81'],
    ['workload closes', [own('STRICT')], 'none'],
    ['workload UNSET inherits from the namespace', [wide('STRICT'), own('UNSET')], 'none'],
    ['workload without mode inherits from the mesh', [mesh('STRICT'), own(undefined)], 'none'],
    [
      'another workload does not matter',
      [peerAuthentication('app/o', { selector: { matchLabels: { app: 'b' } }, mtls: { mode: 'STRICT' } })],
      '80 81',
    ],
    ['another namespace does not matter', [peerAuthentication('other/default', { mtls: { mode: 'STRICT' } })], '80 81'],
    [
      'a selector in the root namespace is ignored',
      [peerAuthentication('istio-system/s', { selector: { matchLabels: { app: 'a' } }, mtls: { mode: 'STRICT' } })],
      '80 81',
    ],
    [
      'empty labels are no selector',
      [peerAuthentication('app/e', { selector: { matchLabels: {} }, mtls: { mode: 'STRICT' } })],
      'none',
    ],
    [
      'empty labels in the root namespace are the mesh',
      [peerAuthentication('istio-system/e', { selector: { matchLabels: {} }, mtls: { mode: 'STRICT' } })],
      'none',
    ],
    ['STRICT with a permissive port', [own('STRICT', { 81: 'PERMISSIVE' })], '81'],
    ['STRICT with a disabled port', [own('STRICT', { 81: 'DISABLE' })], '81'],
    ['STRICT with both ports open', [own('STRICT', { 80: 'PERMISSIVE', 81: 'DISABLE' })], '80 81'],
    ['STRICT with a strict port', [own('STRICT', { 81: 'STRICT' })], 'none'],
    ['STRICT with an unset port', [own('STRICT', { 81: 'UNSET' })], 'none'],
    ['PERMISSIVE with a strict port', [own('PERMISSIVE', { 81: 'STRICT' })], '80'],
    ['DISABLE with a strict port', [own('DISABLE', { 81: 'STRICT' })], '80'],
    ['PERMISSIVE with both ports strict', [own('PERMISSIVE', { 80: 'STRICT', 81: 'STRICT' })], 'none'],
    ['PERMISSIVE with a permissive port', [own('PERMISSIVE', { 81: 'PERMISSIVE' })], '80 81'],
    ['inherited STRICT with a permissive port', [mesh('STRICT'), own('UNSET', { 81: 'PERMISSIVE' })], '81'],
    ['inherited STRICT with a disabled port', [mesh('STRICT'), own('UNSET', { 81: 'DISABLE' })], '81'],
    [
      'STRICT from the mesh through an unset namespace, with a permissive port',
      [mesh('STRICT'), wide('UNSET'), own('UNSET', { 81: 'PERMISSIVE' })],
      '81',
    ],
    [
      'inherited PERMISSIVE with a strict port',
      [mesh('STRICT'), wide('PERMISSIVE'), own('UNSET', { 81: 'STRICT' })],
      '80',
    ],
    ['nothing inherited with a strict port', [own(undefined, { 81: 'STRICT' })], '80'],
    [
      'mesh STRICT with a permissive workload and a strict port',
      [mesh('STRICT'), own('PERMISSIVE', { 81: 'STRICT' })],
      '80',
    ],
    ['the oldest in a tier counts', [wide('STRICT', 'young', 9), wide('PERMISSIVE', 'old', 3)], '80 81'],
    ['the oldest workload object counts', [own('STRICT', {}, 'old', 1), own('PERMISSIVE', {}, 'young', 2)], 'none'],
    ['of two equally old, the first by name', [wide('STRICT', 'a', 3), wide('PERMISSIVE', 'b', 3)], 'none'],
    ['a mode that can not be read is STRICT', [wide('STRICKT')], 'none'],
    ['a port mode that can not be read is STRICT', [own('PERMISSIVE', { 81: 'whatever' })], '80'],
    [
      'a selector that can not be read makes nothing laxer',
      [
        mesh('STRICT'),
        peerAuthentication('app/x', { selector: { matchLabels: { a: 1 } }, mtls: { mode: 'PERMISSIVE' } }),
      ],
      'none',
    ],
    [
      'a selector that is none makes nothing laxer',
      [mesh('STRICT'), peerAuthentication('app/x', { selector: 'x', mtls: { mode: 'PERMISSIVE' } })],
      'none',
    ],
    [
      'a selector by expressions makes nothing laxer',
      [
        mesh('STRICT'),
        peerAuthentication('app/x', { selector: { matchExpressions: [] }, mtls: { mode: 'PERMISSIVE' } }),
      ],
      'none',
    ],
    ['a mode in the wrong place is STRICT', [peerAuthentication('app/x', { mode: 'PERMISSIVE' })], 'none'],
    ['a misspelt mode is STRICT', [peerAuthentication('app/x', { mtls: { mod: 'PERMISSIVE' } })], 'none'],
    ['a strict port that is none closes all', [own('PERMISSIVE', { http: 'STRICT' })], 'none'],
    ['an open port that is none opens nothing', [own('STRICT', { http: 'PERMISSIVE' })], 'none'],
    [
      'ports that are none close all',
      [peerAuthentication('app/x', { selector: { matchLabels: { app: 'a' } }, portLevelMtls: [{ 81: 'STRICT' }] })],
      'none',
    ],
    [
      'a selector that can not be read may make stricter',
      [peerAuthentication('app/x', { selector: { matchLabels: { a: 1 } }, mtls: { mode: 'STRICT' } })],
      'none',
    ],
  ];
  for (const [name, objects, want] of rows) {
    for (let seed = 0; seed < 4; seed++) {
      assert.equal(reachable(shuffled([target, ...objects], seeded(seed))), want, `${name}, order ${seed}`);
    }
  }
});

const MODES = [undefined, 'UNSET', 'STRICT', 'PERMISSIVE', 'DISABLE'] as const;

test('every combination of mesh, namespace, workload and port mode is what inheritance says', () => {
  for (const m of MODES) {
    for (const n of MODES) {
      for (const w of MODES) {
        for (const p of MODES) {
          const objects = [
            ...(m === undefined ? [] : [mesh(m)]),
            ...(n === undefined ? [] : [wide(n)]),
            ...(w === undefined && p === undefined ? [] : [own(w, p === undefined ? {} : { 81: p })]),
          ];
          // The plain way: the nearest tier that says anything decides, and of a workload's port, the port.
          const says = (...tiers: readonly (string | undefined)[]) =>
            tiers.find((mode) => mode !== undefined && mode !== 'UNSET') === 'STRICT';
          const open = [...(says(w, n, m) ? [] : [80]), ...(says(p, w, n, m) ? [] : [81])];
          assert.equal(reachable([target, ...objects]), open.join(' ') || 'none', [m, n, w, p].join(' / '));
        }
      }
    }
  }
});

test('of several objects in one tier the oldest counts, in every tier and in whatever order they come', () => {
  const tiers: readonly [string, (mode: string, name: string, created: number) => KubeObject][] = [
    ['mesh', (mode, name, created) => peerAuthentication(`istio-system/${name}`, { mtls: { mode } }, created)],
    ['namespace', (mode, name, created) => wide(mode, name, created)],
    ['workload', (mode, name, created) => own(mode, {}, name, created)],
    ['port', (mode, name, created) => own('UNSET', { 80: mode, 81: mode }, name, created)],
  ];
  for (const [tier, make] of tiers) {
    const rows: readonly [string, KubeObject, KubeObject, string][] = [
      ['older and strict', make('STRICT', 'z', 1), make('PERMISSIVE', 'a', 2), 'none'],
      ['older and open', make('STRICT', 'a', 2), make('PERMISSIVE', 'z', 1), '80 81'],
      ['of one age: the first by name', make('STRICT', 'b', 1), make('PERMISSIVE', 'a', 1), '80 81'],
    ];
    for (const [name, one, other, want] of rows) {
      assert.equal(reachable([target, one, other]), want, `${tier}, ${name}`);
      assert.equal(reachable([other, target, one]), want, `${tier}, ${name}, the other way round`);
    }
  }
});

test('the derived policies have the names and shapes of the reference', () => {
  const deriver = new Deriver(DEFAULT_MESH_CONFIG);
  const apply = (object: KubeObject) => void deriver.apply(object);
  apply(target);
  assert.equal(deriver.authorizations.size, 0);
  apply(own('STRICT', { 81: 'PERMISSIVE', 80: 'DISABLE' }));
  const nobody = { notPrincipals: [{ kind: 'presence' }] };
  assert.deepEqual(short(deriver.authorizations), {
    'istio-system/istio_converted_static_strict': [[[nobody]]],
    'app/converted_peer_authentication_own': [
      [[nobody], [{ notDestinationPorts: [80] }], [{ notDestinationPorts: [81] }]],
    ],
  });
  assert.deepEqual(namedBy(deriver), ['app/converted_peer_authentication_own'], 'in place of the static one');
  apply(own('PERMISSIVE', { 81: 'STRICT', 80: 'STRICT' }));
  assert.deepEqual(short(deriver.authorizations)['app/converted_peer_authentication_own'], [
    [[{ ...nobody, destinationPorts: [80] }]],
    [[{ ...nobody, destinationPorts: [81] }]],
  ]);
  apply(own('STRICT'));
  assert.deepEqual([...deriver.authorizations.keys()], ['istio-system/istio_converted_static_strict']);
  assert.deepEqual(namedBy(deriver), ['istio-system/istio_converted_static_strict']);
  const delta = deriver.remove(own('STRICT'));
  assert.deepEqual(delta.authorizations.removed, ['istio-system/istio_converted_static_strict']);
  assert.deepEqual(namedBy(deriver), []);
});

test('a change of the namespace rewrites the derived policies under it', () => {
  const deriver = new Deriver(DEFAULT_MESH_CONFIG);
  for (const object of [target, own('UNSET', { 81: 'STRICT' })]) deriver.apply(object);
  const before = short(deriver.authorizations)['app/converted_peer_authentication_own'];
  assert.equal(before?.length, 1);
  const delta = deriver.apply(wide('STRICT'));
  assert.deepEqual(
    delta.authorizations.removed,
    ['app/converted_peer_authentication_own'],
    'the static one says it all',
  );
  assert.deepEqual(namedBy(deriver), ['istio-system/istio_converted_static_strict']);
});

test('settings without effect are said on the object', () => {
  const deriver = new Deriver(DEFAULT_MESH_CONFIG);
  const said = (object: KubeObject) =>
    deriver.apply(object).conditions.map((c) => `${c.type} ${c.status} ${c.reason}: ${c.message}`);
  assert.deepEqual(said(wide('STRICT')), []);
  assert.match(said(wide('nonsense')).join(), /ZtunnelAccepted False Invalid: spec\.mtls\.mode: "nonsense" is no mode/);
  assert.match(
    said(peerAuthentication('app/p', { portLevelMtls: { 80: { mode: 'STRICT' } } })).join(),
    /needs a selector/,
  );
  assert.match(
    said(peerAuthentication('app/q', { selector: { matchLabels: { a: 'b' } }, portLevelMtls: { x: {} } })).join(),
    /"x" is no port/,
  );
  assert.match(
    said(peerAuthentication('istio-system/r', { selector: { matchLabels: { a: 'b' } } })).join(),
    /root namespace/,
  );
  assert.deepEqual(
    deriver.apply(wide('STRICT')).conditions.map((c) => c.status),
    [undefined],
    'taken off again',
  );
});

function short(authorizations: ReadonlyMap<string, Authorization>) {
  const entries = [...authorizations].map(([key, a]) => {
    assert.deepEqual([a.scope, a.action], ['WORKLOAD_SELECTOR', 'DENY']);
    const rules = a.rules.map((rule) =>
      rule.clauses.map((clause) =>
        clause.matches.map((m) => Object.fromEntries(Object.entries(m).filter(([, values]) => values.length > 0))),
      ),
    );
    return [key, rules] as const;
  });
  return Object.fromEntries(entries) as Record<string, readonly unknown[]>;
}

function namedBy(deriver: Deriver): readonly string[] | undefined {
  const address = deriver.addresses.get('Kubernetes//Pod/app/a');
  return address?.kind === 'workload' ? address.workload.authorizationPolicies : undefined;
}
