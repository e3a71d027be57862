import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RESOURCES } from '../core/kube/index.ts';
import type { ConditionChange } from '../mesh/index.ts';
import { type Condition, conditionsOf, mergeConditions } from './kube/status-writer.ts';
import { startMesh, type TestMesh, until } from './test-mesh.ts';

const policy = (spec: object) => ({
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: { name: 'p', namespace: 'default' },
  spec,
});
const GOOD = { rules: [{ from: [{ source: { principals: ['cluster.local/ns/default/sa/a'] } }] }] };
const AUDIT = { ...GOOD, action: 'AUDIT' };

const condition = (mesh: TestMesh): Condition | undefined => {
  const object = mesh.api.get(RESOURCES.AuthorizationPolicy, 'default/p');
  return object === undefined ? undefined : conditionsOf(object).find((c) => c.type === 'ZtunnelAccepted');
};
const statusWrites = (mesh: TestMesh): number =>
  mesh.api.requests.filter((r) => r.method === 'PATCH' && r.path.endsWith('/p/status')).length;

test('a policy says whether node proxies enforce it, by server-side apply on its status', async () => {
  await using mesh = await startMesh();
  mesh.api.put(policy(GOOD));
  await until(() => condition(mesh)?.status === 'True', 'accepted');
  assert.equal(condition(mesh)?.reason, 'Accepted');
  const write = mesh.api.requests.find((r) => r.path.endsWith('/p/status'));
  assert.equal(write?.contentType, 'application/apply-patch+yaml');
  assert.equal(write?.query.get('fieldManager'), 'istio-ambient-ztunnel-policy');
  mesh.api.put(policy(AUDIT));
  await until(() => condition(mesh)?.status === 'False', 'refused');
  assert.equal(condition(mesh)?.reason, 'UnsupportedValue');
});

test('an unchanged status is not written again, also after a restart', async () => {
  await using mesh = await startMesh();
  mesh.api.put(policy(GOOD));
  await until(() => condition(mesh) !== undefined, 'accepted');
  const object = mesh.api.get(RESOURCES.AuthorizationPolicy, 'default/p');
  assert.ok(object);
  // a change that means nothing to the policy
  mesh.api.put({ ...object, metadata: { ...object.metadata, annotations: { touched: 'yes' } } });
  await until(() => mesh.api.store.version > Number(object.metadata.resourceVersion), 'touched');
  await using again = await startMesh({}, (api) => void api.put(object));
  again.api.put({ ...policy(GOOD), metadata: { name: 'other', namespace: 'default' } });
  await until(() => again.api.requests.some((r) => r.path.endsWith('/other/status')), 'another policy');
  assert.deepEqual([statusWrites(mesh), statusWrites(again)], [1, 0]);
});

test('a policy that is deleted and made again at once says what became of it', async () => {
  await using mesh = await startMesh({ PILOT_DEBOUNCE_AFTER: '200ms' }); // both within one derivation
  mesh.api.put(policy(GOOD));
  await until(() => condition(mesh)?.status === 'True', 'accepted');
  mesh.api.remove(RESOURCES.AuthorizationPolicy, 'default/p');
  mesh.api.put(policy(GOOD));
  await until(() => condition(mesh)?.status === 'True', 'the new one');
});

test('the status of a policy that was given to another control plane is left to that one', async () => {
  await using mesh = await startMesh();
  mesh.api.put(policy(GOOD));
  await until(() => condition(mesh)?.status === 'True', 'accepted');
  const object = mesh.api.get(RESOURCES.AuthorizationPolicy, 'default/p');
  assert.ok(object);
  mesh.api.put({ ...object, metadata: { ...object.metadata, labels: { 'istio.io/rev': 'green' } } });
  mesh.api.put({ ...policy(GOOD), metadata: { name: 'other', namespace: 'default' } });
  await until(() => mesh.api.requests.some((r) => r.path.endsWith('/other/status')), 'another policy');
  assert.deepEqual([statusWrites(mesh), condition(mesh)?.status], [1, 'True']);
});

test('a controller that does not lead writes neither status nor root certificates, until the leader is gone', async () => {
  let time = Date.now();
  const waiting = new Map<() => void, number>();
  const clock = {
    now: () => time,
    delay: (ms: number, signal?: AbortSignal) => {
      const at = time + ms;
      return new Promise<void>((resolve, reject) => {
        const check = (): void => {
          if (time < at) return;
          waiting.delete(check);
          resolve();
        };
        waiting.set(check, ms);
        signal?.addEventListener('abort', () => {
          waiting.delete(check);
          reject(signal.reason);
        });
        check();
      });
    },
  };
  const advance = (ms: number): void => {
    time += ms;
    for (const check of [...waiting.keys()]) check();
  };
  const lease = (name: string) => ({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name, namespace: 'istio-system' },
    spec: { holderIdentity: 'istiod-0', leaseDurationSeconds: 30, renewTime: new Date(time).toISOString() },
  });
  await using mesh = await startMesh(
    {},
    (api) => {
      api.put(lease('istio-status-leader'));
      api.put(lease('istio-namespace-controller-election'));
      api.put(lease('istio-ip-autoallocate'));
      api.put(lease('istio-validation-leader'));
      api.put(lease('istio-gateway-deployment-default'));
      api.put(policy(GOOD));
    },
    clock,
  );
  const tries = (): number => mesh.api.requests.filter((r) => r.method === 'GET' && r.path.includes('/leases/')).length;
  // An attempt is over when its elector waits for the next: time that passes before that would pass unseen.
  const attempted = (times: number): boolean =>
    tries() === 5 * times && [...waiting.values()].filter((ms) => ms === 7_500).length === 5;
  await until(() => attempted(1), 'first attempts');
  for (let i = 1; i <= 3; i++) {
    advance(7_500);
    await until(() => attempted(1 + i), `attempts ${i}`);
  }
  assert.equal(condition(mesh), undefined);
  assert.equal(mesh.api.get(RESOURCES.ConfigMap, 'default/istio-ca-root-cert'), undefined);
  advance(7_500);
  await until(() => condition(mesh) !== undefined, 'status written by the new leader');
  await until(() => mesh.api.get(RESOURCES.ConfigMap, 'default/istio-ca-root-cert') !== undefined, 'root distributed');
});

const change = (over: Partial<ConditionChange>): ConditionChange => ({
  object: { apiVersion: 'v1', kind: 'K', namespace: 'n', name: 'o', generation: 2 },
  type: 'A',
  status: 'True',
  reason: 'R',
  message: 'm',
  ...over,
});
const held: Condition = {
  type: 'A',
  status: 'True',
  reason: 'R',
  message: 'm',
  lastTransitionTime: 'then',
  observedGeneration: 2,
};
const foreign: Condition = { ...held, type: 'B' };

const MERGES: Readonly<
  Record<string, [readonly Condition[], readonly ConditionChange[], readonly Condition[] | undefined]>
> = {
  'nothing new': [[held, foreign], [change({})], undefined],
  'a generation that came back as text': [[{ ...held, observedGeneration: '2' }], [change({})], undefined],
  'an object without generations': [
    [{ type: 'A', status: 'True', reason: 'R', message: 'm', lastTransitionTime: 'then' }],
    [change({ object: { apiVersion: 'v1', kind: 'Service', namespace: 'n', name: 'o' } })],
    undefined,
  ],
  'a first condition': [[foreign], [change({})], [foreign, { ...held, lastTransitionTime: 'now' }]],
  'another message keeps the time': [[held], [change({ message: 'x' })], [{ ...held, message: 'x' }]],
  'another status sets the time': [
    [held],
    [change({ status: 'False' })],
    [{ ...held, status: 'False', lastTransitionTime: 'now' }],
  ],
  'a newer generation': [[{ ...held, observedGeneration: 1 }], [change({})], [held]],
  'a condition taken off': [[held, foreign], [change({ status: undefined })], [foreign]],
  'a condition taken off that was not there': [[foreign], [change({ status: undefined })], undefined],
};
for (const [name, [present, wanted, expected]] of Object.entries(MERGES)) {
  test(`conditions: ${name}`, () => assert.deepEqual(mergeConditions(present, wanted, 'now'), expected));
}
