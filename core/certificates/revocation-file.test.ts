import assert from 'node:assert/strict';
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { TestCa } from '../../test/support/certificates.ts';
import { ScratchDir } from '../../test/support/leftovers.ts';
import { eventually } from '../../test/support/netns.ts';
import { ancestryOf, certificatesOf } from '../identity/index.ts';
import { createLogger } from '../telemetry/index.ts';
import { FakeClock } from '../time/index.ts';
import { RevocationFile } from './revocation-file.ts';

const ca = await TestCa.create();
const web = await ca.material(ca.id('shop', 'web'));
const ancestry = ancestryOf([...certificatesOf(web.chain), ...certificatesOf(web.roots)]);
const revoking = await ca.crl([web.serial]);

function world(t: TestContext) {
  const scratch = new ScratchDir('ambit-crl');
  t.after(() => scratch[Symbol.dispose]());
  const clock = new FakeClock();
  const lines: string[] = [];
  const counts = { loaded: 0, failed: 0, changes: 0 };
  const open = (path: string) => {
    const file = new RevocationFile({
      path,
      clock,
      log: createLogger({ format: 'plain', level: 'info', root: 'test', write: (line) => void lines.push(line) }),
      events: { loaded: () => void counts.loaded++, failed: () => void counts.failed++ },
    });
    t.after(() => file[Symbol.dispose]());
    file.onChange(() => void counts.changes++);
    return file;
  };
  /** The notice comes from the kernel, the wait after it passes on the clock. */
  const until = (what: string, check: () => boolean) =>
    eventually(what, async () => {
      await clock.advance(2_000);
      return check();
    });
  return { dir: scratch.path, clock, lines, counts, open, until };
}

test('a list is in force from the start, and an empty file revokes nothing', (t) => {
  const { dir, open } = world(t);
  const path = join(dir, 'crl.pem');
  writeFileSync(path, revoking);
  assert.equal(open(path).isRevoked(ancestry), true);
  writeFileSync(path, '');
  assert.equal(open(path).isRevoked(ancestry), false);
});

test('a file that can not be used ends the start', (t) => {
  const { dir, open } = world(t);
  const path = join(dir, 'crl.pem');
  writeFileSync(path, 'nonsense');
  assert.throws(() => open(path), { code: 'CRL_UNUSABLE' });
  assert.throws(() => open(dir), { code: 'CRL_UNUSABLE' });
});

test('a file that is not there revokes nothing, warns once, and is picked up with its directory', async (t) => {
  const { dir, open, until, lines, clock } = world(t);
  const path = join(dir, 'later', 'crl.pem');
  const file = open(path);
  assert.equal(file.isRevoked(ancestry), false);
  await clock.advance(30_000);
  assert.equal(lines.filter((line) => line.includes('nothing is revoked')).length, 1);
  mkdirSync(join(dir, 'later'));
  writeFileSync(path, revoking);
  await until('the list is in force', () => file.isRevoked(ancestry));
});

test('a mounted file is replaced by a change of symlinks beside it', async (t) => {
  const { dir, open, until, counts } = world(t);
  for (const [name, text] of [
    ['1', await ca.crl([])],
    ['2', revoking],
  ] as const) {
    mkdirSync(join(dir, name));
    writeFileSync(join(dir, name, 'crl.pem'), text);
  }
  symlinkSync('1', join(dir, '..data'));
  symlinkSync('..data/crl.pem', join(dir, 'crl.pem'));
  const file = open(join(dir, 'crl.pem'));
  assert.equal(file.isRevoked(ancestry), false);
  symlinkSync('2', join(dir, '..data_tmp'));
  renameSync(join(dir, '..data_tmp'), join(dir, '..data'));
  await until('the new list is in force', () => file.isRevoked(ancestry));
  assert.ok(counts.changes > 0);
});

test('a replacement that can not be used, or none at all, leaves the last lists in force with a warning', async (t) => {
  const { dir, open, until, counts, lines } = world(t);
  const path = join(dir, 'crl.pem');
  writeFileSync(path, revoking);
  const file = open(path);
  writeFileSync(path, 'nonsense');
  await until('the failure is counted', () => counts.failed > 0);
  assert.equal(file.isRevoked(ancestry), true);
  assert.equal(counts.changes, 0);
  rmSync(path);
  await until('the absence is told', () => lines.some((line) => line.includes('is gone')));
  assert.equal(file.isRevoked(ancestry), true);
});
