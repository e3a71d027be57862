/**
 * Runs every test with Node's own runner and ends with `N passed, N failed, N skipped`.
 * Arguments narrow the run: paths of test files, or `--grep=PATTERN` for test names.
 */
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';

const root = join(import.meta.dirname, '..');
const args = process.argv.slice(2);
const grep = args.find((a) => a.startsWith('--grep='))?.slice('--grep='.length);
const named = args.filter((a) => !a.startsWith('--')).map((a) => join(process.cwd(), a));
const files =
  named.length > 0
    ? named
    : globSync('{mesh,core,ztunnel,waypoint,controller,cni,cli,lab,samples,test,bench,scripts}/**/*.test.ts', {
        cwd: root,
      })
        .sort()
        .map((f) => join(root, f));

// Each file is a process, and starts more: what has its types stripped and is compiled is kept for the next one.
process.env['NODE_COMPILE_CACHE'] ??= join(root, 'node_modules', '.cache', 'compiled');

/** A test that never ends must not keep CI from hearing of it. */
const RUN_DEADLINE_MS = 15 * 60_000;

const count = { passed: 0, failed: 0, skipped: 0 };
const stream = run({
  files,
  concurrency: 2,
  timeout: 240_000,
  ...(grep === undefined ? {} : { testNamePatterns: [new RegExp(grep)] }),
});
stream.on('test:pass', (event) => {
  if (event.details.type === 'suite') return;
  if (event.skip !== undefined && event.skip !== false) count.skipped += 1;
  else count.passed += 1;
});
stream.on('test:fail', (event) => {
  if (event.details.type !== 'suite') count.failed += 1;
});
stream.on('end', () => {
  process.exitCode = count.failed > 0 || count.passed === 0 ? 1 : 0;
  // The reporter's own summary is still on its way; the plain line comes last.
  process.on('exit', () => console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`));
});
setTimeout(() => {
  console.error('the run did not end within its deadline');
  console.log(`${count.passed} passed, ${count.failed + 1} failed, ${count.skipped} skipped`);
  process.exit(1);
}, RUN_DEADLINE_MS).unref();
stream.compose(spec()).pipe(process.stdout);
