/** The event that tells the agent of a new pod (cni.md 1.2); shared by both ends. */

/** An address as Go's encoder writes a net.IPNet: text, and the raw mask in base64. */
export type EventAddress = { readonly IP: string; readonly Mask: string };
export type EventIp = { readonly Interface: number | null; readonly Address: EventAddress; readonly Gateway: string };
export type AddEvent = {
  readonly Netns: string;
  readonly PodName: string;
  readonly PodNamespace: string;
  readonly IPs: readonly EventIp[] | null;
};

/** An entry of `prevResult.ips`; undefined when its address is not a CIDR. */
export function eventIp(ip: {
  readonly address: string;
  readonly gateway?: string;
  readonly interface?: number;
}): EventIp | undefined {
  const [address = '', prefix] = ip.address.split('/');
  const bits = address.includes(':') ? 128 : 32;
  const length = prefix === undefined ? bits : Number(prefix);
  if (address === '' || !Number.isInteger(length) || length < 0 || length > bits) return undefined;
  return {
    Interface: ip.interface ?? null,
    Address: { IP: address, Mask: maskBase64(length, bits) },
    Gateway: ip.gateway ?? '',
  };
}

function maskBase64(length: number, bits: number): string {
  const mask = Buffer.alloc(bits / 8);
  for (let i = 0; i < mask.length; i++) mask[i] = (0xff00 >> Math.min(8, Math.max(0, length - 8 * i))) & 0xff;
  return mask.toString('base64');
}
