import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createLogger } from '../../core/telemetry/index.ts';
import { ScratchDir } from '../../test/support/leftovers.ts';
import { eventually } from '../../test/support/netns.ts';
import { parseResolvConf, ResolvConfFile } from './resolv-conf.ts';

const rows: readonly (readonly [what: string, text: string, servers: string, search: string])[] = [
  [
    'an ordinary one',
    'search a.example b.example\nnameserver 10.96.0.10\noptions ndots:5\n',
    '10.96.0.10',
    'a.example b.example',
  ],
  ['both families', 'nameserver 10.0.0.1\nnameserver FD00::0:1\n', '10.0.0.1 fd00::1', ''],
  ['comments and spaces', '# hello\n; this\n  nameserver\t10.0.0.1 # mine\n\n', '10.0.0.1', ''],
  ['what is no address', 'nameserver dns.example\nnameserver 10.0.0.1\nnameserver\n', '10.0.0.1', ''],
  ['an address with a zone', 'nameserver fe80::1%eth0\n', '', ''],
  ['a server twice', 'nameserver 10.0.0.1\nnameserver 10.0.0.1\n', '10.0.0.1', ''],
  ['the last of search and domain counts', 'search a.example\ndomain B.example.\n', '', 'b.example'],
  ['carriage returns', 'nameserver 10.0.0.1\r\n', '10.0.0.1', ''],
  ['nothing', '', '', ''],
  [
    'more than anybody asks',
    Array.from({ length: 12 }, (_, i) => `nameserver 10.0.0.${i + 1}`).join('\n'),
    '10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6 10.0.0.7 10.0.0.8',
    '',
  ],
];

for (const [what, text, servers, search] of rows) {
  test(`resolv.conf: ${what}`, () => {
    const found = parseResolvConf(text);
    assert.equal(found.servers.join(' '), servers);
    assert.equal(found.search.join(' '), search);
  });
}

test('a file that changes is read again; one that vanishes leaves what it said', async () => {
  using scratch = new ScratchDir('ambit-resolv');
  const path = join(scratch.path, 'resolv.conf');
  let nowMs = 0;
  const log = createLogger({ format: 'plain', level: 'error', root: 'test', write: () => {} });
  const file = new ResolvConfFile(path, log, () => nowMs);
  assert.deepEqual(file.current.servers, []);
  writeFileSync(path, 'nameserver 10.0.0.1\n');
  const after5s = () => {
    nowMs += 5_000;
    return file.current.servers.join();
  };
  await eventually('it is found', () => after5s() === '10.0.0.1');
  writeFileSync(path, 'nameserver 10.0.0.22\n');
  nowMs += 4_999;
  assert.deepEqual(file.current.servers, ['10.0.0.1'], 'it does not look all the time');
  await eventually('the change is seen', () => after5s() === '10.0.0.22');
  rmSync(path);
  for (let i = 0; i < 3; i += 1) {
    after5s();
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(after5s(), '10.0.0.22');
});
