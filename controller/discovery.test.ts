import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { RESOURCES } from '../core/kube/index.ts';
import { ADDRESS_TYPE, WAYPOINT_TYPE } from '../core/xds/index.ts';
import { startMesh, until, ztunnelOn } from './test-mesh.ts';

const policy = (name: string, labels: Record<string, string>) => ({
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: { name, namespace: 'default' },
  spec: { selector: { matchLabels: labels }, rules: [{}] },
});

test('a node proxy gets all workloads and policies, then what changes', async () => {
  await using mesh = await startMesh();
  ztunnelOn(mesh, 'node-1');
  mesh.pod({ name: 'web', labels: { app: 'web' } });
  const xds = mesh.xds({});
  await xds.client.synced;
  await until(() => xds.seen.includes('+Address Kubernetes//Pod/default/web'), 'first workload');
  mesh.pod({ name: 'late', ip: '10.244.1.6' });
  await until(() => xds.seen.includes('+Address Kubernetes//Pod/default/late'), 'a new workload');
  mesh.api.remove(RESOURCES.Pod, 'default/late');
  await until(() => xds.seen.includes('-Address Kubernetes//Pod/default/late'), 'a removed workload');
});

test('a new policy travels before the workload that names it, and leaves after', async () => {
  await using mesh = await startMesh();
  ztunnelOn(mesh, 'node-1');
  mesh.pod({ name: 'web', labels: { app: 'web' } });
  const xds = mesh.xds({});
  await xds.client.synced;
  await until(() => xds.seen.includes('+Address Kubernetes//Pod/default/web'), 'first workload');
  xds.seen.length = 0;
  mesh.api.put(policy('allow', { app: 'web' }));
  await until(() => xds.seen.length === 2, 'policy and workload');
  assert.deepEqual(xds.seen, ['+Authorization default/allow', '+Address Kubernetes//Pod/default/web']);
  xds.seen.length = 0;
  mesh.api.remove(RESOURCES.AuthorizationPolicy, 'default/allow');
  await until(() => xds.seen.length === 2, 'workload and policy');
  assert.deepEqual(xds.seen, ['+Address Kubernetes//Pod/default/web', '-Authorization default/allow']);
});

test('only trusted node proxies may subscribe, by their pod and not by what they say', async (t) => {
  await using mesh = await startMesh();
  ztunnelOn(mesh, 'node-1');
  const good = mesh.tokens.get('ztunnel');
  mesh.tokens.set('other', { namespace: 'default', serviceAccount: 'default', pod: { name: 'web', uid: 'web' } });
  mesh.tokens.set('stale', { ...good, pod: { name: 'ztunnel-ztunnel', uid: 'another' } });
  mesh.tokens.set('unbound', { namespace: 'istio-system', serviceAccount: 'ztunnel' });
  mesh.tokens.set('audience', { ...good, audiences: ['api'] });
  mesh.pod({ name: 'web', uid: 'web' });
  const rows: Record<string, [Parameters<typeof mesh.xds>[0], status]> = {
    'a workload that is no node proxy': [{ token: 'other' }, status.PERMISSION_DENIED],
    'a workload that says it is one': [
      { token: 'other', metadata: { NAMESPACE: 'istio-system', SERVICE_ACCOUNT: 'ztunnel' } },
      status.PERMISSION_DENIED,
    ],
    'the token of a ztunnel pod that was replaced': [{ token: 'stale' }, status.PERMISSION_DENIED],
    'a token that is bound to no pod': [{ token: 'unbound' }, status.PERMISSION_DENIED],
    'a token for another audience': [{ token: 'audience' }, status.UNAUTHENTICATED],
    'no known token': [{ token: 'nobody' }, status.UNAUTHENTICATED],
    'a claim that differs from the token': [{ metadata: { SERVICE_ACCOUNT: 'admin' } }, status.PERMISSION_DENIED],
    'a node id of three parts': [{ id: 'ztunnel~10.0.0.1~x' }, status.INVALID_ARGUMENT],
    'a node id of an unknown type': [{ id: 'proxy~10.0.0.1~x.y~z' }, status.INVALID_ARGUMENT],
  };
  for (const [name, [client, code]] of Object.entries(rows)) {
    await t.test(name, async () => {
      const xds = mesh.xds(client);
      assert.equal(await xds.refused(), code);
      assert.deepEqual(xds.seen, []);
    });
  }
});

test('a waypoint gets what it is told itself, and only the addresses that this names', async () => {
  const gateway = (name: string) => ({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { name, namespace: 'default' },
    spec: { gatewayClassName: 'istio-waypoint', listeners: [{ name: 'mesh', port: 15008, protocol: 'HBONE' }] },
    status: { addresses: [{ type: 'Hostname', value: `${name}.default.svc.cluster.local` }] },
  });
  const service = (name: string, waypoint: string) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default', labels: { 'istio.io/use-waypoint': waypoint } },
    spec: { selector: { app: name }, ports: [{ name: 'http', port: 80 }] },
  });
  await using mesh = await startMesh({}, (api) => {
    for (const object of [gateway('w'), gateway('other'), service('mine', 'w'), service('theirs', 'other')]) {
      api.put(object);
    }
  });
  mesh.pod({ name: 'w-1', uid: 'w-1', labels: { 'gateway.networking.k8s.io/gateway-name': 'w' } });
  mesh.pod({ name: 'mine-1', labels: { app: 'mine' }, ip: '10.244.1.7' });
  mesh.pod({ name: 'theirs-1', labels: { app: 'theirs' }, ip: '10.244.1.8' });
  mesh.tokens.set('w', { namespace: 'default', serviceAccount: 'default', pod: { name: 'w-1', uid: 'w-1' } });
  const id = 'waypoint~10.0.0.9~w-1.default~default.svc.cluster.local';
  const types = [{ typeUrl: WAYPOINT_TYPE }, { typeUrl: ADDRESS_TYPE, onDemand: true }];
  const xds = mesh.xds({ token: 'w', id, types });
  await xds.client.synced;
  await until(() => xds.seen.includes('+Waypoint default/w'), 'itself');
  await until(
    () => xds.seen.includes('+Waypoint default/w/service/default/mine.default.svc.cluster.local'),
    'its service',
  );
  await xds.client.demand(ADDRESS_TYPE, 'default/mine.default.svc.cluster.local');
  await xds.client.demand(ADDRESS_TYPE, 'default/theirs.default.svc.cluster.local');
  assert.deepEqual(xds.seen.toSorted(), [
    '+Address Kubernetes//Pod/default/mine-1',
    '+Address default/mine.default.svc.cluster.local',
    '+Waypoint default/w',
    '+Waypoint default/w/service/default/mine.default.svc.cluster.local',
    '-Address default/theirs.default.svc.cluster.local',
  ]);
  mesh.pod({ name: 'mine-2', labels: { app: 'mine' }, ip: '10.244.1.9' });
  await until(() => xds.seen.includes('+Address Kubernetes//Pod/default/mine-2'), 'a new endpoint, unasked');
});

test('a pod that serves no Gateway, and policies for a waypoint, are refused', async () => {
  await using mesh = await startMesh();
  mesh.pod({ name: 'w-1', uid: 'w-1', labels: { 'gateway.networking.k8s.io/gateway-name': 'w' } });
  mesh.tokens.set('w', { namespace: 'default', serviceAccount: 'default', pod: { name: 'w-1', uid: 'w-1' } });
  const id = 'waypoint~10.0.0.9~w-1.default~default.svc.cluster.local';
  const types = [{ typeUrl: WAYPOINT_TYPE }];
  assert.equal(await mesh.xds({ token: 'w', id, types }).refused(), status.PERMISSION_DENIED);
  ztunnelOn(mesh, 'node-1');
  assert.equal(await mesh.xds({ types }).refused(), status.PERMISSION_DENIED);
});

test('a changed mesh configuration reaches clients, and a changed one that is broken changes nothing', async () => {
  const config = (trustDomain: string) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'istio', namespace: 'istio-system' },
    data: { mesh: `trustDomain: ${trustDomain}` },
  });
  await using mesh = await startMesh({}, (api) => api.put(config('one.example')));
  ztunnelOn(mesh, 'node-1');
  mesh.pod({ name: 'web' });
  const xds = mesh.xds({});
  await xds.client.synced;
  await until(() => xds.seen.includes('+Address Kubernetes//Pod/default/web'), 'first workload');
  xds.seen.length = 0;
  mesh.api.put(config('two.example'));
  await until(() => xds.seen.includes('+Address Kubernetes//Pod/default/web'), 'workload of the new domain');
  const { port } = { port: mesh.controller.ports.debug };
  const dump = (await (await fetch(`http://127.0.0.1:${port}/debug/ambientz`)).json()) as {
    workloads: { name: string; trustDomain: string }[];
  };
  assert.equal(dump.workloads.find((w) => w.name === 'web')?.trustDomain, 'two.example');
  mesh.api.put(config('UPPER CASE'));
  await mesh.logged(/mesh configuration refused.*trustDomain/);
});

test('what is derived and who is connected shows on localhost; the other ports show what they should and no more', async () => {
  await using mesh = await startMesh();
  ztunnelOn(mesh, 'node-1');
  mesh.pod({ name: 'web', labels: { app: 'web' } });
  mesh.pod({ name: 'lost', ip: '10.244.1.7', labels: { 'istio.io/use-waypoint': 'nowhere' } });
  mesh.api.put(policy('allow', { app: 'web' }));
  const xds = mesh.xds({});
  await xds.client.synced;
  const { debug, monitoring, ready } = mesh.controller.ports;
  const at = async (port: number, path: string) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`);
    return { status: answer.status, text: await answer.text() };
  };
  await until(() => xds.seen.some((line) => line.includes('default/allow')), 'policy');
  const dump = JSON.parse((await at(debug, '/debug/ambientz')).text);
  assert.ok(dump.workloads.some((w: { uid: string }) => w.uid === 'Kubernetes//Pod/default/web'));
  assert.equal(dump.policies[0].name, 'allow');
  assert.equal(dump.unboundPods['default/lost'].reason, 'WaypointIsNotReady');
  const [client] = JSON.parse((await at(debug, '/debug/syncz')).text);
  assert.deepEqual([client.account, client.node], ['istio-system/ztunnel', 'node-1']);
  assert.equal((await at(ready, '/ready')).status, 200);
  assert.equal((await at(ready, '/debug/ambientz')).status, 404);
  assert.equal((await at(ready, '/metrics')).status, 404);
  assert.match((await at(monitoring, '/version')).text, /^\d+\.\d+\.\d+-\w+-\w+$/);
  const metrics = (await at(monitoring, '/metrics')).text;
  assert.match(metrics, /pilot_xds\{version="[^"]+"\} 1/);
  assert.match(metrics, /pilot_inbound_updates_total\{type="Pod"\}/);
  assert.match(metrics, /ambit_pods_without_their_waypoint 1/);
  assert.match(metrics, /citadel_server_root_cert_expiry_timestamp \d/);
});

test('a drained controller says it is not ready, gives its leases back and ends every stream', async () => {
  await using mesh = await startMesh();
  ztunnelOn(mesh, 'node-1');
  const xds = mesh.xds({});
  await xds.client.synced;
  const lease = () =>
    mesh.api.get(RESOURCES.Lease, 'istio-system/istio-status-leader')?.['spec'] as { holderIdentity?: string };
  assert.equal(lease().holderIdentity, 'istiod-1');
  const drained = mesh.controller.drain();
  const answer = await fetch(`http://127.0.0.1:${mesh.controller.ports.ready}/ready`);
  assert.equal(answer.status, 500);
  await drained;
  assert.equal(lease().holderIdentity, '');
});
