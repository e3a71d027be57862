import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { NetnsRef, SeqpacketConnection } from '../../core/net/index.ts';
import { createLogger } from '../../core/telemetry/index.ts';
import { encodeHello, encodeResponse } from '../../core/zds/index.ts';
import { FakeZtunnel } from '../../test/support/cni-node.ts';
import { eventually, needsRoot } from '../../test/support/netns.ts';
import type { ZdsWorkload } from './zds-connection.ts';
import { ZdsServer } from './zds-server.ts';

const root = { skip: needsRoot };
const info = (name: string) => ({ name, namespace: 'shop', serviceAccount: 'web' });

/** A server over the given pods; netns is this process's own, which is as good as any other here. */
async function serve(uids: readonly string[] = [], more: { deadlineMs?: number; keep?: readonly string[] } = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'amb-zds-'));
  const path = join(dir, 'z.sock');
  const netns = NetnsRef.current();
  const logs: string[] = [];
  const pods = new Map<string, ZdsWorkload>();
  for (const uid of uids) pods.set(uid, { uid, info: info(uid), netns });
  for (const uid of more.keep ?? []) pods.set(uid, { uid, info: info(uid), netns: undefined });
  const server = new ZdsServer({
    path,
    snapshot: () => [...pods.values()],
    log: createLogger({ format: 'plain', level: 'debug', write: (line) => void logs.push(line) }),
    onConnections: () => {},
    deadlineMs: more.deadlineMs ?? 2_000,
  });
  server.start();
  const ztunnels: FakeZtunnel[] = [];
  return {
    server,
    path,
    pods,
    netns,
    logs,
    async ztunnel(reply?: FakeZtunnel['reply']) {
      const count = server.connected;
      const ztunnel = await FakeZtunnel.connect(path, reply);
      ztunnels.push(ztunnel);
      await eventually('the connection', () => server.connected === count + 1);
      return ztunnel;
    },
    add(uid: string) {
      const workload = { uid, info: info(uid), netns };
      pods.set(uid, workload);
      return server.add(workload);
    },
    async [Symbol.asyncDispose]() {
      for (const ztunnel of ztunnels) ztunnel[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
      netns[Symbol.dispose]();
      rmSync(dir, { recursive: true });
    },
  };
}

test('the snapshot gives every pod with its namespace, keeps those without, and ends with its mark', root, async () => {
  await using s = await serve(['a', 'b'], { keep: ['c'] });
  const z = await s.ztunnel();
  await eventually('the mark', () => z.kinds.length === 4);
  assert.deepEqual(z.kinds, ['add a', 'add b', 'keep c', 'snapshotSent']);
  assert.deepEqual(
    z.heard.map(({ netns }) => netns),
    [s.netns.inode, s.netns.inode, undefined, undefined],
  );
});

test('with two ztunnels a new pod goes to the newer, and a removal to both', root, async () => {
  await using s = await serve();
  const old = await s.ztunnel();
  const young = await s.ztunnel();
  await s.add('a');
  await s.server.remove('a');
  assert.deepEqual(old.kinds, ['snapshotSent', 'del a']);
  assert.deepEqual(young.kinds, ['snapshotSent', 'add a', 'del a']);
});

test(
  'when the newer ztunnel leaves, the older one learns of the pods that only the newer was told of',
  root,
  async () => {
    await using s = await serve(['before']);
    const old = await s.ztunnel();
    const young = await s.ztunnel();
    await s.add('a');
    young[Symbol.dispose]();
    await eventually('the survivor to know', () => old.kinds.includes('add a'));
    await s.add('b');
    assert.deepEqual(old.kinds, ['add before', 'snapshotSent', 'add a', 'add b']);
  },
);

test('updates that come during the snapshot wait for its end', root, async () => {
  await using s = await serve(['a']);
  const z = await s.ztunnel(() => undefined);
  await eventually('the first pod', () => z.kinds.length === 1);
  const added = s.add('b');
  z.reply = () => '';
  await z.connection.send(encodeResponse({ error: '' }));
  await added;
  assert.deepEqual(z.kinds, ['add a', 'snapshotSent', 'add b']);
});

test('without a ztunnel an addition fails, to be tried again, and a removal has nobody to tell', root, async () => {
  await using s = await serve();
  await assert.rejects(s.add('a'), { code: 'ZDS_NO_ZTUNNEL' });
  await s.server.remove('a');
});

test('a refusal comes back in the words of the ztunnel; one of a removal does not count', root, async () => {
  await using s = await serve();
  await s.ztunnel((request) => (request.kind === 'snapshotSent' ? '' : 'port 15008 is taken'));
  await assert.rejects(s.add('a'), { code: 'ZDS_NACK', message: /port 15008 is taken/ });
  await s.server.remove('a');
});

test('a refusal within the snapshot does not end the connection', root, async () => {
  await using s = await serve(['a', 'b']);
  const z = await s.ztunnel((request) => (request.kind === 'add' ? 'no' : ''));
  await eventually('the mark', () => z.kinds.includes('snapshotSent'));
  assert.equal(s.server.connected, 1);
  assert.match(s.logs.join(''), /refused a pod of the snapshot/);
});

test(
  'an acknowledgement that comes too late can not answer the next message: the connection has ended',
  root,
  async () => {
    await using s = await serve([], { deadlineMs: 100 });
    const z = await s.ztunnel((request) => (request.kind === 'snapshotSent' ? '' : undefined));
    await eventually('the snapshot', () => z.kinds.length === 1);
    await assert.rejects(s.add('a'), { code: 'ZDS_NO_ACK' });
    await eventually('the end', () => s.server.connected === 0);
    await z.connection.closed;
  },
);

test('a ztunnel that leaves while an answer is due fails the waiter at once', root, async () => {
  await using s = await serve();
  const z = await s.ztunnel((request) => {
    if (request.kind === 'add') setImmediate(() => z.connection[Symbol.dispose]());
    return request.kind === 'snapshotSent' ? '' : undefined;
  });
  await assert.rejects(s.add('a'), { code: 'ZDS_CLOSED' });
  await eventually('the end', () => s.server.connected === 0);
});

test('a removal that races a leaving ztunnel ends', root, async () => {
  await using s = await serve(['a']);
  const z = await s.ztunnel();
  const removal = s.server.remove('a');
  z[Symbol.dispose]();
  await removal;
});

const WRONG: readonly (readonly [string, (peer: SeqpacketConnection, fd: number) => Promise<void>, RegExp])[] = [
  ['says nothing', async () => {}, /no hello/],
  ['greets with something else', (peer) => peer.send(Buffer.from([0x08, 0x07])), /ZDS_MALFORMED/],
  ['greets with a descriptor', (peer, fd) => peer.send(encodeHello(), [fd]), /sent a descriptor/],
  [
    'answers what was not asked',
    async (peer) => {
      await peer.send(encodeHello());
      await peer.receive();
      await peer.send(encodeResponse({ error: '' }));
      await peer.send(encodeResponse({ error: '' }));
    },
    /answers nothing/,
  ],
  [
    'answers with nonsense',
    async (peer) => {
      await peer.send(encodeHello());
      await peer.receive();
      await peer.send(Buffer.from([0xff, 0xff]));
    },
    /ZDS_MALFORMED/,
  ],
];
test('a peer that does not keep to the protocol is dropped, with one line that says why', root, async (t) => {
  for (const [title, misbehave, reason] of WRONG) {
    await t.test(`one that ${title}`, async () => {
      await using s = await serve([], { deadlineMs: 100 });
      using peer = await SeqpacketConnection.connect(s.path);
      await misbehave(peer, s.netns.fd);
      await peer.closed;
      await eventually('the line', () => reason.test(s.logs.join('')));
      assert.equal(s.server.connected, 0);
    });
  }
});

test('no descriptor is left after ztunnels have come and gone', root, async () => {
  const openFds = () => readdirSync('/proc/self/fd').length;
  {
    await using warm = await serve(['a']);
    await warm.ztunnel();
  }
  const before = openFds();
  {
    await using s = await serve(['a', 'b']);
    const z = await s.ztunnel();
    await eventually('the snapshot', () => z.kinds.length === 3);
    await s.add('c');
    z.reply = () => undefined;
    const waiting = [s.add('d'), s.add('e')].map((add) => add.catch(() => {}));
    z[Symbol.dispose]();
    await Promise.all(waiting);
  }
  await eventually('the same number of descriptors', () => openFds() === before);
});
