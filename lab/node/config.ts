import { readFileSync } from 'node:fs';
import * as z from 'zod';

/** Where the supervisor leaves the configuration, inside the node. */
export const NODE_CONFIG_FILE = '/etc/ambit-lab/node.json';

const address = z.object({
  index: z.number(),
  name: z.string(),
  ip4: z.string(),
  ip6: z.string(),
  mac: z.string(),
  podCidr4: z.string(),
  podCidr6: z.string(),
  gateway4: z.string(),
  gateway6: z.string(),
});

const schema = z.object({
  lab: z.string(),
  node: address,
  /** Path of this node's cgroup below the mount of each hierarchy. */
  cgroup: z.string(),
  /** Kubeconfig text of user `system:node:NAME`. */
  kubeconfig: z.string(),
  /** What a request to the kubelet must carry in `x-lab-token`. */
  kubeletSecret: z.string(),
  dns: z.string(),
  /** Folder of all labs, as the machine names it: the image table is there. */
  labs: z.string(),
  /** The checkout, as the machine names it. */
  checkout: z.string(),
  logLevel: z.string(),
});

/** What a node needs to know. */
export type NodeConfig = Readonly<z.infer<typeof schema>>;

export const readNodeConfig = (file: string): NodeConfig => schema.parse(JSON.parse(readFileSync(file, 'utf8')));
