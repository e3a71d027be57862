/** The mesh to be analysed: a cluster, a folder of manifests, or a folder as it would stand in a cluster. */
import { isNotFound, type ResourceType } from '../../core/kube/index.ts';
import {
  buildModel,
  causedBy,
  DEFAULT_MESH_CONFIG,
  formatRef,
  groupOf,
  type KubeObject,
  MeshError,
  type MeshModel,
  meshConfigMapName,
  type ObjectRef,
  readMeshConfig,
} from '../../mesh/index.ts';
import type { Cluster } from '../cluster.ts';
import { CliError } from '../errors.ts';
import { complete } from '../model/complete.ts';
import { loadCluster } from '../model/load-cluster.ts';
import { loadFiles, type SourcedObject } from '../model/load-files.ts';

const kind = (apiVersion: string, name: string, plural: string, namespaced = true): ResourceType => ({
  apiVersion,
  kind: name,
  plural,
  namespaced,
});

/** What only analysis looks at, beside what every command reads. */
const FURTHER_KINDS: readonly ResourceType[] = [
  kind('v1', 'ServiceAccount', 'serviceaccounts'),
  kind('networking.k8s.io/v1', 'NetworkPolicy', 'networkpolicies'),
  kind('networking.istio.io/v1', 'Sidecar', 'sidecars'),
  kind('networking.istio.io/v1alpha3', 'EnvoyFilter', 'envoyfilters'),
  kind('telemetry.istio.io/v1', 'Telemetry', 'telemetries'),
];

export type Loaded = {
  readonly model: MeshModel;
  /** Where an object stands in the files; undefined for one that is not from a file. */
  readonly originOf: (ref: ObjectRef) => string | undefined;
};

/** Throws CliError naming file and document for what can not be read. */
export function loadFolder(paths: readonly string[], meshNamespace: string): Loaded {
  const sourced = loadFiles(paths);
  return loaded(complete(sourced.map(({ object }) => object)), sourced, meshNamespace);
}

/** With files, these stand in for what the cluster holds under the same names. */
export async function loadLive(
  cluster: Cluster,
  meshNamespace: string,
  options: { readonly files: readonly string[]; readonly say: (line: string) => void },
): Promise<Loaded> {
  const sourced = options.files.length === 0 ? [] : loadFiles(options.files);
  const [basic, ...further] = await Promise.all([
    loadCluster(cluster, meshNamespace),
    ...FURTHER_KINDS.map((type) => listed(cluster, type, options.say)),
  ]);
  const objects = new Map([...basic, ...further.flat()].map((object) => [keyOf(object), object]));
  for (const { object } of sourced) objects.set(keyOf(object), object);
  return loaded(sourced.length === 0 ? [...objects.values()] : complete([...objects.values()]), sourced, meshNamespace);
}

async function listed(
  cluster: Cluster,
  type: ResourceType,
  say: (line: string) => void,
): Promise<readonly KubeObject[]> {
  try {
    return await cluster.list(type);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    if (!isNotFound(error.cause)) say(`${type.plural} are not looked at: ${error.message}`);
    return []; // most clusters do not serve all of these
  }
}

function loaded(objects: readonly KubeObject[], sourced: readonly SourcedObject[], meshNamespace: string): Loaded {
  const name = meshConfigMapName('default');
  const configMap = objects.find(
    (o) => o.kind === 'ConfigMap' && o.metadata.name === name && o.metadata.namespace === meshNamespace,
  );
  const origins = new Map(sourced.map(({ object, origin }) => [formatRef(refOf(object)), origin]));
  return {
    model: modelOf(objects, configMap, meshNamespace),
    // A ReplicaSet that stands by itself is named as its pods would name a Deployment.
    originOf: (ref) => origins.get(formatRef(ref)) ?? origins.get(formatRef({ ...ref, kind: 'ReplicaSet' })),
  };
}

function modelOf(objects: readonly KubeObject[], configMap: KubeObject | undefined, meshNamespace: string): MeshModel {
  try {
    return buildModel(objects, readMeshConfig(configMap, DEFAULT_MESH_CONFIG, meshNamespace));
  } catch (error) {
    const known = causedBy(error, MeshError);
    throw known === undefined ? error : new CliError(known.message.replace(/^\[[A-Z_]+\] /, ''), { cause: error });
  }
}

function refOf({ kind: name, metadata }: KubeObject): ObjectRef {
  const { namespace } = metadata;
  return { kind: name, name: metadata.name, ...(namespace !== undefined && { namespace }) };
}

function keyOf(object: KubeObject): string {
  return `${groupOf(object.apiVersion)}/${formatRef(refOf(object))}`;
}
