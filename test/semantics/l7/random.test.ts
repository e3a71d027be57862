/**
 * Policies and requests made at random: what is predicted is what a waypoint does. `AMBIT_TEST_SEED=N` tries another seed, and
 * `AMBIT_TEST_MESHES=N` more of them.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { buildModel, DEFAULT_MESH_CONFIG } from '../../../mesh/index.ts';
import { seeded } from '../../../mesh/test-support.ts';
import { readRequest } from './case.ts';
import { type Expected, expectedOf, foundOf, L7World } from './enforcement.ts';
import { TOKENS } from './mesh.ts';
import { type Predicted, predicted, verdictText } from './prediction.ts';
import { Dice, type RandomMesh, smaller } from './random.ts';

const SEED = Number(process.env['AMBIT_TEST_SEED'] ?? 1);
const MESHES = Number(process.env['AMBIT_TEST_MESHES'] ?? 40);
const REQUESTS = 12;
/** When a disagreement is made small. */
const MOST_TRIES = 400;

type Tried = RandomMesh & { readonly text: string };

test('random policies and random requests: what is predicted is what is enforced', {
  timeout: MESHES * 2_000,
}, async (t) => {
  const dice = new Dice(seeded(SEED));
  const world = await L7World.start(t);
  const seen = new Map<string, number>();
  for (let n = 0; n < MESHES; n++) {
    const mesh = dice.mesh();
    await world.apply(mesh);
    for (let i = 0; i < REQUESTS; i++) {
      const tried = { ...mesh, text: dice.request() };
      const { expected, found } = await both(world, tried);
      if (!isSame(found, expected)) await fail(world, tried, n);
      const kind = expected.says.replace(/ \S+#\d+/, ' by a rule');
      seen.set(kind, (seen.get(kind) ?? 0) + 1);
    }
  }
  assertVaried(t, seen);
});

/** With those policies applied. */
async function both(world: L7World, { text, ...mesh }: Tried): Promise<{ expected: Expected; found: Expected }> {
  const request = readRequest(text);
  const model = buildModel(world.objectsOf(mesh), { ...DEFAULT_MESH_CONFIG, ...mesh.config });
  const expected = expectation();
  const found = foundOf(await world.ask(request), expected);
  // Of several things that are wrong with a token, each may be told.
  return { expected, found: expected.says === 'refused' ? { says: found.says.replace(/ 40[13]$/, '') } : found };

  function expectation(): Expected {
    const prediction = predicted(model, request);
    if (prediction !== undefined) return expectedOf(request, afterYes(prediction));
    // A token that is not good can not be asked about: where somebody looks at it, it is refused, unless an authorizer has said no.
    const without = predicted(model, { ...request, token: undefined });
    assert(without !== undefined && request.token !== undefined && TOKENS[request.token]?.flaw !== undefined);
    const { because } = without.http ?? {};
    const isAsked = typeof because === 'object' && isCustom(mesh, because.policy);
    const isJudged =
      without.says !== 'refused 400' && !isAsked && !isPreflight(text) && looksAtTokens(mesh, request.service);
    return isJudged ? { says: 'refused' } : { says: expectedOf(request, afterYes(without)).says };
  }
}

/** Whoever is asked here says yes. */
function afterYes({ says, http }: Predicted): Predicted {
  return { says: says.startsWith('asks') && http !== undefined ? verdictText(http) : says, http };
}

const isPreflight = (text: string) => text.includes('OPTIONS ') && text.includes('origin: ');

function isCustom({ objects }: RandomMesh, key: string): boolean {
  return objects.some(
    ({ metadata, spec }) =>
      key === `${metadata.namespace}/${metadata.name}` && (spec as { action?: string }).action === 'CUSTOM',
  );
}

function looksAtTokens({ objects }: RandomMesh, service: string): boolean {
  return objects.some(({ kind, spec }) => {
    const targets = (spec as { targetRefs: readonly { kind: string }[] }).targetRefs;
    const isAbout = targets.some((target) => target.kind === 'Gateway' || service === 'cart');
    return kind === 'RequestAuthentication' && isAbout;
  });
}

const isSame = (a: unknown, b: unknown): boolean => {
  try {
    assert.deepEqual(a, b);
    return true;
  } catch {
    return false;
  }
};

/** As small as it gets, and how to have it again. */
async function fail(world: L7World, first: Tried, mesh: number): Promise<never> {
  let [least, left] = [first, MOST_TRIES];
  for (let isSmaller = true; isSmaller && left > 0; ) {
    isSmaller = false;
    for (const less of smaller(least)) {
      if (left-- === 0) break;
      await world.apply(less);
      const { expected, found } = await both(world, less).catch(() => ({ expected: 0, found: 0 }));
      if (isSame(found, expected)) continue;
      [least, isSmaller] = [less as Tried, true];
      break;
    }
  }
  await world.apply(least);
  const { expected, found } = await both(world, least);
  const objects = least.objects.map((object) => JSON.stringify(object)).join('\n');
  const { pathNormalization } = least.config;
  assert.deepEqual(found, expected, `seed ${SEED}, mesh ${mesh}: ${least.text}\n${pathNormalization}\n${objects}`);
  throw new Error(`seed ${SEED}, mesh ${mesh}: it disagrees only sometimes: ${first.text}`);
}

/** That it is worth something. */
function assertVaried(t: TestContext, seen: ReadonlyMap<string, number>): void {
  const kinds = ['allow by a rule', 'allow no-allow-policies', 'deny by a rule', 'deny no-allow-match', 'refused'];
  for (const kind of kinds) assert.ok((seen.get(kind) ?? 0) >= MESHES / 10, `${kind}: ${seen.get(kind)}`);
  t.diagnostic([...seen].map(([kind, times]) => `${kind}: ${times}`).join(', '));
}
