import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, needsRoot, readAll, TestNet } from '../../test/support/netns.ts';
import { PacketCapture, pcapHeader, pcapRecord } from './index.ts';

test('a capture in a namespace sees what passes, and its file is what tcpdump reads', { skip: needsRoot }, async () => {
  await using net = await TestNet.create({ hosts: { a: {}, b: {} } });
  const [a, b] = [net.host('a'), net.host('b')];
  await b.listen(80, (socket) => socket.resume().end('in the clear'));
  using capture = PacketCapture.open({ netns: b.netns, interface: 'eth0' });
  const frames: Uint8Array[] = [];
  capture.onPacket((frame) => frames.push(frame));
  await readAll(await a.dial({ ip: b.ip4, port: 80 }));
  await eventually('the answer on the wire', () => frames.some((frame) => Buffer.from(frame).includes('in the clear')));
  assert.equal(capture.dropped, 0);
  const file = Buffer.concat([pcapHeader(), ...frames.map((frame, i) => pcapRecord(frame, 1_700_000_000_000_000 + i))]);
  assert.equal(file.readUInt32LE(0), 0xa1b2c3d4);
  assert.equal(file.readUInt32LE(24), 1_700_000_000);
  assert.equal(file.readUInt32LE(32), frames[0]?.length);
});

test('a capture on an interface that is not there says so', { skip: needsRoot }, async () => {
  await using net = await TestNet.create({ hosts: { a: {} } });
  assert.throws(() => PacketCapture.open({ netns: net.host('a').netns, interface: 'eth9' }), { code: 'ENODEV' });
});
