import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MaterialRef, materialName } from '../../mesh/index.ts';
import { sharedOut } from './material-shares.ts';

/** `a3` is Secret 3 of namespace a. */
function refOf(short: string): MaterialRef {
  return { kind: 'Secret', namespace: short.slice(0, 1), name: short.slice(1) };
}

/** `a 1-4` are Secrets 1 to 4 of namespace a. */
function refs(written: string): readonly MaterialRef[] {
  return written.split(', ').flatMap((part) => {
    const [namespace = '', range = ''] = part.split(' ');
    const [first = 1, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => refOf(`${namespace}${first + i}`));
  });
}

const mapOf = (all: readonly MaterialRef[]) => new Map(all.map((ref) => [materialName(ref), ref]));
const shortly = (shared: ReadonlyMap<string, MaterialRef>) =>
  [...shared.values()].map(({ namespace, name }) => `${namespace}${name}`).sort();

test('of six places each namespace gets its share', async (t) => {
  type Row = { readonly wanted: string; readonly held?: string; readonly expected: string };
  const rows: Readonly<Record<string, Row>> = {
    'enough for all': { wanted: 'a 1-4, b 1-2', expected: 'a1 a2 a3 a4 b1 b2' },
    'one that wants all of them, alone': { wanted: 'a 1-9', expected: 'a1 a2 a3 a4 a5 a6' },
    'one that wants all of them, beside one that wants one': { wanted: 'a 1-9, b 1', expected: 'a1 a2 a3 a4 a5 b1' },
    'two that want all of them': { wanted: 'a 1-9, b 1-9', expected: 'a1 a2 a3 b1 b2 b3' },
    'what one leaves is for the others': { wanted: 'a 1-9, b 1, c 1-9', expected: 'a1 a2 a3 b1 c1 c2' },
    'one that had all of them gives back what is over its share': {
      wanted: 'b 1-2, a 1-6',
      held: 'a 1-6',
      expected: 'a1 a2 a3 a4 b1 b2',
    },
    'and keeps what it had longest': { wanted: 'a 1-9, b 1', held: 'a 4-9', expected: 'a4 a5 a6 a7 a8 b1' },
    'who has some keeps them, in whatever order they are wanted': {
      wanted: 'b 1-9, a 1-9',
      held: 'a 7-9, b 7-9',
      expected: 'a7 a8 a9 b7 b8 b9',
    },
    'what is not wanted any more has no place': {
      wanted: 'a 1-4, b 1-3',
      held: 'c 1-6',
      expected: 'a1 a2 a3 b1 b2 b3',
    },
    'more namespaces than places: those that have one keep it': {
      wanted: 'a 1, b 1, c 1, d 1, e 1, f 1, g 1, h 1',
      held: 'h 1, g 1',
      expected: 'a1 b1 c1 d1 g1 h1',
    },
  };
  for (const [name, { wanted, held, expected }] of Object.entries(rows)) {
    await t.test(name, () => {
      const had = held === undefined ? [] : refs(held).map(materialName);
      const shared = sharedOut(mapOf(refs(wanted)), had, 6);
      assert.deepEqual(shortly(shared), expected.split(' '));
      assert.deepEqual(
        shortly(sharedOut(mapOf(refs(wanted)), shared.keys(), 6)),
        expected.split(' '),
        'and so it stays',
      );
    });
  }
});
