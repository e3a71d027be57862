import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { needsRoot } from '../../test/support/netns.ts';

const index = new URL('./index.ts', import.meta.url).href;
const run = (body: string) =>
  execFileSync(process.execPath, ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', body], {
    encoding: 'utf8',
  });

test('a process that holds keys is not readable for others of its user', { skip: needsRoot }, () => {
  // A process that is not dumpable belongs to root in /proc, whoever runs it.
  const out = run(`
    import { statSync } from 'node:fs';
    process.setegid(65534); process.seteuid(65534);
    const { setNotDumpable } = await import('${index}');
    setNotDumpable();
    console.log(statSync('/proc/self/environ').uid);`);
  assert.equal(out.trim(), '0');
});

test('without the capabilities the mesh needs, the start ends in one clear line', { skip: needsRoot }, () => {
  const out = run(`
    const { checkCapabilities } = await import('${index}');
    process.seteuid(65534);
    try { checkCapabilities(); } catch (error) { console.log(error.message); }`);
  assert.match(out, /CAP_SYS_ADMIN is needed/);
});
