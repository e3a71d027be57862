import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Probe } from './pod.ts';
import { probeLoop } from './probe-loop.ts';

/** Outcomes as `+` and `-`; what the loop says: `ready`, `unready`, and how long it waited before each look. */
async function play(probe: Probe, outcomes: string): Promise<{ said: readonly string[]; waitedMs: readonly number[] }> {
  const said: string[] = [];
  const waitedMs: number[] = [];
  const over = new AbortController();
  let at = 0;
  await probeLoop(
    probe,
    {
      look: async () => {
        const outcome = outcomes[at++];
        return outcome === '+' ? { ok: true } : { ok: false, why: 'refused' };
      },
      verdict: (healthy) => said.push(`${at}:${healthy ? 'ready' : 'unready'}`),
      failure: () => {},
      sleep: async (ms, signal) => {
        if (at === outcomes.length) over.abort();
        signal.throwIfAborted();
        waitedMs.push(ms);
      },
    },
    over.signal,
  );
  return { said, waitedMs };
}

const cases: readonly (readonly [name: string, probe: Probe, outcomes: string, said: readonly string[]])[] = [
  ['the first success is a verdict', {}, '+++', ['1:ready']],
  ['several successes are needed when it says so', { successThreshold: 3 }, '++-+++', ['6:ready']],
  [
    'failures below the threshold change nothing',
    { failureThreshold: 3 },
    '+--+--+',
    ['1:ready', '4:ready', '7:ready'],
  ],
  ['the threshold of failures is a verdict', { failureThreshold: 2 }, '+--', ['1:ready', '3:unready']],
  ['and it comes back', { failureThreshold: 1 }, '+-+', ['1:ready', '2:unready', '3:ready']],
  ['a container that stays ill is told again', { failureThreshold: 2 }, '----', ['2:unready', '4:unready']],
];
for (const [name, probe, outcomes, said] of cases) {
  test(`of a probe: ${name}`, async () => assert.deepEqual((await play(probe, outcomes)).said, said));
}

test('a probe waits for its initial delay, and then for its period', async () => {
  const { waitedMs } = await play({ initialDelaySeconds: 7, periodSeconds: 3 }, '+-+');
  assert.deepEqual(waitedMs, [7000, 3000, 3000]);
});
