/** `struct sockaddr_in`, `sockaddr_in6` and `sockaddr_un` as bytes. */
import ipaddr from 'ipaddr.js';
import { KernelError } from './errors.ts';
import { AF_INET, AF_INET6, AF_UNIX } from './kernel.ts';

/** An address of a socket; IPv4-mapped IPv6 is IPv4. */
export type IpPort = { readonly ip: string; readonly port: number };

/** The longest path that fits `sun_path` with its closing NUL. */
const MAX_UNIX_PATH_BYTES = 107;

export const SOCKADDR_BYTES = 28;

/**
 * The bytes and family of an address. With `as: 'ipv6'` an IPv4 address becomes its mapped form, for a dual-stack socket.
 * @throws KernelError EINVAL when the text is not an address or the port not a port.
 */
export function encodeSockaddr(to: IpPort, as: 'own' | 'ipv6' = 'own'): { readonly family: number; bytes: Buffer } {
  const isPort = Number.isInteger(to.port) && to.port >= 0 && to.port <= 65_535;
  const plain = as === 'own' ? readDotted(to.ip) : undefined;
  if (plain !== undefined && isPort) return ipv4(plain, to.port);
  if (!ipaddr.isValid(to.ip) || !isPort) {
    throw new KernelError('EINVAL', 'sockaddr', `not an address and port: ${to.ip} ${to.port}`);
  }
  const parsed = ipaddr.process(to.ip);
  if (parsed.kind() === 'ipv4' && as === 'own') {
    return ipv4(Buffer.from(parsed.toByteArray()).readUInt32BE(0), to.port);
  }
  const v6 = parsed.kind() === 'ipv4' ? (parsed as ipaddr.IPv4).toIPv4MappedAddress() : parsed;
  const bytes = Buffer.alloc(SOCKADDR_BYTES);
  bytes.writeUInt16LE(AF_INET6, 0);
  bytes.writeUInt16BE(to.port, 2);
  bytes.set(v6.toByteArray(), 8);
  return { family: AF_INET6, bytes };
}

function ipv4(address: number, port: number): { readonly family: number; bytes: Buffer } {
  const bytes = Buffer.allocUnsafe(16).fill(0); // of the pool: there are two for each connection to an application
  bytes.writeUInt16LE(AF_INET, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.writeUInt32BE(address, 4);
  return { family: AF_INET, bytes };
}

/** Canonical dotted text, which most addresses are, as a number: no need for a parser of all forms. Undefined for any other. */
function readDotted(text: string): number | undefined {
  let address = 0;
  let octet = 0;
  let digits = 0;
  let dots = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x2e && digits > 0 && dots < 3) {
      address = address * 256 + octet;
      dots += 1;
      octet = 0;
      digits = 0;
    } else if (code >= 0x30 && code <= 0x39 && (digits === 0 || octet > 0)) {
      octet = octet * 10 + code - 0x30;
      digits += 1;
      if (octet > 255) return undefined;
    } else return undefined;
  }
  return dots === 3 && digits > 0 ? address * 256 + octet : undefined;
}

/** Reads what the kernel wrote; undefined for a family that is not IP. */
export function decodeSockaddr(bytes: Buffer): IpPort | undefined {
  const family = bytes.readUInt16LE(0);
  const port = bytes.readUInt16BE(2);
  if (family === AF_INET) return { ip: dotted(bytes, 4), port };
  // Once a connection: an IPv4 peer of a dual-stack listener must not cost an IPv6 parser.
  if (family === AF_INET6 && isMapped(bytes, 8)) return { ip: dotted(bytes, 20), port };
  if (family === AF_INET6) return { ip: canonicalIp([...bytes.subarray(8, 24)]), port };
  return undefined;
}

const dotted = (b: Buffer, at: number): string => `${b[at]}.${b[at + 1]}.${b[at + 2]}.${b[at + 3]}`;

/** `::ffff:a.b.c.d` (RFC 4291 section 2.5.5.2). */
function isMapped(bytes: Buffer, at: number): boolean {
  if (bytes[at + 10] !== 0xff || bytes[at + 11] !== 0xff) return false;
  for (let i = 0; i < 10; i++) if (bytes[at + i] !== 0) return false;
  return true;
}

/** Canonical text of any address that the runtime reports: mapped IPv4 becomes IPv4, IPv6 as in RFC 5952. */
export function canonicalIp(address: string | number[]): string {
  const parsed = typeof address === 'string' ? ipaddr.process(address) : ipaddr.fromByteArray(address);
  if (parsed.kind() === 'ipv4') return parsed.toString();
  const v6 = parsed as ipaddr.IPv6;
  return v6.isIPv4MappedAddress() ? v6.toIPv4Address().toString() : v6.toRFC5952String();
}

/** @throws KernelError ENAMETOOLONG: the kernel has room for 107 bytes. */
export function encodeUnixSockaddr(path: string): Buffer {
  const text = Buffer.from(path);
  if (text.length === 0 || text.length > MAX_UNIX_PATH_BYTES) {
    throw new KernelError('ENAMETOOLONG', 'sockaddr', `a socket path has 1 to ${MAX_UNIX_PATH_BYTES} bytes: ${path}`);
  }
  const bytes = Buffer.alloc(2 + text.length + 1);
  bytes.writeUInt16LE(AF_UNIX, 0);
  text.copy(bytes, 2);
  return bytes;
}
