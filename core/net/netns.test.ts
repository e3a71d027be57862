import assert from 'node:assert/strict';
import { readFileSync, readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { needsRoot, TestNet } from '../../test/support/netns.ts';
import { NetnsRef } from './index.ts';

const root = { skip: needsRoot };
const here = () => readlinkSync('/proc/thread-self/ns/net');

test('work happens inside the namespace and the thread comes back', root, async () => {
  await using net = await TestNet.create({ hosts: { a: {} } });
  const before = here();
  const inside = net.host('a').netns.run(() => readFileSync('/proc/thread-self/net/dev', 'utf8'));
  assert.match(inside, /eth0/);
  assert.equal(here(), before);
});

test('the thread comes back when the work throws', root, async () => {
  await using net = await TestNet.create({ hosts: { a: {} } });
  const before = here();
  assert.throws(
    () =>
      net.host('a').netns.run(() => {
        throw new Error('broken');
      }),
    /broken/,
  );
  assert.equal(here(), before);
});

test('entering nests: each way out leads to where it came from', root, async () => {
  await using net = await TestNet.create({ hosts: { a: {}, b: {} } });
  const [a, b] = [net.host('a').netns, net.host('b').netns];
  const before = here();
  const seen = a.run(() => [here(), b.run(here), here()]);
  assert.deepEqual(seen, [`net:[${a.inode}]`, `net:[${b.inode}]`, `net:[${a.inode}]`]);
  assert.equal(here(), before);
});

test('work that would wait inside a namespace is refused, and the thread is back', root, async () => {
  await using net = await TestNet.create({ hosts: { a: {} } });
  const before = here();
  assert.throws(() => net.host('a').netns.run(async () => {}), TypeError);
  assert.equal(here(), before);
});

test('two references to one namespace are the same, and to two are not', root, async () => {
  await using net = await TestNet.create({ hosts: { a: {}, b: {} } });
  using again = NetnsRef.open(net.host('a').path);
  using copy = again.clone();
  assert.ok(again.same(net.host('a').netns));
  assert.ok(copy.same(again));
  assert.notEqual(copy.fd, again.fd);
  assert.ok(!again.same(net.host('b').netns));
});

test('a disposed reference is disposed once and can not be entered', root, async () => {
  await using net = await TestNet.create({ hosts: { a: {} } });
  const ref = NetnsRef.open(net.host('a').path);
  ref[Symbol.dispose]();
  ref[Symbol.dispose]();
  assert.throws(() => ref.run(() => {}), { code: 'EBADF' });
  assert.throws(() => ref.clone(), { code: 'EBADF' });
});

test('a process started inside a namespace lives there', root, async () => {
  await using net = await TestNet.create({ hosts: { a: {} } });
  assert.match(await net.host('a').exec('ip -o addr show eth0'), /10\.77\.0\.1\/24/);
});
