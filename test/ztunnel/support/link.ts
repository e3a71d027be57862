/** What crosses a host's link while something happens, for the proof that it crosses inside TLS only. */
import { PacketCapture } from '../../../core/net/index.ts';
import { readSegment, type Segment } from '../../../lab/capture/index.ts';
import type { TestHost } from '../../support/netns.ts';

/** TCP segments with data that passed `eth0` while `work` ran. Rejects when the kernel dropped any. */
export async function onTheLink<T>(
  host: TestHost,
  work: () => Promise<T>,
): Promise<{ result: T; segments: Segment[] }> {
  using capture = PacketCapture.open({ netns: host.netns, interface: 'eth0' });
  const segments: Segment[] = [];
  capture.onPacket((frame) => {
    const segment = readSegment(Buffer.from(frame));
    if (segment !== undefined && segment.payload.length > 0) segments.push(segment);
  });
  const result = await work();
  capture.flush();
  if (capture.dropped > 0) throw new Error(`the capture lost ${capture.dropped} frames`);
  return { result, segments };
}
