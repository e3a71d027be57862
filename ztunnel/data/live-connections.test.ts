import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { MeshError, mustParseIp } from '../../mesh/index.ts';
import { LiveConnections } from './live-connections.ts';
import type { ConnectionContext } from './observer.ts';

const party = (port: number) => ({ addr: { ip: mustParseIp('10.0.0.1'), port } });
const CONTEXT: ConnectionContext = {
  id: '0'.repeat(32),
  direction: 'outbound',
  reporter: 'source',
  src: party(40_000),
  dst: party(80),
  protocol: 'TCP',
  securityPolicy: 'unknown',
};

function connections(): LiveConnections {
  const opened = () => ({ counters: { sent: 0, received: 0 }, closed: () => {} });
  return new LiveConnections({ observe: { opened }, now: () => 0, idleTimeoutMs: 60_000 });
}

/** Whether somebody who waits for the end was told. */
function waiting(live: LiveConnections): { isTold: boolean; readonly told: Promise<void> } {
  const state = {
    isTold: false,
    told: live.empty().then(() => {
      state.isTold = true;
    }),
  };
  return state;
}

async function aFewTurns(): Promise<void> {
  for (let i = 0; i < 4; i += 1) await nextTurn();
}

test('who waits for the last connection waits for one that was looked up and is tracked a moment later', async () => {
  using live = connections();
  const lookup = Promise.withResolvers<void>();
  const tracked = live.starting(() => lookup.promise).then(() => live.track(CONTEXT));
  const end = waiting(live);
  lookup.resolve();
  const connection = await tracked;
  await aFewTurns();
  assert.deepEqual([live.size, end.isTold], [1, false]);
  connection.finish({ flags: '-' });
  await end.told;
  assert.equal(live.size, 0);
});

test('all who wait for the last connection are told, also where it was empty for a moment meanwhile', async () => {
  using live = connections();
  const first = live.track(CONTEXT);
  const early = waiting(live);
  first.finish({ flags: '-' });
  const second = live.track(CONTEXT); // in the turn in which the first one is looked after again
  const late = waiting(live);
  await aFewTurns();
  assert.deepEqual([early.isTold, late.isTold], [false, false]);
  second.finish({ flags: '-' });
  await Promise.all([early.told, late.told]);
});

test('what has not got so far as to be tracked is cut with everything else, and what comes later is not', async () => {
  using live = connections();
  const untilCut = (signal: AbortSignal) =>
    new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  const waiting = [live.starting(untilCut), live.starting(untilCut)];
  live.cutAll({ reason: new MeshError('POD_REMOVED', 'the workload was removed'), flags: '-' });
  for (const cut of waiting) await assert.rejects(cut, /the workload was removed/);
  assert.equal(live.size, 0);
  assert.equal(await live.starting(async (signal) => signal.aborted), false);
});
