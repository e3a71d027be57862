import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RESOURCES } from '../core/kube/index.ts';
import { ROUTE_CONTROLLER, type RouteParentStatus } from '../mesh/index.ts';
import { mergeParents, parentsOf } from './kube/route-status-writer.ts';
import { startMesh, type TestMesh, until } from './test-mesh.ts';

const NOW = '2026-01-02T00:00:00Z';
const THEN = '2026-01-01T00:00:00Z';
const parent = { group: '', kind: 'Service', name: 's' };
const object = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'HTTPRoute',
  metadata: { namespace: 'ns', name: 'r', generation: 2 },
};
const wanted = (parentRef: object = parent, status: 'True' | 'False' = 'True'): RouteParentStatus => ({
  parentRef: { ...parentRef },
  conditions: [{ type: 'Accepted', status, reason: 'R', message: 'm' }],
});
const stands = (type: string, status: string, observedGeneration = 2) => ({
  type,
  status,
  reason: 'R',
  message: 'm',
  lastTransitionTime: THEN,
  observedGeneration,
});
const entry = (parentRef: object, ...conditions: readonly ReturnType<typeof stands>[]) => ({
  parentRef: { ...parentRef },
  controllerName: ROUTE_CONTROLLER,
  conditions,
});

test('entries of others stay as they are, ours come, change and go', () => {
  const other = { ...entry(parent, stands('Accepted', 'False')), controllerName: 'example.com/gateway' };
  const at80 = { ...parent, port: 80 };
  const rows: readonly [
    string,
    present: Parameters<typeof mergeParents>[0],
    parents: readonly RouteParentStatus[],
    expected: unknown,
  ][] = [
    ['nothing stands', [], [wanted()], [entry(parent, { ...stands('Accepted', 'True'), lastTransitionTime: NOW })]],
    ['it stands already', [entry(parent, stands('Accepted', 'True'))], [wanted()], undefined],
    [
      'it stands, with what the API server puts in',
      [entry({ ...parent, namespace: 'ns' }, stands('Accepted', 'True'))],
      [wanted()],
      undefined,
    ],
    [
      'of an older generation',
      [entry(parent, stands('Accepted', 'True', 1))],
      [wanted()],
      [entry(parent, stands('Accepted', 'True'))],
    ],
    [
      'with another status',
      [entry(parent, stands('Accepted', 'False'))],
      [wanted()],
      [entry(parent, { ...stands('Accepted', 'True'), lastTransitionTime: NOW })],
    ],
    [
      'with a condition that is not said any more',
      [entry(parent, stands('Accepted', 'True'), stands('PartiallyInvalid', 'True'))],
      [wanted()],
      [entry(parent, stands('Accepted', 'True'))],
    ],
    [
      'somebody else has an entry',
      [other],
      [wanted()],
      [other, entry(parent, { ...stands('Accepted', 'True'), lastTransitionTime: NOW })],
    ],
    ['a parent that is not named any more', [entry(at80, stands('Accepted', 'True')), other], [], [other]],
    ['only somebody else has an entry', [other], [], undefined],
    [
      'one more parent',
      [entry(parent, stands('Accepted', 'True'))],
      [wanted(), wanted(at80)],
      [
        entry(parent, stands('Accepted', 'True')),
        entry(at80, { ...stands('Accepted', 'True'), lastTransitionTime: NOW }),
      ],
    ],
  ];
  for (const [name, present, parents, expected] of rows) {
    assert.deepEqual(mergeParents(present, { object, parents }, NOW), expected, name);
  }
});

const said = (mesh: TestMesh): string | undefined => {
  const route = mesh.api.get(RESOURCES.HTTPRoute, 'default/r');
  const own = route && parentsOf(route).find(({ controllerName }) => controllerName === ROUTE_CONTROLLER);
  return own?.conditions?.map(({ type, status, reason }) => `${type}=${status} ${reason}`).join(', ');
};

const ROUTE = {
  ...object,
  metadata: { name: 'r', namespace: 'default', generation: 1 },
  spec: { parentRefs: [parent], rules: [{ backendRefs: [{ name: 's', port: 80 }] }] },
};
const SERVICE = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 's', namespace: 'default' },
  spec: { ports: [{ name: 'http', port: 80 }] },
};

test('a route that is deleted and made again at once says what became of it, and nothing of the old one', async () => {
  await using mesh = await startMesh({ PILOT_DEBOUNCE_AFTER: '200ms' }, (api) => void api.put(SERVICE)); // both within one derivation
  const again = (route: typeof ROUTE) => {
    mesh.api.remove(RESOURCES.HTTPRoute, 'default/r');
    mesh.api.put(route);
  };
  const writes = () => mesh.api.requests.filter((r) => r.method === 'PATCH' && r.path.endsWith('/r/status')).length;
  mesh.api.put(ROUTE);
  await until(() => said(mesh)?.startsWith('Accepted=True Accepted, ResolvedRefs=True') === true, 'the first');
  again(ROUTE);
  await until(() => said(mesh)?.startsWith('Accepted=True Accepted, ResolvedRefs=True') === true, 'the second');
  again({ ...ROUTE, spec: { ...ROUTE.spec, rules: [{ backendRefs: [{ name: 'nobody', port: 80 }] }] } });
  await until(() => said(mesh) !== undefined, 'the third');
  assert.match(said(mesh) ?? '', /ResolvedRefs=False BackendNotFound/);
  assert.equal(writes(), 3);
});

test('a route says for its parent what became of it, beside what others say', async () => {
  await using mesh = await startMesh();
  const others = { parentRef: { name: 'gw' }, controllerName: 'example.com/gateway', conditions: [] };
  mesh.api.put({ ...ROUTE, status: { parents: [others] } });
  const missing =
    'Accepted=False NoMatchingParent, ResolvedRefs=False BackendNotFound, ResolvedWaypoints=False NoMatchingParent';
  await until(() => said(mesh) === missing, 'the Service is missing');
  mesh.api.put(SERVICE);
  await until(
    () => said(mesh)?.startsWith('Accepted=True Accepted, ResolvedRefs=True ResolvedRefs') === true,
    'it came',
  );
  assert.match(said(mesh) ?? '', /ResolvedWaypoints=False NoWaypoint$/);
  const route = mesh.api.get(RESOURCES.HTTPRoute, 'default/r');
  assert.ok(route);
  assert.deepEqual(parentsOf(route)[0], others);
});
