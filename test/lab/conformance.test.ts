/**
 * The conformance tests of Gateway API for meshes, in a lab: objects by its API, requests out of pods, by way of ztunnels and a
 * waypoint. One lab for all of them.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { MARKED_V2, mark } from '../conformance/frontends.ts';
import { SCENARIOS } from '../conformance/index.ts';
import { needsRoot } from '../support/netns.ts';
import { eventually } from '../support/shell.ts';
import { EchoLab } from './echo-lab.ts';

/** Twice: once it may take a moment until every proxy has heard of the routes, and then it must hold. */
async function holds(check: () => Promise<void>): Promise<void> {
  await eventually('what the routes say', async () => {
    await check();
    return true;
  });
  await check();
}

describe('conformance in a lab', { skip: needsRoot }, () => {
  let lab: EchoLab;
  before(
    async () => {
      lab = await EchoLab.start(`conformance-${process.pid}`);
    },
    { timeout: 180_000 },
  );
  after(() => lab?.[Symbol.asyncDispose](), { timeout: 60_000 });

  for (const { name, routes, check } of SCENARIOS) {
    test(name, async () => {
      await using _ = await lab.routes(routes ?? '');
      await holds(() => check(lab));
    });
  }

  test('MeshFrontend: who calls a pod by its own address is not behind the route of its service', async () => {
    await using _ = await lab.routes(MARKED_V2);
    const ip = await lab.podIp('echo-v2');
    await holds(async () => {
      assert.equal(mark(await lab.get('/', { service: 'echo-v2' })), 'set');
      const direct = await lab.getAt(ip, '/', { service: 'echo-v2', port: 8080 });
      assert.deepEqual([direct.backend, mark(direct)], ['echo-v2', undefined]);
    });
  });
});
