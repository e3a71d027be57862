import { isIPv6 } from 'node:net';

/** The eight groups of an IPv6 address, four hexadecimal digits each. */
function groupsOf(ip: string): readonly string[] {
  const [head = '', tail] = ip.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const middle = Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0');
  return [...left, ...(tail === undefined ? [] : middle), ...right].map((group) => group.padStart(4, '0'));
}

/** The name under which PTR records of the address stand, without the final dot. */
export function reverseName(ip: string): string {
  if (!isIPv6(ip)) return `${ip.split('.').toReversed().join('.')}.in-addr.arpa`;
  return `${[...groupsOf(ip).join('')].toReversed().join('.')}.ip6.arpa`;
}

/** An address as one label: `10-0-0-1`, `fd00--1`. */
export function dashed(ip: string): string {
  return ip.replaceAll(/[.:]/g, '-').replace(/^-/, '0-').replace(/-$/, '-0');
}
