/** Tests of MESH-GRPC, and a method that no route knows. */
import assert from 'node:assert/strict';
import { grpcRoute, modifier, to } from './objects.ts';
import { assertShare, type Scenario, shares } from './scenario.ts';

const SAY = '/echo.Echo/Say';

export const GRPC: readonly Scenario[] = [
  {
    name: 'MeshGRPCRouteWeight: gRPC calls are shared by weight',
    routes: grpcRoute(
      'echo:7070',
      `[{ backendRefs: [${to('echo-v1', 7070, ', weight: 70')}, ${to('echo-v2', 7070, ', weight: 30')}] }]`,
    ),
    check: async (mesh) => {
      const found = await shares(120, async () => {
        const answer = await mesh.grpc(SAY);
        assert.equal(answer.status, '0');
        return answer;
      });
      assertShare(found, 'echo-v1', 0.7);
    },
  },
  {
    name: 'MeshGRPCRouteRequestHeaderModifier: gRPC metadata is set, added and removed',
    routes: grpcRoute(
      'echo:7070',
      `[{ filters: ${modifier('RequestHeaderModifier')}, backendRefs: [${to('echo-v1', 7070)}] }]`,
    ),
    check: async (mesh) => {
      const { status, seen } = await mesh.grpc(SAY, { 'x-set': 'old', 'x-add': 'old', 'x-remove': 'old' });
      assert.equal(status, '0');
      assert.deepEqual([seen['x-set'], seen['x-add'], seen['x-remove']], ['overwritten', 'old, appended', undefined]);
    },
  },
  {
    name: 'GRPCRouteNamedRule: a rule for calls may have a name, which the log tells',
    routes: grpcRoute(
      'echo:7070',
      `[{ name: named-calls, matches: [{ method: { service: echo.Named } }], backendRefs: [${to('echo-v1', 7070)}] }, { backendRefs: [${to('echo-v2', 7070)}] }]`,
    ),
    check: async (mesh) => {
      assert.equal((await mesh.grpc('/echo.Named/Say')).backend, 'echo-v1');
      assert.equal((await mesh.grpc(SAY)).backend, 'echo-v2');
      await mesh.logged(/\/echo\.Named\/Say\b.*\bnamed-calls\b/);
    },
  },
  {
    name: 'a gRPC method that no GRPCRoute knows is UNIMPLEMENTED',
    routes: grpcRoute(
      'echo:7070',
      `[{ matches: [{ method: { service: echo.Echo, method: Say } }], backendRefs: [${to('echo-v1', 7070)}] }]`,
    ),
    check: async (mesh) => {
      assert.equal((await mesh.grpc(SAY)).backend, 'echo-v1');
      assert.equal((await mesh.grpc('/echo.Echo/Other')).status, '12');
    },
  },
];
