/** A waypoint that is put before a service changes nothing of what L4 policies say, in meshes made at random. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gateway, kubeService, pod } from '../derive/test-objects.ts';
import type { KubeObject } from '../kube-object.ts';
import { seeded } from '../test-support.ts';
import { buildModel } from './model.ts';
import { ask, predicted, randomMesh } from './test-random-mesh.ts';

/** In a namespace, and at an address, that policies are about; its account is named by none of them. */
const GATEWAY: readonly KubeObject[] = [
  gateway('a/w', {
    listeners: [{ port: 15_008, protocol: 'HBONE', allowedRoutes: { namespaces: { from: 'All' } } }],
  }),
  kubeService(
    'a/w',
    {
      selector: { 'gateway.networking.k8s.io/gateway-name': 'w' },
      clusterIP: '10.2.9.9',
      ports: [{ port: 15_008 }],
    },
    { labels: { 'gateway.istio.io/managed': 'istio.io-mesh-controller' } },
  ),
  pod('a/w-1', {
    ips: ['10.1.0.14'],
    labels: { 'gateway.networking.k8s.io/gateway-name': 'w', 'istio.io/dataplane-mode': 'none' },
    annotations: { 'ambient.istio.io/redirection': 'disabled' },
    spec: { serviceAccountName: 'w' },
  }),
];

/** Every service behind the waypoint, which looks into nothing. */
function behindWaypoint(object: KubeObject): KubeObject {
  if (object.kind !== 'Service') return object;
  const labels = { 'istio.io/use-waypoint': 'w', 'istio.io/use-waypoint-namespace': 'a' };
  return { ...object, metadata: { ...object.metadata, labels } };
}

function withTcp(object: KubeObject): KubeObject {
  if (object.kind !== 'Service') return object;
  // Which node an endpoint is on is another question for the waypoint than for the caller.
  const { internalTrafficPolicy: _, ...spec } = object['spec'] as Readonly<Record<string, unknown>>;
  return { ...object, spec: { ...spec, ports: [{ port: 80, targetPort: 8080, appProtocol: 'tcp' }] } };
}

test('a waypoint before a service changes no verdict of policies that do not name it', () => {
  let [compared, denied] = [0, 0];
  for (let seed = 1; seed <= 20; seed++) {
    const objects = randomMesh(seeded(seed)).map(withTcp);
    const without = buildModel(objects);
    const behind = buildModel([...objects.map(behindWaypoint), ...GATEWAY]);
    for (const caller of without.view.workloads()) {
      if (caller.tunnelProtocol !== 'HBONE') continue;
      for (const { namespace, name } of without.view.services()) {
        const from = `${caller.namespace}/${caller.name}`;
        const before = ask(without, from, `${namespace}/${name}`);
        const after = ask(behind, from, `${namespace}/${name}`);
        const where = `seed ${seed}: ${from} -> ${namespace}/${name}`;
        assert.deepEqual([...predicted(after)].sort(), [...predicted(before)].sort(), where);
        assert.equal(after.verdict, before.verdict, where);
        compared += 1;
        if (before.verdict === 'denied') denied += 1;
      }
    }
  }
  assert.ok(compared > 500 && denied > 50, `${compared} compared, ${denied} denied`);
});
