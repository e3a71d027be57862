/** The conformance tests of Gateway API for meshes, with a waypoint in this process: fast, and each in a world of its own. */
import { test } from 'node:test';
import { SCENARIOS } from '../conformance/index.ts';
import { EchoMesh } from './echo-mesh.ts';

for (const { name, routes, check } of SCENARIOS) {
  test(name, async (t) => check(await EchoMesh.start(t, routes)));
}
