/** What decoding a resource may find wrong: one error type that names the field. */
import { type IpAddress, ipFamily, ipFromBytes, MeshError } from '../../mesh/index.ts';

/** The resource cannot be used; the message is `field: reason`. */
export function invalid(field: string, reason: string): MeshError {
  return new MeshError('XDS_RESOURCE_INVALID', `${field}: ${reason}`);
}

/** The name behind an enum number of a table that is ordered by number. Throws `XDS_RESOURCE_INVALID`. */
export function enumName<const Names extends readonly string[]>(
  names: Names,
  number: number,
  field: string,
): Names[number] {
  const name = names[number];
  // a newer control plane may know more values than we do; guessing what they mean could weaken a policy
  if (name === undefined) throw invalid(field, `unknown value ${number}`);
  return name;
}

/** Throws `XDS_RESOURCE_INVALID` unless there are 4 or 16 bytes. */
export function decodeIp(bytes: Uint8Array, field: string): IpAddress {
  const ip = ipFromBytes(bytes);
  if (ip === undefined) throw invalid(field, `an address has 4 or 16 bytes, not ${bytes.length}`);
  return ip;
}

/**
 * A prefix length that goes with `bytes`, the address as it was on the wire: a range over IPv4-mapped IPv6 counts its
 * prefix over 128 bits and becomes an IPv4 range. Throws `XDS_RESOURCE_INVALID`.
 */
export function decodePrefix(length: number, bytes: Uint8Array, ip: IpAddress, field: string): number {
  const bits = ipFamily(ip) === 4 ? 32 : 128;
  const prefix = bytes.length === 16 && bits === 32 ? length - 96 : length;
  if (prefix < 0 || prefix > bits) throw invalid(field, `a prefix length of ${length} does not fit ${ip}`);
  return prefix;
}

/** Ports are cut to 16 bits, as the reference does. */
export const port = (value: number): number => value & 0xffff;
