/**
 * IP addresses as one type for both families: canonical text, so that equality is `===` and an address can key a Map.
 */
import ipaddr from 'ipaddr.js';
import type { Brand } from './brand.ts';
import { MeshError } from './error.ts';

/** Canonical text: dotted IPv4, or IPv6 as RFC 5952 writes it. IPv4-mapped IPv6 is always the IPv4 address. */
export type IpAddress = Brand<string, 'IpAddress'>;

export type SocketAddress = { readonly ip: IpAddress; readonly port: number };

const DOTTED = /^(?:0|[1-9]\d{0,2})(?:\.(?:0|[1-9]\d{0,2})){3}$/;

/** The address that `text` writes, or undefined. No zone ids, no octal, hexadecimal or short IPv4 forms. */
export function parseIp(text: string): IpAddress | undefined {
  if (DOTTED.test(text)) return text.split('.').every((part) => Number(part) <= 255) ? (text as IpAddress) : undefined;
  if (!text.includes(':') || text.includes('%') || !ipaddr.IPv6.isValid(text)) return undefined;
  const parsed = ipaddr.IPv6.parse(text);
  if (parsed.isIPv4MappedAddress()) return parsed.toIPv4Address().toString() as IpAddress;
  return parsed.toRFC5952String() as IpAddress;
}

/** Like {@link parseIp}, for text that must be an address. Throws ADDRESS_MALFORMED. */
export function mustParseIp(text: string): IpAddress {
  const ip = parseIp(text);
  if (ip === undefined) throw new MeshError('ADDRESS_MALFORMED', `not an IP address: ${JSON.stringify(text)}`);
  return ip;
}

/** From 4 or 16 bytes in network order; undefined for any other length. */
export function ipFromBytes(bytes: Uint8Array): IpAddress | undefined {
  if (bytes.length === 4) return bytes.join('.') as IpAddress;
  if (bytes.length !== 16) return undefined;
  const parsed = new ipaddr.IPv6([...bytes]);
  if (parsed.isIPv4MappedAddress()) return parsed.toIPv4Address().toString() as IpAddress;
  return parsed.toRFC5952String() as IpAddress;
}

/** 4 or 16 bytes in network order. */
export function ipToBytes(ip: IpAddress): Uint8Array {
  if (ipFamily(ip) === 4) return Uint8Array.from(ip.split('.'), Number);
  return Uint8Array.from(ipaddr.IPv6.parse(ip).toByteArray());
}

export function ipFamily(ip: IpAddress): 4 | 6 {
  return ip.includes(':') ? 6 : 4;
}

/** 127.0.0.0/8 or ::1. */
export function isLoopback(ip: IpAddress): boolean {
  return ip.startsWith('127.') || ip === '::1';
}

/** `10.0.0.1:80`, `[fd00::1]:80`. */
export function formatSocketAddress(a: SocketAddress): string {
  return ipFamily(a.ip) === 6 ? `[${a.ip}]:${a.port}` : `${a.ip}:${a.port}`;
}
