import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeApi } from '../../core/kube/fake/index.ts';
import { clientOf } from '../../core/kube/test-client.ts';
import { createLogger } from '../../core/telemetry/index.ts';
import type { KubeObject, MaterialRef } from '../../mesh/index.ts';
import { until } from '../test-mesh.ts';
import { Materials } from './materials.ts';

const refs = (namespace: string, ...names: readonly string[]) =>
  names.map((name): MaterialRef => ({ kind: 'Secret', namespace, name }));
const pathOf = ({ metadata }: KubeObject) => `${metadata.namespace}/${metadata.name}`;

/** With room for four, before an API server that has whatever is asked for. */
async function startMaterials(...existing: readonly MaterialRef[]) {
  const api = await FakeApi.start();
  for (const { kind, namespace, name } of existing) api.put({ apiVersion: 'v1', kind, metadata: { namespace, name } });
  const client = clientOf(api);
  const held = new Set<string>();
  const warnings: string[] = [];
  const log = createLogger({ format: 'plain', level: 'warn', root: 'test', write: (line) => warnings.push(line) });
  const materials = new Materials({
    client,
    log,
    most: 4,
    onSet: (object) => held.add(pathOf(object)),
    onGone: (object) => held.delete(pathOf(object)),
  });
  return {
    api,
    materials,
    warnings,
    holds: (...paths: readonly string[]) =>
      until(() => [...held].sort().join() === paths.join(), `${paths} are held, not ${[...held]}`),
    async [Symbol.asyncDispose]() {
      await materials[Symbol.asyncDispose]();
      await client[Symbol.asyncDispose]();
      await api[Symbol.asyncDispose]();
    },
  };
}

test('a namespace that names more Secrets than there are places leaves the others theirs', async () => {
  const [greedy, modest] = [refs('greedy', 'a', 'b', 'c', 'd', 'e'), refs('modest', 'x')];
  await using world = await startMaterials(...greedy, ...modest);
  world.materials.want(greedy);
  await world.holds('greedy/a', 'greedy/b', 'greedy/c', 'greedy/d');
  world.materials.want([...greedy, ...modest]);
  await world.holds('greedy/a', 'greedy/b', 'greedy/c', 'modest/x');
  world.materials.want([...refs('greedy', 'a', 'e'), ...modest]);
  await world.holds('greedy/a', 'greedy/e', 'modest/x');
});

test('that there are too many is said once, and again when there was room for all meanwhile', async () => {
  await using world = await startMaterials();
  const [some, all] = [refs('a', '1', '2', '3', '4'), refs('a', '1', '2', '3', '4', '5', '6')];
  for (const wanted of [some, all, all, refs('a', '1', '2', '3', '4', '5')]) world.materials.want(wanted);
  assert.equal(world.warnings.length, 1);
  assert.match(world.warnings[0] ?? '', /count as missing.*wanted=6 followed=4 namespaces="?a/);
  for (const wanted of [some, all, all]) world.materials.want(wanted);
  assert.equal(world.warnings.length, 2);
});
