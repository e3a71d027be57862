/** The network between the nodes: a bridge in the supervisor's own namespace, one port for each node. */
import { existsSync, writeFileSync } from 'node:fs';
import { type NodeAddresses, UNDERLAY } from '../addresses.ts';
import { ipBatch, run, runToEnd } from '../run.ts';

/** The switch, and the supervisor's own address on it, at which pods and nodes find API and DNS. */
export async function createUnderlay(): Promise<void> {
  await ipBatch(
    [],
    [
      'link set lo up',
      `link add ${UNDERLAY.bridge} type bridge mcast_snooping 0 forward_delay 0`,
      `addr add ${UNDERLAY.ip4}/${UNDERLAY.prefix4} dev ${UNDERLAY.bridge}`,
      `addr add ${UNDERLAY.ip6}/${UNDERLAY.prefix6} dev ${UNDERLAY.bridge} nodad`,
      `link set ${UNDERLAY.bridge} up`,
    ],
  );
}

/** The name of a node's network namespace in the supervisor's `/run/netns`. */
export const netnsPath = (node: NodeAddresses): string => `/run/netns/${node.name}`;

/** Makes (again) the namespace of a node, wired to the switch, with routes to every other node's pods. */
export async function createNodeNetwork(node: NodeAddresses, all: readonly NodeAddresses[]): Promise<void> {
  if (existsSync(netnsPath(node))) await removeNodeNetwork(node);
  const port = `port-${node.index}`;
  await ipBatch(
    [],
    [
      `netns add ${node.name}`,
      `link add ${port} type veth peer name eth0 address ${node.mac} netns ${node.name}`,
      `link set ${port} master ${UNDERLAY.bridge} up`,
    ],
  );
  const others = all.filter((other) => other.index !== node.index);
  await ipBatch(
    ['-n', node.name],
    [
      'link set lo up',
      `addr add ${node.ip4}/${UNDERLAY.prefix4} dev eth0`,
      `addr add ${node.ip6}/${UNDERLAY.prefix6} dev eth0 nodad`,
      'link set eth0 up',
      `route add default via ${UNDERLAY.ip4}`,
      `route add ::/0 via ${UNDERLAY.ip6}`,
      ...others.map((other) => `route add ${other.podCidr4} via ${other.ip4}`),
      ...others.map((other) => `route add ${other.podCidr6} via ${other.ip6}`),
    ],
  );
  // From the underlay itself (API server to webhooks, DNS answers) pods are reached through their node.
  await ipBatch(
    [],
    [`route replace ${node.podCidr4} via ${node.ip4}`, `route replace ${node.podCidr6} via ${node.ip6}`],
  );
}

async function removeNodeNetwork(node: NodeAddresses): Promise<void> {
  // The kernel clears a namespace away later; taking one end of the pair takes both at once.
  await runToEnd('ip', ['link', 'delete', `port-${node.index}`]);
  await run('ip', ['netns', 'delete', node.name]);
}

/** Settings of the calling process's network namespace, by their path below /proc/sys/net. */
export function setNetworkSettings(settings: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(settings)) writeFileSync(`/proc/sys/net/${name}`, value);
}
