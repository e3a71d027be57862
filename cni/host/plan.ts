/**
 * The host's part: kubelet's probes of enrolled pods get a source address that the pods' rules let through. Everything
 * else from the node's own addresses (NodePorts, load balancers) stays captured. Pure.
 */
import { PROBE_SOURCE } from '../redirect/index.ts';

const HOST_TABLE = 'istio-ambient-nat';
const PROBE_SETS = { 4: 'istio-inpod-probes-v4', 6: 'istio-inpod-probes-v6' } as const;

export type ProbeSources = { readonly v4: string; readonly v6: string };

/** Replaces the table as a whole; its sets are empty then and filled again from the snapshot. */
export function planHostRules(o: {
  readonly ipv6: boolean;
  readonly kubeletUid: number;
  readonly sources?: ProbeSources;
}): string {
  const sources = o.sources ?? PROBE_SOURCE;
  const from = `meta l4proto tcp meta skuid ${o.kubeletUid}`;
  const table = `inet ${HOST_TABLE}`;
  const lines = [
    ...planHostRemoval(),
    `add table ${table}`,
    `add set ${table} ${PROBE_SETS[4]} { type ipv4_addr; }`,
    ...(o.ipv6 ? [`add set ${table} ${PROBE_SETS[6]} { type ipv6_addr; }`] : []),
    `add chain ${table} postrouting { type nat hook postrouting priority 100; policy accept; }`,
    `add rule ${table} postrouting ${from} ip daddr @${PROBE_SETS[4]} counter snat ip to ${sources.v4}`,
    ...(o.ipv6
      ? [`add rule ${table} postrouting ${from} ip6 daddr @${PROBE_SETS[6]} counter snat ip6 to ${sources.v6}`]
      : []),
  ];
  return `${lines.join('\n')}\n`;
}

/** Adding first makes the deletion safe. */
export function planHostRemoval(): readonly string[] {
  return [`add table inet ${HOST_TABLE}`, `delete table inet ${HOST_TABLE}`];
}

/** An element with its owner as comment. nft keeps the old comment of a present element, hence the deletion in between. */
export function planSetEntry(ip: string, uid: string): string {
  const set = `inet ${HOST_TABLE} ${PROBE_SETS[ip.includes(':') ? 6 : 4]}`;
  return [
    `add element ${set} { ${ip} }`,
    `delete element ${set} { ${ip} }`,
    `add element ${set} { ${ip} comment "${uid}" }`,
  ]
    .map((line) => `${line}\n`)
    .join('');
}

export function planSetRemoval(ip: string): string {
  const set = `inet ${HOST_TABLE} ${PROBE_SETS[ip.includes(':') ? 6 : 4]}`;
  return `add element ${set} { ${ip} }\ndelete element ${set} { ${ip} }\n`;
}
