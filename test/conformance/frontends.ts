/** What a route is about: tests outside of every profile that are about meshes. */
import assert from 'node:assert/strict';
import type { Answer } from './echo.ts';
import { httpRoute, to } from './objects.ts';
import type { Scenario } from './scenario.ts';

const marked = (value: string) =>
  `filters: [{ type: ResponseHeaderModifier, responseHeaderModifier: { set: [{ name: X-Header-Set, value: ${value} }] } }]`;
/** What a route of these scenarios leaves on an answer that went through it. */
export const mark = ({ headers }: Pick<Answer, 'headers'>) => headers['x-header-set'];
/** Answers of service `echo-v2` are marked `set`. */
export const MARKED_V2 = httpRoute('echo-v2', `[{ ${marked('set')}, backendRefs: [${to('echo-v2')}] }]`);

export const FRONTENDS: readonly Scenario[] = [
  {
    name: 'MeshFrontend: a route is about the service that it names, not about the endpoints',
    routes: MARKED_V2,
    check: async (mesh) => {
      assert.equal(mark(await mesh.get('/', { service: 'echo-v2' })), 'set');
      for (let i = 0; i < 6; i++) assert.equal(mark(await mesh.get('/')), undefined, 'over another service');
    },
  },
  {
    name: 'MeshFrontendHostname: the address that was called decides, the Host header does not',
    routes: MARKED_V2,
    check: async (mesh) => {
      const lying = await mesh.get('/', { service: 'echo-v2', headers: { host: 'echo-v1' } });
      assert.deepEqual([lying.backend, mark(lying)], ['echo-v2', 'set']);
      const honest = await mesh.get('/', { service: 'echo-v1', headers: { host: 'echo-v2' } });
      assert.deepEqual([honest.backend, mark(honest)], ['echo-v1', undefined]);
    },
  },
  {
    name: 'MeshPorts: a parent’s port is all that its route is about',
    routes:
      httpRoute('echo-v1:80', `[{ ${marked('v1')}, backendRefs: [${to('echo-v1')}] }]`, 'one') +
      httpRoute('echo-v2', `[{ ${marked('v2')}, backendRefs: [${to('echo-v2')}] }]`, 'two'),
    check: async (mesh) => {
      const rows: readonly [string, number, string | undefined][] = [
        ['echo-v1', 80, 'v1'],
        ['echo-v1', 8080, undefined],
        ['echo-v2', 80, 'v2'],
        ['echo-v2', 8080, 'v2'],
      ];
      for (const [service, port, expected] of rows) {
        assert.equal(mark(await mesh.get('/', { service, port })), expected, `${service}:${port}`);
      }
    },
  },
  {
    name: 'MeshConsumerRoute: a route of another namespace is for the clients of that namespace alone',
    routes: httpRoute(
      'echo-v1',
      `[{ ${marked('set')}, backendRefs: [{ name: echo-v1, namespace: mesh, port: 80 }] }]`,
      'r',
      'consumer',
    ),
    check: async (mesh) => {
      const consumer = await mesh.get('/', { service: 'echo-v1', from: 'consumer' });
      assert.deepEqual([consumer.status, consumer.backend, mark(consumer)], [200, 'echo-v1', 'set']);
      const producer = await mesh.get('/', { service: 'echo-v1', from: 'mesh' });
      assert.deepEqual([producer.status, mark(producer)], [200, undefined]);
    },
  },
];
