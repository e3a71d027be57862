/** The table once more, against a ztunnel: what was predicted is what happens, for the reason that was given. */
import assert from 'node:assert/strict';
import { formatBecause, formatDryRunHit, type NearestMiss } from '../../mesh/index.ts';
import { eventually } from '../support/netns.ts';
import type { LogLine } from '../ztunnel/support/access-log.ts';
import { isAnswered } from '../ztunnel/support/apps.ts';
import { OURS } from '../ztunnel/support/implementation.ts';
import { MeshWorld } from '../ztunnel/support/mesh-world.ts';
import { parseMetrics } from '../ztunnel/support/metrics.ts';
import { inWorld } from '../ztunnel/support/shared.ts';
import { type Addresses, type Call, type Case, readCall } from './case.ts';
import { describe, type Meaning, meaningOf, type Predicted } from './prediction.ts';
import { TABLE } from './table.ts';

/** Two threads: `server` and `other` are served by different ones. Reasons of admissions are told, too. */
const ENV = { AUTHZ_POLICY_INFO_LOGGING: 'true', ZTUNNEL_WORKER_THREADS: '2' };

type Outcome = {
  readonly verdict: 'allow' | 'deny';
  readonly because: string | undefined;
  readonly tried: readonly string[];
  readonly considered?: readonly string[] | undefined;
  readonly nearestMiss?: NearestMiss | undefined;
};
type Receipt = { readonly considered: readonly string[]; readonly nearestMiss?: NearestMiss };

/** By labels, what dry runs should have counted in all. */
const counted = new Map<string, number>();
/** What dry runs would have changed about any flow. */
const changed = new Set<string>();

const scenario = inWorld(async () => {
  const world = await MeshWorld.create({ a: OURS, b: OURS, env: ENV });
  for (const pod of ['server', 'other'] as const) {
    for (const port of [8080, 8081]) await world.host(pod).listenEcho(port);
  }
  return world;
});

for (const row of TABLE) scenario(`enforced: ${row.name}`, (world) => enforced(world, row));

scenario('enforced: dry runs are counted by policy and rule, over all threads', async (world) => {
  assert.ok(counted.size > 0, 'the rows before this one have dry runs');
  const samples = parseMetrics(await world.b.metrics()).filter(({ name }) => name === 'ambit_policy_dry_run_total');
  const found = samples.map(({ labels, value }) => [Object.values(labels).join(' '), value] as const);
  assert.deepEqual(Object.fromEntries([...found].sort()), Object.fromEntries([...counted].sort()));
});

scenario('enforced: flows say what dry runs would have changed, over all threads', async (world) => {
  const { flows } = JSON.parse((await world.b.get(15000, '/flows')).body) as { flows: { dryRun?: string }[] };
  const told = flows.map(({ dryRun }) => dryRun).filter((text) => text !== undefined);
  assert.deepEqual([...new Set(told)].sort(), [...changed].sort());
});

async function enforced(world: MeshWorld, row: Case): Promise<void> {
  const at = addressesOf(world);
  const meaning = meaningOf(row, at);
  await push(world, meaning);
  const since = world.b.log.length;
  const calls = Object.entries(row.calls).map(([text, said]) => ({ text, said, call: readCall(text) }));
  const answers = await Promise.all(calls.map(({ call }) => place(world, at, call)));
  for (const [index, { text, said, call }] of calls.entries()) {
    const predicted = meaning.predict(call);
    assert.equal(describe(predicted), said, text);
    assert.deepEqual(await outcomeOf(world, at, call, answers[index] === true, since), expected(predicted), text);
    for (const hit of predicted.decision.dryRunHits ?? []) {
      const key = [hit.policy, hit.rule ?? 'none', hit.action, hit.would, hit.changes].join(' ');
      counted.set(key, (counted.get(key) ?? 0) + 1);
    }
    const { tried } = expected(predicted);
    if (tried.length > 0) changed.add(tried.join('; '));
  }
}

function addressesOf(world: MeshWorld): Addresses {
  const of = (name: keyof Addresses) => ({ ip4: world.host(name).ip4, ip6: world.host(name).ip6 });
  return {
    client: of('client'),
    near: of('near'),
    server: of('server'),
    other: of('other'),
    outside: of('outside'),
  };
}

/** The derived policies, and for each pod which of them it names. */
async function push(world: MeshWorld, { authorizations, workload }: Meaning): Promise<void> {
  world.plane.removeAllAuthorizations();
  for (const authorization of authorizations) world.plane.setAuthorization(authorization);
  for (const pod of ['server', 'other'] as const) {
    const { authorizationPolicies } = workload(pod);
    world.plane.setWorkload({ ...world.workload(pod), authorizationPolicies });
  }
  await world.applied();
}

const ipOf = (family: Call['family']) => (family === 4 ? 'ip4' : 'ip6');

function place(world: MeshWorld, at: Addresses, { from, to, port, family }: Call): Promise<boolean> {
  return isAnswered(world.host(from), { ip: at[to][ipOf(family)], port });
}

/** What the ztunnel says that it decided, and the caller of what came of it. */
async function outcomeOf(
  world: MeshWorld,
  at: Addresses,
  call: Call,
  wasAnswered: boolean,
  since: number,
): Promise<Outcome> {
  const { target, source } = endsOf(call, at);
  const isIt = ({ scope, fields }: LogLine) =>
    scope === 'policy' &&
    (fields['dst.hbone_addr'] ?? fields['dst.addr']) === target &&
    fields['src.addr']?.startsWith(source) === true;
  const lines = () => world.b.log.slice(since).filter(isIt);
  const decided = await eventually(`the decision about ${source} to ${target}`, () =>
    lines().find(({ message }) => /^connection (allowed|denied)$/.test(message)),
  );
  const tried = lines()
    .filter(({ message }) => message === 'a dry-run policy would decide')
    .map(({ fields }) => fields['because'] ?? '');
  const outcome = { verdict: wasAnswered ? 'allow' : 'deny', because: decided.fields['because'], tried } as const;
  const id = decided.fields['receipt'];
  if (id === undefined) return outcome;
  const receipt = JSON.parse((await world.b.get(15000, `/receipts?id=${id}`)).body) as Receipt;
  const { considered, nearestMiss } = receipt;
  return { ...outcome, considered, ...(nearestMiss && { nearestMiss: withoutPort(nearestMiss) }) };
}

function endsOf({ from, to, port, family }: Call, at: Addresses) {
  const ip = ipOf(family);
  const address = (host: keyof Addresses) => (family === 4 ? at[host][ip] : `[${at[host][ip]}]`);
  return { target: `${address(to)}:${port}`, source: `${address(from)}:` };
}

function expected({ decision, explanation }: Predicted): Outcome {
  const { verdict, because, dryRunHits = [] } = decision;
  const tried = dryRunHits.filter(({ changes }) => changes).map(formatDryRunHit);
  const outcome = { verdict, because: formatBecause(because), tried };
  if (explanation === undefined) return outcome;
  const { considered, nearestMiss } = explanation;
  return { ...outcome, considered, ...(nearestMiss && { nearestMiss: withoutPort(nearestMiss) }) };
}

/** The caller's port is nobody's to predict. */
function withoutPort(miss: NearestMiss): NearestMiss {
  return /sourceIps$/i.test(miss.field) ? { ...miss, got: miss.got.replace(/:\d+$/, '') } : miss;
}
