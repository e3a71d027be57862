/** What the ztunnels know of callers: their ledgers, and the connections that are open now. */
import type { EnrolmentEvidence, OpenConnection } from '../../mesh/index.ts';
import type { Cluster } from '../cluster.ts';
import { readLedgers } from '../flows.ts';
import { type ConfigDump, parseDump } from '../ztunnel-config/dump.ts';
import { askZtunnels, DEFAULT_ADMIN_PORT } from '../ztunnels.ts';

/** Nodes that do not answer are named to `say`; what they have seen is not known. */
export async function liveEvidence(
  cluster: Cluster,
  meshNamespace: string,
  say: (line: string) => void,
): Promise<EnrolmentEvidence> {
  const { flows, silent } = await readLedgers(cluster, meshNamespace);
  for (const { node, reason } of silent) say(`node ${node} did not say whom it has seen: ${reason}`);
  return { flows, open: await openConnections(cluster, meshNamespace), isLive: true };
}

/** Who is silent here was silent about its ledger, and is named for that. */
async function openConnections(cluster: Cluster, namespace: string): Promise<readonly OpenConnection[]> {
  const ztunnels = { cluster, namespace, adminPort: DEFAULT_ADMIN_PORT };
  const { answers } = await askZtunnels(ztunnels, { path: '/config_dump', read: parseDump });
  return answers.flatMap(({ value }) => plaintextIn(value));
}

/** Inbound connections that came without a tunnel. */
export function plaintextIn(dump: ConfigDump): readonly OpenConnection[] {
  return Object.values(dump.workloadState).flatMap(({ info, connections }) =>
    (connections?.inbound ?? []).flatMap(({ src, actualDst, protocol }) => {
      const [source, destination] = [split(src), split(actualDst)];
      if (info === undefined || protocol === 'HBONE' || source === undefined || destination === undefined) return [];
      return [{ pod: `${info.namespace}/${info.name}`, source: source.ip, port: destination.port }];
    }),
  );
}

/** `10.0.0.1:80` or `[fd00::1]:80`. */
function split(address: string): { readonly ip: string; readonly port: number } | undefined {
  const match = /^\[?([^\]]+)\]?:(\d+)$/.exec(address);
  return match === null ? undefined : { ip: match[1] ?? '', port: Number(match[2]) };
}
