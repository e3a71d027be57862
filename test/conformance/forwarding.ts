/** Who answers: tests of MESH-HTTP about matches and weights. */
import assert from 'node:assert/strict';
import { httpRoute, prefix, to } from './objects.ts';
import { assertShare, checkAnswers, type Scenario, shares } from './scenario.ts';

const exact = (value: string) => `matches: [{ path: { type: Exact, value: ${value} } }]`;
const animal = (value: string, more = '') => `{ queryParams: [{ name: animal, value: ${value} }]${more} }`;

export const FORWARDING: readonly Scenario[] = [
  {
    name: 'MeshBasic: a service without routes is reached',
    check: async (mesh) => {
      const { status, backend, headers } = await mesh.get('/');
      assert.equal(status, 200);
      assert.match(backend, /^echo-v[12]$/);
      assert.equal(headers.server, 'ambit', 'by way of the waypoint');
    },
  },
  {
    name: 'MeshTrafficSplit: paths of one service lead to two versions, and nothing else does',
    routes: httpRoute(
      'echo',
      `[{ ${exact('/v1')}, backendRefs: [${to('echo-v1')}] }, { ${exact('/v2')}, backendRefs: [${to('echo-v2')}] }]`,
    ),
    check: (mesh) =>
      checkAnswers(mesh, [
        ['/v1', {}, 'echo-v1'],
        ['/v2', {}, 'echo-v2'],
        ['/v1/', {}, 404],
        ['/', {}, 404],
      ]),
  },
  {
    name: 'MeshHTTPRouteSimpleSameNamespace: a route of the service’s namespace forwards',
    routes: httpRoute('echo', `[{ backendRefs: [${to('echo-v1')}] }]`),
    check: async (mesh) => assert.deepEqual(await shares(10, () => mesh.get('/')), { 'echo-v1': 10 }),
  },
  {
    name: 'MeshHTTPRouteMatching: paths by segment and headers choose the version',
    routes: httpRoute(
      'echo:80',
      `[
    { matches: [{ path: { type: PathPrefix, value: / } }, { headers: [{ name: version, value: one }] }], backendRefs: [${to('echo-v1', 8080)}] },
    { matches: [{ path: { type: PathPrefix, value: /v2 } }, { headers: [{ name: version, value: two }] }], backendRefs: [${to('echo-v2', 8080)}] }]`,
    ),
    check: (mesh) =>
      checkAnswers(mesh, [
        ['/', {}, 'echo-v1'],
        ['/example', {}, 'echo-v1'],
        ['/', { headers: { Version: 'one' } }, 'echo-v1'],
        ['/v2', {}, 'echo-v2'],
        ['/v2/example', {}, 'echo-v2'],
        ['/', { headers: { Version: 'two' } }, 'echo-v2'],
        ['/v2/', {}, 'echo-v2'],
        ['/v2example', {}, 'echo-v1'],
        ['/foo/v2/example', {}, 'echo-v1'],
      ]),
  },
  {
    name: 'MeshHTTPRouteWeight: versions get their share, and none of weight zero',
    routes: httpRoute(
      'echo',
      `[{ backendRefs: [${to('echo-v1', 80, ', weight: 70')}, ${to('echo-v2', 80, ', weight: 30')}, ${to('echo', 80, ', weight: 0')}] }]`,
    ),
    check: async (mesh) => assertShare(await shares(200, () => mesh.get('/')), 'echo-v1', 0.7),
  },
  {
    name: 'MeshHTTPRouteQueryParamMatching: parameters choose the version, in the order of precedence',
    routes: httpRoute(
      'echo:80',
      `[
    { matches: [${animal('whale')}], backendRefs: [${to('echo-v1')}] },
    { matches: [${animal('dolphin')}], backendRefs: [${to('echo-v2')}] },
    { matches: [${animal('whale', ', headers: [{ name: version, value: one }]')}], backendRefs: [${to('echo-v2')}] },
    { matches: [${animal('shark', ', path: { value: /path3 }')}, ${animal('kraken', ', path: { value: /path4 }, headers: [{ name: version, value: three }]')}], backendRefs: [${to('echo-v1')}] },
    { matches: [{ path: { value: /path5 } }], backendRefs: [${to('echo-v1')}] },
    { matches: [${animal('hydra')}], backendRefs: [${to('echo-v2')}] }]`,
    ),
    check: (mesh) =>
      checkAnswers(mesh, [
        ['/?animal=whale', {}, 'echo-v1'],
        ['/?animal=dolphin', {}, 'echo-v2'],
        ['/?animal=whale&other=irrelevant', {}, 'echo-v1'],
        ['/?color=yellow&animal=dolphin', {}, 'echo-v2'],
        ['/?color=blue', {}, 404],
        ['/?animal=dog', {}, 404],
        ['/?animal=whaledolphin', {}, 404],
        ['/', {}, 404],
        ['/?animal=whale', { headers: { version: 'one' } }, 'echo-v2'],
        ['/path3?animal=shark', {}, 'echo-v1'],
        ['/path4?animal=kraken', { headers: { version: 'three' } }, 'echo-v1'],
        ['/?animal=shark', {}, 404],
        ['/path4?animal=kraken', {}, 404],
        ['/path5?animal=hydra', {}, 'echo-v1'],
      ]),
  },
  {
    name: 'MeshHTTPRouteNamedRule: a rule may have a name, which the log tells',
    routes: httpRoute(
      'echo:80',
      `[{ name: named-rule, ${prefix('/named')}, backendRefs: [${to('echo-v1', 8080)}] }, { ${prefix('/unnamed')}, backendRefs: [${to('echo-v2', 8080)}] }]`,
    ),
    check: async (mesh) => {
      await checkAnswers(mesh, [
        ['/named', {}, 'echo-v1'],
        ['/unnamed', {}, 'echo-v2'],
      ]);
      await mesh.logged(/\/named\b.*\bnamed-rule\b/);
      await mesh.logged(/\/unnamed\b.*\bmesh\.r\.1\b/);
    },
  },
];
