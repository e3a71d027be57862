/** Addresses that names never lead to: neither an object of the API nor a caller may make the waypoint call what only the node or it may call. */
import { type Cidr, type IpAddress, ipFamily, ipFromBytes, ipToBytes, parseCidr } from '../mesh/index.ts';

const REFUSED: readonly (readonly [string, string])[] = [
  ['0.0.0.0/8', 'unspecified'],
  ['127.0.0.0/8', 'loopback'],
  ['169.254.0.0/16', 'link-local'],
  ['100.100.100.200/32', 'a metadata service'],
  ['168.63.129.16/32', 'a metadata service'],
  ['192.0.0.192/32', 'a metadata service'],
  ['224.0.0.0/4', 'multicast'],
  ['255.255.255.255/32', 'broadcast'],
  ['::/128', 'unspecified'],
  ['::1/128', 'loopback'],
  ['fe80::/10', 'link-local'],
  ['fd00:ec2::254/128', 'a metadata service'],
  ['fd20:ce::254/128', 'a metadata service'],
  ['ff00::/8', 'multicast'],
];

/** IPv6 addresses that lead to the IPv4 address in their last bytes (NAT64), or after their first two (6to4). */
const EMBEDDING: readonly (readonly [string, number])[] = [
  ['64:ff9b::/96', 12],
  ['::/96', 12],
  ['2002::/16', 2],
];

const RANGES = REFUSED.map(([text, why]) => [rangeOf(text), why] as const);
const EMBEDDINGS = EMBEDDING.map(([text, at]) => [rangeOf(text), at] as const);

/** Why not, in a word; undefined: it may be called. */
export function refusal(ip: IpAddress): string | undefined {
  const bytes = ipToBytes(ip);
  const found = RANGES.find(([range]) => contains(range, ip, bytes));
  if (found !== undefined) return found[1];
  for (const [range, at] of EMBEDDINGS) {
    if (!contains(range, ip, bytes)) continue;
    const inner = ipFromBytes(bytes.slice(at, at + 4));
    return inner && refusal(inner);
  }
  return undefined;
}

function contains(range: Cidr, ip: IpAddress, bytes: Uint8Array): boolean {
  if (ipFamily(range.address) !== ipFamily(ip)) return false;
  const network = ipToBytes(range.address);
  for (let bit = 0; bit < range.prefix; bit += 8) {
    const mask = range.prefix - bit >= 8 ? 0xff : (0xff << (8 - (range.prefix - bit))) & 0xff;
    const at = bit >> 3;
    if (((network[at] ?? 0) & mask) !== ((bytes[at] ?? 0) & mask)) return false;
  }
  return true;
}

function rangeOf(text: string): Cidr {
  const range = parseCidr(text);
  if (range === undefined) throw new RangeError(`no range: ${text}`);
  return range;
}
