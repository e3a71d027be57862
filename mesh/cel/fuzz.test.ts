/**
 * Expressions made at random, and texts that are hardly any, over values that callers may send: only a CelError ever leaves, and
 * soon. AMBIT_FUZZ_ROUNDS makes it longer, AMBIT_FUZZ_SEED tries others.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seeded, shuffled } from '../test-support.ts';
import { CelError } from './ast.ts';
import { type CelAttributes, compileCel } from './program.ts';
import { RandomExpressions } from './test-expressions.ts';
import { type CelValue, Duration, Timestamp } from './values.ts';

const ROUNDS = Number(process.env['AMBIT_FUZZ_ROUNDS'] ?? 5_000);
const SEED = Number(process.env['AMBIT_FUZZ_SEED'] ?? 1);
/** Of this thread's CPU, to compile one or to evaluate it: 22 was the most in 300,000. */
const MAX_CPU_MS = 150;

const ATTRIBUTES: CelAttributes = {
  'a.text': 'string',
  'a.map': 'map',
  'a.list': 'list',
  'a.n': 'int',
  'a.t': 'timestamp',
  'a.d': 'duration',
  'a.absent': 'string',
};
const HEADER = 60_000;
const LONG = 'a'.repeat(HEADER);
const VALUES: readonly (readonly [name: string, value: CelValue])[] = [
  ['a.text', ''],
  ['a.text', LONG],
  ['a.text', `b${LONG}`],
  ['a.text', 'A?'.repeat(HEADER / 2)],
  ['a.text', '😀\ud800'.repeat(100)],
  ['a.text', '2024-02-29T12:00:00Z'],
  ['a.text', '1h'.repeat(HEADER / 2)],
  ['a.text', null],
  ['a.map', { k: LONG, other: `${LONG.slice(1, HEADER / 2)}b`, toString: '1', valueOf: '2' }],
  ['a.map', JSON.parse('{"__proto__": "x", "constructor": "y", "k": ["z"]}')],
  ['a.map', Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`k${i}`, LONG]))],
  ['a.list', Array.from({ length: 5000 }, (_, i) => i)],
  ['a.list', Array.from({ length: 500 }, () => `${LONG}b`)],
  ['a.list', [[[]], {}, null, new Duration(1)]],
  ['a.n', 7],
  ['a.n', Number.NaN],
  ['a.n', -Infinity],
  ['a.t', new Timestamp(0)],
  ['a.t', new Duration(1)],
  ['a.d', new Duration(315_576_000_000)],
  ['a.d', new Duration(-0.001)],
];

/** Undefined: it is a CelError. */
function unlessRefused<T>(text: string, work: () => T): T | undefined {
  const started = cpuMs();
  try {
    return work();
  } catch (error) {
    if (error instanceof CelError) return undefined;
    throw new Error(`of ${JSON.stringify(text)}`, { cause: error });
  } finally {
    const ms = cpuMs() - started;
    assert.ok(ms < MAX_CPU_MS, `${ms} ms of ${JSON.stringify(text)}`);
  }
}

/** Of this thread: other work on the machine does not count. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

test('whatever an expression is, and whatever it is asked about, only a CelError leaves, and soon', () => {
  const random = seeded(SEED);
  const expressions = new RandomExpressions(random);
  const seen = { refused: 0, evaluated: 0, failed: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const text = expressions.next();
    const program = unlessRefused(text, () => compileCel(text, ATTRIBUTES));
    if (program === undefined) {
      seen.refused++;
      continue;
    }
    const given = new Map(shuffled(VALUES, random).filter(() => random() < 0.5));
    const value = unlessRefused(text, () => program.evaluate((name) => given.get(name)));
    seen[value === undefined ? 'failed' : 'evaluated']++;
  }
  // Neither all nonsense nor all well: it looks everywhere.
  for (const [kind, times] of Object.entries(seen)) assert.ok(times > ROUNDS / 20, `${kind}: ${times} of ${ROUNDS}`);
});
