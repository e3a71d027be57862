/** A range of addresses to choose from. */
import { type IpAddress, ipFamily, ipFromBytes, mustParseIp } from '../address.ts';
import { type Cidr, type CompiledCidr, cidrContains, compileCidr, FAMILY_BITS, numericIp } from '../cidr.ts';
import { MeshError } from '../error.ts';

/** What the reference takes, too (controller.md section 1.11): for class E and benchmarks, routed nowhere. */
export const DEFAULT_POOLS: readonly Cidr[] = [
  { address: mustParseIp('240.240.0.0'), prefix: 16 },
  { address: mustParseIp('2001:2::'), prefix: 48 },
];

/** Nobody has so many services; it bounds the search. */
const MOST_ADDRESSES = 1 << 24;

export class AddressPool {
  readonly family: 4 | 6;
  /** How many addresses there are to give: the first and the last of the range are left alone. */
  readonly size: number;
  readonly #range: CompiledCidr;
  readonly #first: bigint;

  /** Throws MESH_CONFIG_INVALID for a range of less than four addresses. */
  constructor(range: Cidr) {
    this.family = ipFamily(range.address);
    const hostBits = FAMILY_BITS[this.family] - range.prefix;
    if (hostBits < 2) {
      throw new MeshError(
        'MESH_CONFIG_INVALID',
        `range ${range.address}/${range.prefix} is too small to allocate from`,
      );
    }
    this.size = Math.min(MOST_ADDRESSES, 2 ** hostBits - 2);
    this.#range = compileCidr(range);
    const { value } = numericIp(range.address);
    this.#first =
      (BigInt.asUintN(128, BigInt(this.family === 4 ? Number(value) >>> 0 : value)) >> BigInt(hostBits)) <<
      BigInt(hostBits);
  }

  contains(ip: IpAddress): boolean {
    return cidrContains(this.#range, numericIp(ip));
  }

  /** The address with this number, counted from 0; numbers go round. */
  at(index: number): IpAddress {
    let value = this.#first + 1n + BigInt(index % this.size);
    const bytes = new Uint8Array(FAMILY_BITS[this.family] / 8);
    for (let i = bytes.length - 1; i >= 0; i--) {
      bytes[i] = Number(value & 0xffn);
      value >>= 8n;
    }
    return ipFromBytes(bytes) ?? mustParseIp('::');
  }
}
