/** What the controller's caches know of the mesh, for validation. Kinds that it does not watch stay unknown. */
import type { Informer } from '../../core/kube/index.ts';
import type { KubeObject, MeshConfig, SurroundingKind, Surroundings } from '../../mesh/index.ts';
import type { Informers } from '../informers.ts';

export function cachedSurroundings(informers: Informers, config: MeshConfig): Surroundings {
  const caches: Partial<Record<SurroundingKind, Informer<KubeObject>>> = {
    Pod: informers.pods,
    Service: informers.services,
    Namespace: informers.namespaces,
    AuthorizationPolicy: informers.authorizationPolicies,
    PeerAuthentication: informers.peerAuthentications,
    ServiceEntry: informers.serviceEntries,
    WorkloadEntry: informers.workloadEntries,
    Gateway: informers.gateways,
    ReferenceGrant: informers.referenceGrants,
  };
  return {
    config,
    objects: (kind, namespace) => {
      const cache = caches[kind];
      if (cache?.isSynced !== true) return undefined;
      return namespace === undefined ? cache.list() : inNamespace(cache.list(), namespace);
    },
  };
}

function* inNamespace(objects: Iterable<KubeObject>, namespace: string): Generator<KubeObject> {
  for (const object of objects) if (object.metadata.namespace === namespace) yield object;
}
