/** The mesh that a command looks at: a live one, or the one that a folder of manifests would make. */
import { buildModel, causedBy, type KubeObject, MeshError, type MeshModel } from '../../mesh/index.ts';
import type { Cluster } from '../cluster.ts';
import { CliError } from '../errors.ts';
import { complete } from './complete.ts';
import { loadCluster } from './load-cluster.ts';
import { loadFiles } from './load-files.ts';

/** From `files` if there are any, else from the cluster. Throws CliError for what can not be read. */
export async function meshModel(files: readonly string[], cluster: () => Cluster): Promise<MeshModel> {
  if (files.length === 0) return modelOf(await loadCluster(cluster()));
  return modelOf(complete(loadFiles(files).map(({ object }) => object)));
}

function modelOf(objects: readonly KubeObject[]): MeshModel {
  try {
    return buildModel(objects);
  } catch (error) {
    const known = causedBy(error, MeshError);
    throw known === undefined ? error : new CliError(known.message.replace(/^\[[A-Z_]+\] /, ''), { cause: error });
  }
}
