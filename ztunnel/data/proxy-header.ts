/** The PROXY protocol header, version 2, towards applications that ask for it (ztunnel.md section 3.8). */
import { type IpAddress, ipFamily, ipToBytes, type SocketAddress, type SpiffeId } from '../../mesh/index.ts';

const SIGNATURE = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a);
/** Version 2, command PROXY. */
const VERSION_AND_COMMAND = 0x21;
/** STREAM over either family. */
const TCP4 = 0x11;
const TCP6 = 0x21;
/** The client's SPIFFE URI. */
const TLV_IDENTITY = 0xd0;

/** `source` and `destination` may be of different families; both are then written as IPv6. */
export function proxyHeader(source: SocketAddress, destination: SocketAddress, peer: SpiffeId | undefined): Uint8Array {
  const isIpv4 = ipFamily(source.ip) === 4 && ipFamily(destination.ip) === 4;
  const identity = Buffer.from(peer ?? '');
  const body = Buffer.concat([
    addressBytes(source.ip, isIpv4),
    addressBytes(destination.ip, isIpv4),
    uint16(source.port),
    uint16(destination.port),
    ...(peer === undefined ? [] : [Uint8Array.of(TLV_IDENTITY), uint16(identity.length), identity]),
  ]);
  return Buffer.concat([
    SIGNATURE,
    Uint8Array.of(VERSION_AND_COMMAND, isIpv4 ? TCP4 : TCP6),
    uint16(body.length),
    body,
  ]);
}

function addressBytes(ip: IpAddress, asIpv4: boolean): Uint8Array {
  const bytes = ipToBytes(ip);
  if (asIpv4 || bytes.length === 16) return bytes;
  const mapped = new Uint8Array(16);
  mapped.set([0xff, 0xff], 10);
  mapped.set(bytes, 12);
  return mapped;
}

function uint16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff);
}
