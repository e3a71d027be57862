import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ScratchDir } from '../test/support/leftovers.ts';
import { needsRoot } from '../test/support/netns.ts';
import { withoutH2load } from './l7/h2load.ts';
import { withoutCompiler } from './load.ts';
import { findHaproxy } from './peers/haproxy.ts';
import type { Row } from './report.ts';

const skip = needsRoot || (withoutCompiler() ?? false);
const haproxy = findHaproxy();
const withoutHaproxy = 'skipped' in haproxy && haproxy.skipped;

test('one short round measures Ambit beside no proxy and writes both files', { skip }, () => {
  using scratch = new ScratchDir('ambit-bench-test');
  const json = join(scratch.path, 'rows.json');
  const svg = join(scratch.path, 'rows.svg');
  const rows = bench(['latency', '--seconds', '0.2', '--only', 'none,ambit'], json, svg);
  const row = rows.find(({ name, metric }) => name === '1 connection' && metric === 'p50');
  assert.ok(row?.ambit !== undefined && row.ambit > 0, 'Ambit was measured');
  assert.ok((row.peers['none'] ?? 0) > 0, 'the link without a proxy was measured');
  assert.match(readFileSync(svg, 'utf8'), /^<svg /);
});

test('behind redirection the other proxies answer, too', { skip: skip || withoutHaproxy }, () => {
  using scratch = new ScratchDir('ambit-bench-test');
  const args = ['latency', '--captured', '--seconds', '0.2', '--only', 'none,haproxy'];
  const rows = bench(args, join(scratch.path, 'rows.json'), join(scratch.path, 'rows.svg'));
  const row = rows.find(({ name, metric }) => name === '1 connection' && metric === 'p50');
  const { none = 0, haproxy = 0 } = row?.peers ?? {};
  assert.ok(none > 0 && haproxy > none, `${haproxy} us through two proxies, ${none} us without`);
});

test("one short round has small requests through a waypoint's data plane, plain and in tunnels", {
  skip: withoutH2load() ?? false,
}, () => {
  using scratch = new ScratchDir('ambit-bench-test');
  const args = ['l7', '--seconds', '0.2', '--only', 'ambit'];
  const rows = bench(args, join(scratch.path, 'rows.json'), join(scratch.path, 'rows.svg'));
  for (const name of ['plain, HTTP/1.1, 1 KB', 'hbone, HTTP/2, 1 KB', 'among 1,000 routes', 'among 1,000 policies']) {
    const row = rows.find((of) => of.name === name && of.metric === 'CPU a request');
    assert.ok(row?.ambit !== undefined && row.ambit > 0, `${name} was measured`);
  }
});

function bench(args: readonly string[], json: string, svg: string): readonly Row[] {
  const main = join(import.meta.dirname, 'main.ts');
  const all = [...process.execArgv, main, ...args, '--rounds', '1', '--json', json, '--svg', svg];
  const run = spawnSync(process.execPath, all, { encoding: 'utf8', timeout: 60_000 });
  assert.equal(run.status, 0, `${run.stdout}${run.stderr}`);
  const { rows } = JSON.parse(readFileSync(json, 'utf8')) as { readonly rows: readonly Row[] };
  return rows;
}
