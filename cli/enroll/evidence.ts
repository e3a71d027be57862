/** What the ztunnels know of callers: their ledgers, and the connections that are open now. */
import { RESOURCES } from '../../core/kube/index.ts';
import type { EnrolmentEvidence, OpenConnection } from '../../mesh/index.ts';
import { readLedgers } from '../analyze/flows.ts';
import type { Cluster } from '../cluster.ts';
import { isLive } from '../enrolment.ts';
import { type ConfigDump, parseDump } from '../ztunnel-config/dump.ts';

const ADMIN_PORT = 15_000;
const AT_ONCE = 16;

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

async function openConnections(cluster: Cluster, namespace: string): Promise<readonly OpenConnection[]> {
  const pods = (await cluster.list(RESOURCES.Pod, { namespace, labelSelector: 'app=ztunnel' })).filter(isLive);
  const open: OpenConnection[] = [];
  for (let first = 0; first < pods.length; first += AT_ONCE) {
    const answers = pods.slice(first, first + AT_ONCE).map(async ({ metadata: { name } }) => {
      const text = await cluster.podHttp({ namespace, name }, ADMIN_PORT, '/config_dump');
      open.push(...plaintextIn(parseDump(text, name)));
    });
    await Promise.allSettled(answers); // who is silent here was silent about its ledger, and is named for that
  }
  return open;
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
