/** The mesh and the connections that a command about policies looks at: live, or from files. */
import { readFileSync } from 'node:fs';
import type { KubeObject, MeshModel, SeenFlow } from '../../mesh/index.ts';
import type { CliContext } from '../context.ts';
import { CliError, UsageError } from '../errors.ts';
import { type Ledgers, parseFlows, readLedgers } from '../flows.ts';
import { complete } from '../model/complete.ts';
import { loadCluster } from '../model/load-cluster.ts';
import { loadFiles } from '../model/load-files.ts';
import { modelOf } from '../model/mesh-model.ts';

export type SeenOptions = {
  readonly flows?: string;
  readonly base?: readonly string[];
  readonly meshNamespace: string;
};

export type Seen = {
  readonly objects: readonly KubeObject[];
  readonly flows: readonly SeenFlow[];
  /** Nodes whose ztunnel did not answer: what only they have seen is missing. */
  readonly silent: Ledgers['silent'];
};

/** Throws UsageError when only one of `--flows` and `--base` is given, CliError for what can not be read. */
export async function readSeen(context: CliContext, { flows, base, meshNamespace }: SeenOptions): Promise<Seen> {
  if ((flows === undefined) !== (base === undefined)) {
    throw new UsageError('--flows and --base go together: connections that were seen, and the objects of that mesh');
  }
  if (flows !== undefined && base !== undefined) {
    return { objects: objectsOf(base), flows: parseFlows(textOf(flows), flows), silent: [] };
  }
  const cluster = context.cluster();
  const [objects, ledgers] = await Promise.all([
    loadCluster(cluster, meshNamespace),
    readLedgers(cluster, meshNamespace),
  ]);
  if (ledgers.asked.length === 0) {
    throw new CliError(`no ztunnel runs in namespace ${meshNamespace}: is the mesh installed? Try \`ambit status\``);
  }
  if (ledgers.silent.length === ledgers.asked.length) {
    const [first] = ledgers.silent;
    throw new CliError(`no ztunnel answered (node ${first?.node}: ${first?.reason})`);
  }
  return { objects, flows: ledgers.flows, silent: ledgers.silent };
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

export const silentNote = (silent: Ledgers['silent']) =>
  silent.map(({ node, reason }) => `node ${node} did not answer (${reason}): what only it has seen is missing here`);

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new CliError(`${path}: can not be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}
