/** Address ranges, and the numeric form in which they are compared on the hot path. */
import { type IpAddress, ipFamily, ipFromBytes, ipToBytes, parseIp } from './address.ts';

export type Cidr = { readonly address: IpAddress; readonly prefix: number };

/** Bits of an address of this family: the longest prefix. */
export const FAMILY_BITS: Readonly<Record<4 | 6, number>> = { 4: 32, 6: 128 };

const PREFIX = /^(?:0|[1-9]\d{0,2})$/;

/**
 * `10.0.0.0/8`, `fd00::/8`, or a bare address (then the prefix covers exactly it); undefined when malformed. Bits beyond the
 * prefix are kept as written; matching ignores them.
 */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/');
  const written = slash === -1 ? text : text.slice(0, slash);
  const address = parseIp(written);
  if (address === undefined) return undefined;
  const bits = FAMILY_BITS[ipFamily(address)];
  if (slash === -1) return { address, prefix: bits };
  const digits = text.slice(slash + 1);
  if (!PREFIX.test(digits)) return undefined;
  // An IPv4-mapped range counts its prefix over 128 bits; shorter than the mapping itself it is no IPv4 range at all.
  const prefix = written.includes(':') && bits === 32 ? Number(digits) - 96 : Number(digits);
  return prefix >= 0 && prefix <= bits ? { address, prefix } : undefined;
}

export function formatCidr(c: Cidr): string {
  return `${c.address}/${c.prefix}`;
}

/** The first address of a range: bits beyond the prefix are zero. */
export function maskedAddress({ address, prefix }: Cidr): IpAddress {
  const bytes = ipToBytes(address).map((byte, index) => {
    const kept = Math.min(8, Math.max(0, prefix - index * 8));
    return byte & (0xff << (8 - kept));
  });
  return ipFromBytes(bytes) ?? address;
}

/** An address as a number, so that a range test is a few integer operations. */
export type NumericIp = { readonly family: 4; readonly value: number } | { readonly family: 6; readonly value: bigint };

export function numericIp(ip: IpAddress): NumericIp {
  if (ipFamily(ip) === 4) return { family: 4, value: numericIp4(ip) };
  return { family: 6, value: ipToBytes(ip).reduce((value, byte) => (value << 8n) | BigInt(byte), 0n) };
}

const DOT = 46;
const ZERO = 48;

/** Digit by digit, as this is done for every connection; the address is known to be well-formed. */
function numericIp4(ip: IpAddress): number {
  let value = 0;
  let part = 0;
  for (let i = 0; i < ip.length; i++) {
    const code = ip.charCodeAt(i);
    if (code === DOT) {
      value = (value << 8) | part;
      part = 0;
    } else part = part * 10 + code - ZERO;
  }
  return (value << 8) | part;
}

/** A range ready for matching. */
export type CompiledCidr =
  | { readonly family: 4; readonly mask: number; readonly network: number }
  | { readonly family: 6; readonly shift: bigint; readonly network: bigint };

/** Throws RangeError for a prefix that its family does not have. */
export function compileCidr(c: Cidr): CompiledCidr {
  const ip = numericIp(c.address);
  const bits = FAMILY_BITS[ip.family];
  if (!Number.isInteger(c.prefix) || c.prefix < 0 || c.prefix > bits) {
    throw new RangeError(`prefix ${c.prefix} of ${c.address} is not between 0 and ${bits}`);
  }
  if (ip.family === 4) {
    const mask = c.prefix === 0 ? 0 : -1 << (32 - c.prefix); // a shift by 32 would be a shift by 0
    return { family: 4, mask, network: ip.value & mask };
  }
  const shift = BigInt(bits - c.prefix);
  return { family: 6, shift, network: ip.value >> shift };
}

export function cidrContains(c: CompiledCidr, ip: NumericIp): boolean {
  if (c.family === 4) return ip.family === 4 && (ip.value & c.mask) === c.network;
  return ip.family === 6 && ip.value >> c.shift === c.network;
}
