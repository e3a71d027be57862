/** `npm run bench -- SUITE…`: runs the named suites one after the other, all of them when none is named. */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';

const here = import.meta.dirname;
const suites = readdirSync(here)
  .filter((file) => file.endsWith('.ts') && file !== basename(import.meta.filename))
  .map((file) => basename(file, '.ts'))
  .sort();
const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !suites.includes(name));
if (unknown.length > 0) {
  console.error(`bench: no suite ${unknown.join(', ')}; there are: ${suites.join(', ')}`);
  process.exit(2);
}
for (const suite of asked.length > 0 ? asked : suites) {
  console.log(`== ${suite}`);
  const { status } = spawnSync(process.execPath, [...process.execArgv, join(here, `${suite}.ts`)], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
}
