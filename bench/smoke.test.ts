import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ScratchDir } from '../test/support/leftovers.ts';
import { needsRoot } from '../test/support/netns.ts';
import { withoutCompiler } from './load.ts';
import type { Row } from './report.ts';

const skip = needsRoot || (withoutCompiler() ?? false);

test('one short round measures Ambit beside no proxy and writes both files', { skip }, () => {
  using scratch = new ScratchDir('ambit-bench-test');
  const json = join(scratch.path, 'rows.json');
  const svg = join(scratch.path, 'rows.svg');
  const args = [
    ...['latency', '--rounds', '1', '--seconds', '0.2', '--only', 'none,ambit'],
    ...['--json', json, '--svg', svg],
  ];
  const main = join(import.meta.dirname, 'main.ts');
  const run = spawnSync(process.execPath, [...process.execArgv, main, ...args], { encoding: 'utf8', timeout: 60_000 });
  assert.equal(run.status, 0, `${run.stdout}${run.stderr}`);
  const { rows } = JSON.parse(readFileSync(json, 'utf8')) as { readonly rows: readonly Row[] };
  const row = rows.find(({ name, metric }) => name === '1 connection' && metric === 'p50');
  assert.ok(row?.ambit !== undefined && row.ambit > 0, 'Ambit was measured');
  assert.ok((row.peers['none'] ?? 0) > 0, 'the link without a proxy was measured');
  assert.match(readFileSync(svg, 'utf8'), /^<svg /);
});
