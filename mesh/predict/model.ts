/** A whole mesh in memory, from nothing but its objects: what predictions, policy tests and analysis look at. */
import { Deriver } from '../derive/deriver.ts';
import { type ConditionChange, DEFAULT_MESH_CONFIG, type KubeObject, type MeshConfig } from '../kube-object.ts';
import { meshConfigMapName, readMeshConfig } from '../mesh-config.ts';
import type { RouteStatus } from '../route/derive/status.ts';
import { View } from '../view/view.ts';

export type MeshModel = {
  readonly config: MeshConfig;
  readonly objects: readonly KubeObject[];
  readonly deriver: Deriver;
  /** What derivation says of single objects: what it could not read, and waypoints that can not be had. */
  readonly conditions: readonly ConditionChange[];
  /** What becomes of routes, for each of their parents. */
  readonly routes: readonly RouteStatus[];
  /** As a ztunnel would hold it that counts every workload as one of its node. */
  readonly view: View;
};

/**
 * Derives all that the objects mean. The configuration is that of the ConfigMap `istio` among them, unless it is given.
 * Throws MESH_CONFIG_INVALID when that ConfigMap cannot be read.
 */
export function buildModel(objects: readonly KubeObject[], config: MeshConfig = configIn(objects)): MeshModel {
  const deriver = new Deriver(config);
  const { conditions, routes } = deriver.applyAll(objects);
  const view = new View({ network: networkIn(deriver), localNode: '' });
  for (const authorization of deriver.authorizations.values()) view.upsertAuthorization(authorization);
  for (const address of deriver.addresses.values()) view.upsertAddress(address);
  return { config, objects, deriver, conditions, routes, view };
}

function configIn(objects: readonly KubeObject[]): MeshConfig {
  const { rootNamespace } = DEFAULT_MESH_CONFIG;
  const name = meshConfigMapName('default');
  const configMap = objects.find(
    ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === name && metadata.namespace === rootNamespace,
  );
  return readMeshConfig(configMap, DEFAULT_MESH_CONFIG, rootNamespace);
}

/** The network of this cluster's own pods. */
function networkIn(deriver: Deriver): string {
  for (const address of deriver.addresses.values()) if (address.kind === 'workload') return address.workload.network;
  return DEFAULT_MESH_CONFIG.network;
}
