import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from '../../core/telemetry/index.ts';
import { ADDRESS_TYPE, AUTHORIZATION_TYPE, ResourceStore, WAYPOINT_TYPE } from '../../core/xds/index.ts';
import { DEFAULT_MESH_CONFIG, type KubeObject, materialName } from '../../mesh/index.ts';
import { controllerMetrics } from '../observe/metrics.ts';
import { SYSTEM_TIMERS } from './debounce.ts';
import { Derivation } from './derivation.ts';

test('Secrets of namespaces that the mesh configuration takes in are followed from then on, and no longer than it does', () => {
  const labels = { matchLabels: { mesh: 'yes' } };
  const narrow = { ...DEFAULT_MESH_CONFIG, discoverySelectors: [labels] };
  let followed: readonly string[] = [];
  const nothing = () => {};
  using derivation = new Derivation({
    config: narrow,
    stores: {
      addresses: new ResourceStore(ADDRESS_TYPE),
      authorizations: new ResourceStore(AUTHORIZATION_TYPE),
      waypoints: new ResourceStore(WAYPOINT_TYPE),
    },
    quietMs: 1,
    maxMs: 1,
    timers: SYSTEM_TIMERS,
    metrics: controllerMetrics(new Registry(), 'test', () => 0),
    onMaterials: (refs) => {
      followed = [...refs].map(materialName);
    },
    onConditions: nothing,
    onRouteStatuses: nothing,
    onDerived: nothing,
    onGone: nothing,
  });
  const objects: readonly KubeObject[] = [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } },
    {
      apiVersion: 'networking.istio.io/v1',
      kind: 'DestinationRule',
      metadata: { namespace: 'shop', name: 'r' },
      spec: { host: 'cart', trafficPolicy: { tls: { mode: 'SIMPLE', credentialName: 'k' } } },
    },
  ];
  for (const object of objects) derivation.set(object);
  derivation.begin();
  assert.deepEqual(followed, []);
  derivation.reconfigure(DEFAULT_MESH_CONFIG);
  assert.deepEqual(followed, ['Secret shop/k']);
  derivation.reconfigure(narrow);
  assert.deepEqual(followed, []);
});
