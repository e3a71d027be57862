/** A TCP segment out of an Ethernet frame. */
export type Segment = {
  readonly src: string;
  readonly dst: string;
  readonly srcPort: number;
  readonly dstPort: number;
  readonly flags: string;
  readonly payload: Buffer;
};

const ETHERNET_HEADER_BYTES = 14;
const IPV6_HEADER_BYTES = 40;
const TCP_HEADER_BYTES = 20;
const TCP = 6;

/** Undefined for what is not TCP over IPv4 or IPv6, and for a frame too short to tell. */
export function readSegment(frame: Buffer): Segment | undefined {
  if (frame.length < ETHERNET_HEADER_BYTES + IPV6_HEADER_BYTES) return undefined;
  const ip = frame.subarray(ETHERNET_HEADER_BYTES);
  switch (frame.readUInt16BE(12)) {
    case 0x0800: {
      if (ip[9] !== TCP) return undefined;
      const headerBytes = (ip.readUInt8(0) & 0x0f) * 4;
      const packet = ip.subarray(headerBytes, ip.readUInt16BE(2));
      return readTcp(packet, [...ip.subarray(12, 16)].join('.'), [...ip.subarray(16, 20)].join('.'));
    }
    case 0x86dd: {
      if (ip[6] !== TCP) return undefined; // no extension headers in the lab
      const packet = ip.subarray(IPV6_HEADER_BYTES, IPV6_HEADER_BYTES + ip.readUInt16BE(4));
      return readTcp(packet, `[${ip6(ip.subarray(8, 24))}]`, `[${ip6(ip.subarray(24, 40))}]`);
    }
    default:
      return undefined;
  }
}

const FLAGS = [
  [0x02, 'SYN'],
  [0x10, 'ACK'],
  [0x08, 'PSH'],
  [0x01, 'FIN'],
  [0x04, 'RST'],
] as const;

function readTcp(packet: Buffer, src: string, dst: string): Segment | undefined {
  if (packet.length < TCP_HEADER_BYTES) return undefined;
  const bits = packet.readUInt8(13);
  return {
    src,
    dst,
    srcPort: packet.readUInt16BE(0),
    dstPort: packet.readUInt16BE(2),
    flags: FLAGS.filter(([bit]) => (bits & bit) !== 0)
      .map(([, name]) => name)
      .join(','),
    payload: packet.subarray((packet.readUInt8(12) >> 4) * 4),
  };
}

/** RFC 5952: the longest run of zero groups shortened. */
function ip6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16)).join(':');
  const longest = [...groups.matchAll(/(?:^|:)0(?::0)+(?=:|$)/g)].sort((a, b) => b[0].length - a[0].length)[0];
  if (longest === undefined) return groups;
  const before = groups.slice(0, longest.index);
  const after = groups.slice(longest.index + longest[0].length).replace(/^:/, '');
  return `${before}::${after}`;
}

const TLS_CONTENT_TYPES = new Set([20, 21, 22, 23]); // RFC 8446, section 5.1

/** Whether the data begins with a TLS record. The rest of a record that began in an earlier segment cannot be told by itself. */
export function startsTlsRecord(payload: Uint8Array): boolean {
  return TLS_CONTENT_TYPES.has(payload[0] ?? 0) && payload[1] === 3;
}
