/** The mesh that a command looks at: a live one, or the one that a folder of manifests would make. */
import {
  buildModel,
  causedBy,
  DEFAULT_MESH_CONFIG,
  type KubeObject,
  MeshError,
  type MeshModel,
  meshConfigMapName,
  readMeshConfig,
} from '../../mesh/index.ts';
import type { Cluster } from '../cluster.ts';
import { CliError } from '../errors.ts';
import { DEFAULT_NAMESPACE } from '../install/bundle.ts';
import { complete } from './complete.ts';
import { loadCluster } from './load-cluster.ts';
import { loadFiles } from './load-files.ts';

/** From `files` if there are any, else from the cluster; configured by the ConfigMap in `namespace`. Throws CliError for what can not be read. */
export async function meshModel(
  files: readonly string[],
  cluster: () => Cluster,
  namespace = DEFAULT_NAMESPACE,
): Promise<MeshModel> {
  if (files.length === 0) {
    const [objects, isolation] = await Promise.all([loadCluster(cluster(), namespace), networkPolicies(cluster())]);
    return modelOf([...objects, ...isolation], namespace);
  }
  return modelOf(complete(loadFiles(files).map(({ object }) => object)), namespace);
}

const NETWORK_POLICY = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  plural: 'networkpolicies',
  namespaced: true,
} as const;

/** They only add remarks: whoever may not read them goes without. */
async function networkPolicies(cluster: Cluster): Promise<readonly KubeObject[]> {
  try {
    return await cluster.list(NETWORK_POLICY);
  } catch (error) {
    if (error instanceof CliError) return [];
    throw error;
  }
}

/** Of objects that are complete. Throws CliError when the mesh configuration among them can not be read. */
export function modelOf(objects: readonly KubeObject[], namespace = DEFAULT_NAMESPACE): MeshModel {
  const name = meshConfigMapName('default');
  const configMap = objects.find(
    ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === name && metadata.namespace === namespace,
  );
  try {
    return buildModel(objects, readMeshConfig(configMap, DEFAULT_MESH_CONFIG, namespace));
  } catch (error) {
    const known = causedBy(error, MeshError);
    throw known === undefined ? error : new CliError(known.message.replace(/^\[[A-Z_]+\] /, ''), { cause: error });
  }
}
