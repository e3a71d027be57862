/** The classic pcap file format, little-endian, microseconds, Ethernet. */
const MAGIC = 0xa1b2c3d4;
const LINKTYPE_ETHERNET = 1;
const SNAP_BYTES = 262_144;

/** What a file begins with. */
export function pcapHeader(): Uint8Array {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(MAGIC, 0);
  header.writeUInt16LE(2, 4); // version 2.4
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(SNAP_BYTES, 16);
  header.writeUInt32LE(LINKTYPE_ETHERNET, 20);
  return header;
}

/** One frame with the time of its arrival in microseconds since 1970. */
export function pcapRecord(frame: Uint8Array, timestampUs: number): Uint8Array {
  const record = Buffer.alloc(16 + frame.length);
  record.writeUInt32LE(Math.floor(timestampUs / 1_000_000), 0);
  record.writeUInt32LE(Math.floor(timestampUs % 1_000_000), 4);
  record.writeUInt32LE(frame.length, 8);
  record.writeUInt32LE(frame.length, 12);
  record.set(frame, 16);
  return record;
}
