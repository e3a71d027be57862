import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Workload } from '../model.ts';
import { seeded, shuffled, workload } from '../test-support.ts';
import { Bucket } from './bucket.ts';
import { type HashMember, HashTable, type HashTableShape, hashOf, MAX_MAGLEV, MAX_RING } from './hash-table.ts';

const SHAPES: readonly HashTableShape[] = [
  { kind: 'RING', size: 1024 },
  { kind: 'RING', size: MAX_RING },
  { kind: 'MAGLEV', size: 65_537 },
  { kind: 'MAGLEV', size: MAX_MAGLEV },
];
const KEYS = Array.from({ length: 10_000 }, (_, i) => hashOf(`user-${i}`));

const pods = (count: number, weight: (n: number) => number = () => 1): readonly HashMember[] =>
  Array.from({ length: count }, (_, n) => ({ name: `cluster//Pod/shop/cart-${n}`, weight: weight(n) }));

/** Whom each key leads to, by name. */
function led(table: HashTable, isWanted: (name: string) => boolean = () => true): readonly string[] {
  const nameOf = (member: number) => table.members[member]?.name ?? '';
  return KEYS.map((key) => nameOf(table.choose(key, (member) => isWanted(nameOf(member))) ?? -1));
}

function countsOf(names: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

for (const shape of SHAPES) {
  const called = `${shape.kind} of ${shape.size}`;

  test(`${called}: every member has about its share of the keys`, () => {
    for (const count of [1, 2, 5, 20]) {
      const counts = countsOf(led(new HashTable(shape, pods(count))));
      assert.equal(counts.size, count);
      const fair = KEYS.length / count;
      for (const [name, got] of counts) assert.ok(Math.abs(got / fair - 1) < 0.25, `${name}: ${got} of ${fair}`);
    }
  });

  test(`${called}: a member of thrice the weight has thrice the keys`, () => {
    const counts = countsOf(
      led(
        new HashTable(
          shape,
          pods(4, (n) => (n === 0 ? 30 : 10)),
        ),
      ),
    );
    const heavy = counts.get('cluster//Pod/shop/cart-0') ?? 0;
    assert.ok(Math.abs(heavy / (KEYS.length / 2) - 1) < 0.1, `${heavy}`);
  });

  test(`${called}: one that comes takes its share, and hardly anybody else moves`, () => {
    for (const count of [1, 2, 3, 7, 16, 50, 200]) {
      const before = led(new HashTable(shape, pods(count)));
      const after = led(new HashTable(shape, pods(count + 1)));
      const moved = before.filter((name, i) => name !== after[i]).length / KEYS.length;
      const share = 1 / (count + 1);
      assert.ok(moved <= 2.1 * share + 0.01, `${count} and one: ${moved} moved, ${share} would do`);
    }
  });

  test(`${called}: whoever knows the same endpoints leads every key to the same one, whatever the order they came in`, () => {
    const all = Array.from({ length: 30 }, (_, n) => workload(`cart-${n}`, { capacity: 1 + (n % 3) }));
    const gone = workload('cart-31');
    const ledBy = (order: readonly Workload[]): readonly (string | undefined)[] => {
      const bucket = new Bucket();
      for (const one of [gone, ...order]) bucket.add({ workload: one, targetPort: 80 });
      bucket.chooseByHash(shape, 0, () => true); // while another was there
      bucket.remove(gone.uid);
      return KEYS.slice(0, 500).map((key) => bucket.chooseByHash(shape, key, () => true)?.workload.uid);
    };
    assert.deepEqual(ledBy(shuffled(all, seeded(3))), ledBy(all));
  });

  test(`${called}: keys of one that is not wanted spread over the others, and no other key moves`, () => {
    const table = new HashTable(shape, pods(10));
    const out = 'cluster//Pod/shop/cart-3';
    const before = led(table);
    const after = led(table, (name) => name !== out);
    for (const [i, name] of before.entries()) if (name !== out) assert.equal(after[i], name);
    const heirs = countsOf(after.filter((_, i) => before[i] === out));
    assert.equal(heirs.has(out), false);
    assert.ok(heirs.size >= 7, `${heirs.size} heirs`);
  });

  test(`${called}: the only one that is wanted is found, and none where there is none`, () => {
    const table = new HashTable(shape, pods(500));
    for (const name of led(table, (one) => one === 'cluster//Pod/shop/cart-499').slice(0, 200)) {
      assert.equal(name, 'cluster//Pod/shop/cart-499');
    }
    assert.equal(
      table.choose(1, () => false),
      undefined,
    );
  });

  test(`${called}: memory has a bound, however many members there are and whatever they weigh`, () => {
    for (const [count, weight] of [
      [1, 1],
      [3, 1_000_000],
      [1_000, 1],
      [20_000, 7],
    ] as const) {
      const { size } = new HashTable(
        shape,
        pods(count, () => weight),
      );
      assert.ok(size <= 70_000 + count || size === shape.size, `${count} of ${weight}: ${size} slots`);
    }
  });
}

test('a key that is the name of a member does not always lead to it', () => {
  const members = pods(8);
  const table = new HashTable({ kind: 'RING', size: 1024 }, members);
  const own = members.filter(({ name }, i) => table.choose(hashOf(name), () => true) === i);
  assert.ok(own.length < 8);
});
