/** Format, lint, types and the import table, in this order; the first failure ends the run with its own output. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { checkImports } from './imports.ts';

const root = join(import.meta.dirname, '..');

function run(name: string, command: string, args: readonly string[]): void {
  const started = performance.now();
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) {
    console.error(`lint: ${name} failed`);
    process.exit(status ?? 1);
  }
  console.log(`lint: ${name} ok (${((performance.now() - started) / 1000).toFixed(1)} s)`);
}

const bin = (name: string) => join(root, 'node_modules', '.bin', name);
run('format and rules', bin('biome'), [
  'ci',
  '--max-diagnostics=50',
  `--colors=${process.stdout.isTTY ? 'force' : 'off'}`,
  '.',
]);
run('types', bin('tsc'), ['--noEmit', '-p', '.']);

const problems = checkImports(root);
for (const problem of problems) console.error(problem);
if (problems.length > 0) {
  console.error(`lint: imports failed (${problems.length})`);
  process.exit(1);
}
console.log('lint: imports ok');

run('generated protobuf code is fresh', 'sh', [join(root, 'core/xds/generate.sh'), '--check']);
run('generated CRDs are fresh', process.execPath, [...process.execArgv, join(root, 'scripts/crds.ts'), '--check']);
