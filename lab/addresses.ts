/** The lab's address plan. All of it exists only inside the lab, so that labs never clash. */

export const UNDERLAY = {
  bridge: 'lab0',
  ip4: '172.30.0.1',
  ip6: 'fd00:30::1',
  prefix4: 24,
  prefix6: 64,
  apiPort: 6443,
} as const;

export const SERVICES = {
  cidr4: '10.96.0.0/16',
  cidr6: 'fd00:96::/112',
  /** Service `kubernetes`. */
  api: '10.96.0.1',
  dns: '10.96.0.10',
} as const;

export const CLUSTER_DOMAIN = 'cluster.local';
export const KUBELET_PORT = 10250;

/** As many as the last byte of the underlay's addresses allows. */
export const MAX_NODES = 200;

export type NodeAddresses = {
  readonly index: number;
  readonly name: string;
  readonly ip4: string;
  readonly ip6: string;
  /** Of its link to the others: the same for ever, as with a machine, or its neighbours would look for the old one for a minute. */
  readonly mac: string;
  readonly podCidr4: string;
  readonly podCidr6: string;
  /** The node's own address towards its pods. */
  readonly gateway4: string;
  readonly gateway6: string;
};

/** Addresses of node `index`, counted from 1. */
function nodeAddresses(index: number): NodeAddresses {
  return {
    index,
    name: `node-${index}`,
    ip4: `172.30.0.${10 + index}`,
    ip6: `fd00:30::${10 + index}`,
    mac: `02:00:ac:1e:00:${(10 + index).toString(16).padStart(2, '0')}`,
    podCidr4: `10.244.${index}.0/24`,
    podCidr6: `fd00:244:${index}::/64`,
    gateway4: `10.244.${index}.1`,
    gateway6: `fd00:244:${index}::1`,
  };
}

export const nodesOf = (count: number): readonly NodeAddresses[] =>
  Array.from({ length: count }, (_, i) => nodeAddresses(i + 1));
