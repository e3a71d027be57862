import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seeded } from '../test-support.ts';
import type { PathNormalization } from './model.ts';
import { normalisePath } from './normalise-path.ts';

const OPTIONS = ['NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES'] as const;

function pathOf(raw: string, option: PathNormalization): string {
  const result = normalisePath(raw, option);
  return result.kind === 'path' ? result.path : '400';
}

test('each option makes of a path what its row says', () => {
  // As written; NONE; BASE; MERGE_SLASHES; DECODE_AND_MERGE_SLASHES. undefined: as in the column before.
  const rows: readonly [raw: string, none: string, base?: string, merge?: string, decode?: string][] = [
    ['/', '/'],
    ['/admin', '/admin'],
    ['/admin/../x', '/admin/../x', '/x'],
    ['/x/../admin', '/x/../admin', '/admin'],
    ['/x/%2e%2e/admin', '/x/%2e%2e/admin', '/admin'],
    ['/x/.%2E/admin', '/x/.%2E/admin', '/admin'],
    ['/./admin/.', '/./admin/.', '/admin/'],
    ['/admin/..', '/admin/..', '/'],
    ['/../../admin', '/../../admin', '/admin'],
    ['/..admin/...', '/..admin/...'],
    ['//admin', '//admin', '//admin', '/admin'],
    ['/a///b//', '/a///b//', '/a///b//', '/a/b/'],
    ['/a//../b', '/a//../b', '/a/b'],
    ['/a\\..\\admin', '/a\\..\\admin', '/admin'],
    ['\\admin', '400'],
    ['/%61dmin', '/%61dmin', '/admin'],
    ['/%2D%2e%5f%7E%7a', '/%2D%2e%5f%7E%7a', '/-._~z'],
    ['/a%2fb', '/a%2fb', '/a%2fb', '/a%2fb', '/a/b'],
    ['/a%2F..%2Fadmin', '/a%2F..%2Fadmin', '/a%2F..%2Fadmin', '/a%2F..%2Fadmin', '/admin'],
    ['/a%5c..%5Cadmin', '/a%5c..%5Cadmin', '/a%5c..%5Cadmin', '/a%5c..%5Cadmin', '/admin'],
    ['/%252e%252e/admin', '/%252e%252e/admin', '/%252e%252e/admin'],
    ['/%25%32%65/admin', '/%25%32%65/admin', '/%252e/admin'],
    ['/a%20b', '/a%20b'],
    ['/%00', '400'],
    ['/a%00/../b', '400'],
    ['/a b', '400'],
    ['/ä', '400'],
    ['/a\tb', '400'],
    ['/%zz', '/%zz', '400'],
    ['/a%2', '/a%2', '400'],
    ['admin', '400'],
    ['', '400'],
    ['*', '*'],
  ];
  for (const [raw, ...expected] of rows) {
    let wanted = raw;
    for (const [index, option] of OPTIONS.entries()) {
      wanted = expected[index] ?? wanted;
      assert.equal(pathOf(raw, option), wanted, `${raw} under ${option}`);
    }
  }
});

test('what was normalised is not changed by being normalised again, and has nothing left to be read otherwise', () => {
  const random = seeded(71);
  const pieces = ['/', '.', '..', '%2e', '%2E', '%2f', '%5C', '\\', 'a', '%61', '%25', '//', 'B', '%20'];
  let valid = 0;
  for (let round = 0; round < 5_000; round++) {
    const length = 1 + Math.floor(random() * 9);
    const raw = `/${Array.from({ length }, () => pieces[Math.floor(random() * pieces.length)]).join('')}`;
    for (const option of OPTIONS.slice(1)) {
      const path = pathOf(raw, option);
      if (path === '400') continue;
      valid++;
      assert.equal(pathOf(path, option), path, `${raw} under ${option}`);
      assert.ok(!/\/\.{1,2}(\/|$)|\\|%2e|%6[1-9]/i.test(path), `${raw} became ${path} under ${option}`);
      if (option !== 'BASE') assert.ok(!path.includes('//'), path);
      if (option === 'DECODE_AND_MERGE_SLASHES') assert.ok(!/%2f|%5c/i.test(path), path);
    }
  }
  assert.ok(valid > 10_000);
});
