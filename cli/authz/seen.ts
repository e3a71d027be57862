/** The mesh, and the connections and requests, that a command about policies looks at: live, or from files. */
import { readFileSync } from 'node:fs';
import type { KubeObject, MeshModel, SeenFlow, SeenRequest } from '../../mesh/index.ts';
import type { CliContext } from '../context.ts';
import { CliError, UsageError } from '../errors.ts';
import { joined, parseFlows, readLedgers, readRequests } from '../flows.ts';
import { complete } from '../model/complete.ts';
import { loadCluster } from '../model/load-cluster.ts';
import { loadFiles } from '../model/load-files.ts';
import { modelOf } from '../model/mesh-model.ts';
import type { SilentWaypoint } from '../waypoint/ask.ts';
import type { Silent } from '../ztunnels.ts';

export type SeenOptions = {
  readonly flows?: readonly string[];
  readonly base?: readonly string[];
  readonly meshNamespace: string;
};

/** Of `--flows`. */
export const FLOWS_OPTION = 'saved answers of `/flows` of ztunnels and waypoints, instead of asking them; repeatable';

export type Seen = {
  readonly objects: readonly KubeObject[];
  readonly flows: readonly SeenFlow[];
  readonly requests: readonly SeenRequest[];
  /** Nodes whose ztunnel, and pods of waypoints that, did not answer: what only they have seen is missing. */
  readonly silent: readonly (Silent | SilentWaypoint)[];
};

/** Throws UsageError when only one of `--flows` and `--base` is given, CliError for what can not be read. */
export async function readSeen(context: CliContext, { flows, base, meshNamespace }: SeenOptions): Promise<Seen> {
  if ((flows === undefined) !== (base === undefined)) {
    throw new UsageError('--flows and --base go together: what was seen, and the objects of that mesh');
  }
  if (flows !== undefined && base !== undefined) {
    return { objects: objectsOf(base), ...joined(flows.map((path) => parseFlows(textOf(path), path))), silent: [] };
  }
  const cluster = context.cluster();
  const [objects, ledgers, { requests, silent }] = await Promise.all([
    loadCluster(cluster, meshNamespace),
    readLedgers(cluster, meshNamespace),
    readRequests(cluster),
  ]);
  if (ledgers.asked.length === 0) {
    throw new CliError(`no ztunnel runs in namespace ${meshNamespace}: is the mesh installed? Try \`ambit status\``);
  }
  if (ledgers.silent.length === ledgers.asked.length) {
    const [first] = ledgers.silent;
    throw new CliError(`no ztunnel answered (node ${first?.node}: ${first?.reason})`);
  }
  return { objects, flows: ledgers.flows, requests, silent: [...ledgers.silent, ...silent] };
}

export function objectsOf(paths: readonly string[]): readonly KubeObject[] {
  return loadFiles(paths).map(({ object }) => object);
}

export function modelFrom(objects: readonly KubeObject[], meshNamespace: string): MeshModel {
  return modelOf(complete(objects), meshNamespace);
}

/** As a uid names it: `namespace/name`. */
export function podOf(uid: string): string {
  return uid.split('/').slice(3).join('/') || uid;
}

export const silentNote = (silent: Seen['silent']) =>
  silent.map((one) => {
    const who = 'node' in one ? `node ${one.node}` : `waypoint pod ${one.waypoint}`;
    return `${who} did not answer (${one.reason}): what only it has seen is missing here`;
  });

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new CliError(`${path}: can not be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}
