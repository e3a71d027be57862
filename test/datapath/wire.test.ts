import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PacketCapture } from '../../core/net/index.ts';
import { eventually, needsRoot } from '../support/netns.ts';
import { DataMesh, exchange } from './data-mesh.ts';

const SECRET = 'the combination is 4-8-15-16-23-42';
const ETHERNET_BYTES = 14;
const IPV6_HEADER_BYTES = 40;
const TCP = 6;

/** The TCP ports of a frame; undefined for anything else. */
function tcpPorts(frame: Uint8Array): readonly [number, number] | undefined {
  const bytes = Buffer.from(frame);
  const type = bytes.readUInt16BE(12);
  let at: number;
  if (type === 0x0800 && bytes[ETHERNET_BYTES + 9] === TCP) {
    at = ETHERNET_BYTES + ((bytes[ETHERNET_BYTES] ?? 0) & 0x0f) * 4;
  } else if (type === 0x86dd && bytes[ETHERNET_BYTES + 6] === TCP) at = ETHERNET_BYTES + IPV6_HEADER_BYTES;
  else return undefined;
  return [bytes.readUInt16BE(at), bytes.readUInt16BE(at + 2)];
}

describe('what crosses the wire', { skip: needsRoot }, () => {
  for (const family of [4, 6] as const) {
    it(`between enrolled pods is only the tunnel's port and never the payload, over IPv${family}`, async () => {
      await using mesh = await DataMesh.create({ pods: ['web', 'cart'], outside: ['out'] });
      await mesh.host('cart').listenEcho(8080);
      const frames: Buffer[] = [];
      using capture = PacketCapture.open({ netns: mesh.host('cart').netns, interface: 'eth0' });
      capture.onPacket((frame) => frames.push(Buffer.from(frame)));

      assert.equal(await exchange(await mesh.dial('web', 'cart', 8080, family), SECRET), SECRET);
      await eventually('the tunnel is seen', () => frames.some((frame) => tcpPorts(frame)?.includes(15008)));
      capture.flush();
      assert.equal(capture.dropped, 0, 'a capture with gaps proves nothing');
      for (const frame of frames) {
        assert.equal(frame.includes(SECRET), false);
        const ports = tcpPorts(frame);
        assert.ok(ports === undefined || ports.includes(15008), `TCP between ports ${ports}`);
      }

      // The same request from outside the mesh shows that this capture would have seen it.
      assert.equal(await exchange(await mesh.dial('out', 'cart', 8080, family), SECRET), SECRET);
      await eventually('the plaintext of an outsider is seen', () => frames.some((frame) => frame.includes(SECRET)));
    });
  }
});
