import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import type { KubeObject } from '../../mesh/index.ts';
import { ambit, memoryCluster } from '../test-support.ts';
import {
  AMBIENT,
  CLASS,
  deployment,
  namespace,
  object,
  PROGRAMMED,
  pod,
  serveWaypoints,
  waypoint,
} from './test-waypoints.ts';

const SHOP = namespace('shop', AMBIENT);
const served = (...objects: readonly KubeObject[]) => memoryCluster([CLASS, ...objects], { changed: serveWaypoints });
const labelsOf = (cluster: ReturnType<typeof served>, key: string) => cluster.objects.get(key)?.metadata.labels;

test('a waypoint is generated as an object for a repository, without a namespace unless one is named', async () => {
  const { code, out } = await ambit(['waypoint', 'generate', '--for', 'all', '-r', 'canary']);
  assert.equal(code, 0);
  assert.deepEqual(parse(out), {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { name: 'waypoint', labels: { 'istio.io/waypoint-for': 'all', 'istio.io/rev': 'canary' } },
    spec: { gatewayClassName: 'istio-waypoint', listeners: [{ name: 'mesh', port: 15008, protocol: 'HBONE' }] },
  });
  const named = await ambit(['waypoint', 'generate', '-n', 'shop', '--name', 'gate', '-o', 'json']);
  assert.deepEqual((JSON.parse(named.out) as KubeObject).metadata, { name: 'gate', namespace: 'shop' });
});

test('a waypoint is applied, waited for, and then used by its namespace', async () => {
  const cluster = served(SHOP);
  const answer = await ambit(['waypoint', 'apply', '-n', 'shop', '--enroll-namespace', '--wait'], cluster);
  assert.equal(answer.code, 0, answer.said);
  assert.deepEqual(answer.out.split('\n'), [
    '✅ waypoint shop/waypoint applied',
    '✅ waypoint shop/waypoint is ready!',
    '✅ namespace shop labeled with "istio.io/use-waypoint: waypoint"',
  ]);
  assert.equal(labelsOf(cluster, 'Namespace /shop')?.['istio.io/use-waypoint'], 'waypoint');
});

test('a waypoint that nobody uses says how it is used', async () => {
  const { out, said } = await ambit(['waypoint', 'apply', '-n', 'shop', '--name', 'gate'], served(SHOP));
  assert.equal(out, '✅ waypoint shop/gate applied');
  assert.match(said, /kubectl label service NAME -n shop istio\.io\/use-waypoint=gate/);
});

test('a namespace that is not in the mesh is warned of', async () => {
  const { code, said } = await ambit(['waypoint', 'apply', '-n', 'shop'], served(namespace('shop')));
  assert.equal(code, 0);
  assert.match(said, /namespace shop is not in the mesh.*ambit enroll shop/);
});

test('what names a waypoint that there is not goes without the one of its namespace, and is warned of', async () => {
  const uses = (name: string, more = {}) => ({ labels: { 'istio.io/use-waypoint': name, ...more } });
  const cluster = served(
    SHOP,
    object('Service', 'shop/cart', uses('old')),
    object('Service', 'shop/price', uses('old')),
    object('Service', 'shop/stock', uses('gate', { 'istio.io/use-waypoint-namespace': 'edge' })),
    object('Service', 'shop/free', uses('none')),
    object('Service', 'shop/plain'),
    object('Service', 'shop/other', uses('spare')),
    object('Service', 'shop/own', uses('waypoint')),
    object('Service', 'web/cart', uses('old')),
    waypoint('shop/spare'),
  );
  const { code, said } = await ambit(['waypoint', 'apply', '-n', 'shop', '--enroll-namespace'], cluster);
  assert.equal(code, 0, said);
  const warnings = said.split('\n').filter((line) => line.includes('does not exist'));
  assert.equal(warnings.length, 2, said);
  assert.match(warnings[0] ?? '', /Service shop\/cart, shop\/price: .* names waypoint shop\/old, which does not exist/);
  assert.match(warnings[0] ?? '', /kubectl label service cart price -n shop istio\.io\/use-waypoint- /);
  assert.match(warnings[1] ?? '', /Service shop\/stock: .* names waypoint edge\/gate/);
  const quiet = await ambit(['waypoint', 'apply', '-n', 'shop'], cluster);
  assert.doesNotMatch(quiet.said, /does not exist/);
});

test('a namespace that uses another waypoint is left as it is, without --overwrite', async () => {
  const cluster = served(namespace('shop', { ...AMBIENT, 'istio.io/use-waypoint': 'old' }));
  const refused = await ambit(['waypoint', 'apply', '-n', 'shop', '--enroll-namespace'], cluster);
  assert.equal(refused.code, 1);
  assert.match(refused.said, /label istio\.io\/use-waypoint: old already; nothing was changed.*--overwrite/);
  assert.equal(cluster.objects.has('Gateway shop/waypoint'), false);
  const forced = await ambit(['waypoint', 'apply', '-n', 'shop', '--enroll-namespace', '--overwrite'], cluster);
  assert.equal(forced.code, 0, forced.said);
  assert.equal(labelsOf(cluster, 'Namespace /shop')?.['istio.io/use-waypoint'], 'waypoint');
});

test('a waypoint of that name in another namespace is another waypoint', async () => {
  const labels = { ...AMBIENT, 'istio.io/use-waypoint': 'waypoint', 'istio.io/use-waypoint-namespace': 'edge' };
  const cluster = served(namespace('shop', labels));
  const refused = await ambit(['waypoint', 'apply', '-n', 'shop', '--enroll-namespace', '-o', 'json'], cluster);
  assert.equal(refused.code, 1);
  const answer = JSON.parse(refused.out) as { readonly applied: boolean; readonly warnings: readonly string[] };
  assert.equal(answer.applied, false);
  assert.match(answer.warnings.join(), /edge\/waypoint already/);
  await ambit(['waypoint', 'apply', '-n', 'shop', '--enroll-namespace', '--overwrite'], cluster);
  assert.equal(labelsOf(cluster, 'Namespace /shop')?.['istio.io/use-waypoint-namespace'], undefined);
});

test('applying twice is harmless, and a namespace that uses it already needs no --overwrite', async () => {
  const cluster = served(namespace('shop', { ...AMBIENT, 'istio.io/use-waypoint': 'waypoint' }));
  for (const _ of [1, 2]) {
    const args = ['waypoint', 'apply', '-n', 'shop', '--enroll-namespace', '--wait', '-o', 'json'];
    const { code, out } = await ambit(args, cluster);
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(out), {
      namespace: 'shop',
      name: 'waypoint',
      warnings: [],
      applied: true,
      ready: true,
      enrolled: true,
    });
  }
});

const STUCK: readonly [string, readonly KubeObject[], RegExp][] = [
  ['nobody has taken it up', [], /the controller has not taken it up yet; its Deployment is not there yet/],
  [
    'its image can not be pulled',
    [
      deployment('shop/waypoint', 0),
      pod('shop/waypoint-1', 'waypoint', {
        containerStatuses: [{ state: { waiting: { reason: 'ImagePullBackOff', message: 'no such image' } } }],
      }),
    ],
    /0 of 1 pods ready; waypoint-1 waits \(ImagePullBackOff: no such image\)/,
  ],
  [
    'no node has room for it',
    [
      deployment('shop/waypoint', 0),
      pod('shop/waypoint-1', 'waypoint', {
        conditions: [{ type: 'PodScheduled', status: 'False', message: '0/2 nodes are available' }],
      }),
    ],
    /waypoint-1 has no node \(0\/2 nodes are available\)/,
  ],
];
for (const [why, objects, expected] of STUCK) {
  test(`waiting for a waypoint ends and says why: ${why}`, async () => {
    const cluster = memoryCluster([CLASS, SHOP, ...objects]);
    const args = ['waypoint', 'apply', '-n', 'shop', '--wait', '--waypoint-timeout', '1ms'];
    const { code, said } = await ambit(args, cluster);
    assert.equal(code, 1);
    assert.match(said, expected);
    assert.match(said, /Next:\n {2}kubectl -n shop describe gateway waypoint/);
  });
}

test('a waypoint that the controller does not accept is not waited for', async () => {
  const accepted = { type: 'Accepted', status: 'False', reason: 'InvalidParameters', message: 'no ConfigMap tuned' };
  const held = waypoint('shop/waypoint', { conditions: [accepted] });
  const { code, said } = await ambit(['waypoint', 'apply', '-n', 'shop', '-w'], memoryCluster([CLASS, SHOP, held]));
  assert.equal(code, 1);
  assert.match(said, /not accepted \(InvalidParameters: no ConfigMap tuned\)/);
});

const refusals: readonly [string, readonly string[], ReturnType<typeof memoryCluster> | undefined, number, RegExp][] = [
  ['the name none', ['apply', '--name', 'none'], served(SHOP), 2, /"no waypoint"/],
  ['a name that no Service can have', ['generate', '--name', 'Gate.1'], undefined, 2, /letters, digits and dashes/],
  ['a traffic type that there is not', ['generate', '--for', 'pods'], undefined, 2, /Allowed choices are service/],
  ['--overwrite alone', ['apply', '--overwrite'], served(SHOP), 2, /--overwrite goes with --enroll-namespace/],
  ['no Gateway API', ['apply', '-n', 'shop'], memoryCluster([SHOP], { unserved: ['gateways'] }), 1, /ambit install/],
  ['no Gateway API to list', ['list'], memoryCluster([], { unserved: ['gateways'] }), 1, /run `ambit install`/],
  ['no mesh', ['apply', '-n', 'shop'], memoryCluster([SHOP]), 1, /nobody here makes waypoints.*ambit install/],
  ['no such namespace', ['apply', '-n', 'shop'], served(), 1, /kubectl create namespace shop/],
  [
    'a Gateway that is somebody else’s door',
    ['apply', '-n', 'shop', '--name', 'front'],
    served(SHOP, waypoint('shop/front', { className: 'istio' })),
    1,
    /Gateway shop\/front exists and is of class istio/,
  ],
  ['nothing to delete', ['delete'], served(SHOP), 2, /name the waypoints to delete, or say --all/],
  ['names and --all', ['delete', 'gate', '--all'], served(SHOP), 2, /exclude each other/],
];
for (const [name, args, cluster, code, message] of refusals) {
  test(`${name} is an error that says what to do`, async () => {
    const answer = await ambit(['waypoint', ...args], cluster);
    assert.equal(answer.code, code, answer.said);
    assert.match(answer.said, message);
  });
}

const MANY = [
  CLASS,
  waypoint('shop/gate', { conditions: [PROGRAMMED] }),
  waypoint('shop/pods', { labels: { 'istio.io/waypoint-for': 'workload', 'istio.io/rev': 'canary' } }),
  waypoint('edge/gate', { conditions: [PROGRAMMED] }),
  waypoint('shop/front', { className: 'istio', conditions: [PROGRAMMED] }),
];

test('waypoints are listed with what they really serve', async () => {
  const { code, out } = await ambit(['waypoint', 'list', '-n', 'shop'], memoryCluster(MANY));
  assert.equal(code, 0);
  assert.equal(
    out,
    `
NAME  REVISION  TRAFFIC TYPE  PROGRAMMED
gate  default   service       True
pods  canary    workload      False`.trim(),
  );
  const all = await ambit(['waypoint', 'list', '-A'], memoryCluster(MANY));
  assert.match(all.out, /^NAMESPACE {2}NAME .*\nedge {7}gate .*\nshop {7}gate .*\nshop {7}pods .*$/);
  const none = await ambit(['waypoint', 'list'], memoryCluster(MANY));
  assert.equal(none.out, 'No waypoints found.');
});

test('the class says what waypoints serve that say nothing', async () => {
  const ofClass = { ...CLASS, metadata: { ...CLASS.metadata, labels: { 'istio.io/waypoint-for': 'all' } } };
  const cluster = memoryCluster([ofClass, waypoint('shop/gate')]);
  assert.match((await ambit(['waypoint', 'list', '-n', 'shop'], cluster)).out, /gate {2}default {3}all/);
});

test('the status of waypoints says why one does not serve, and its exit code does', async () => {
  const { code, out } = await ambit(['waypoint', 'status', '-n', 'shop', '--no-wait'], memoryCluster(MANY));
  assert.equal(code, 1);
  assert.equal(
    out,
    `
NAME  STATUS   TYPE        REASON      MESSAGE
gate  True     Programmed  Programmed  at gate.shop:15008
pods  Unknown  Programmed  Pending     the controller has said nothing yet`.trim(),
  );
  const one = await ambit(['waypoint', 'status', 'gate', '-n', 'shop', '--no-wait'], memoryCluster(MANY));
  assert.equal(one.code, 0);
});

test('status waits for what is on its way', async () => {
  const cluster = memoryCluster([CLASS, waypoint('shop/gate')]);
  const isReady = ambit(['waypoint', 'status', '-n', 'shop'], {
    ...cluster,
    get: async (type, name, ns) => {
      const found = await cluster.get(type, name, ns); // the first look finds nothing yet
      serveWaypoints(cluster.objects);
      return found;
    },
  });
  const { code, out, said } = await isReady;
  assert.equal(code, 0, said);
  assert.match(out, /gate {2}True/);
  assert.match(said, /waypoint shop\/gate: the controller has not taken it up yet/);
});

test('waypoints are deleted by name; one that is not there is said, and no error', async () => {
  const cluster = memoryCluster(MANY);
  const { code, out, said } = await ambit(['waypoint', 'delete', 'gate', 'nobody', 'front', '-n', 'shop'], cluster);
  assert.equal(code, 0);
  assert.equal(out, 'waypoint shop/gate deleted');
  assert.match(said, /waypoint shop\/nobody not found/);
  assert.equal(cluster.objects.has('Gateway shop/gate'), false);
  assert.equal(cluster.objects.has('Gateway edge/gate'), true);
  assert.equal(cluster.objects.has('Gateway shop/front'), true, 'a Gateway of another class is no waypoint');
});

test('all waypoints of a revision are deleted, and no others', async () => {
  const cluster = memoryCluster(MANY);
  const { out } = await ambit(['waypoint', 'delete', '--all', '-r', 'canary', '-n', 'shop'], cluster);
  assert.equal(out, 'waypoint shop/pods deleted');
  assert.equal(cluster.objects.has('Gateway shop/gate'), true);
});

test('deleting a waypoint names who still asks for it, and what becomes of their traffic', async () => {
  const uses = { 'istio.io/use-waypoint': 'gate' };
  const objects = [...MANY, namespace('shop', uses), object('Service', 'shop/cart', { labels: uses })];
  const free = await ambit(['waypoint', 'delete', 'gate', '-n', 'shop'], memoryCluster(objects));
  assert.match(free.said, /still asked for by Namespace shop, Service shop\/cart: traffic to them goes on without it/);
  const policy = object('AuthorizationPolicy', 'shop/get-only', {
    apiVersion: 'security.istio.io/v1',
    spec: { targetRefs: [{ kind: 'Service', name: 'web' }] },
  });
  const tied = await ambit(['waypoint', 'delete', 'gate', '-n', 'shop'], memoryCluster([...objects, policy]));
  assert.match(
    tied.said,
    /AuthorizationPolicy shop\/get-only is about is denied from now on \(ambit_require_waypoint_\*/,
  );
  const others = await ambit(['waypoint', 'delete', 'pods', '-n', 'shop'], memoryCluster([...objects, policy]));
  assert.equal(others.said, '');
});
