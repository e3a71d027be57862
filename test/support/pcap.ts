import { readSegment, type Segment } from '../../lab/capture/index.ts';

/** Segments with data in a pcap file (Ethernet, little-endian, as `ambit lab capture --write` writes it), in order. */
export function readSegments(file: Buffer): Segment[] {
  if (file.length < 24) return [];
  if (file.readUInt32LE(0) !== 0xa1b2c3d4) throw new Error('not a pcap file');
  const segments: Segment[] = [];
  for (let at = 24; at + 16 <= file.length; ) {
    const length = file.readUInt32LE(at + 8);
    const segment = readSegment(file.subarray(at + 16, at + 16 + length));
    if (segment !== undefined && segment.payload.length > 0) segments.push(segment);
    at += 16 + length;
  }
  return segments;
}
