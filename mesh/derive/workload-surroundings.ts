/** What a workload takes from the objects around the one that it is derived from. */
import type { MeshConfig } from '../kube-object.ts';
import type { ApplicationTunnel, GatewayAddress, Locality, ServicePort } from '../model.ts';

export type WorkloadSurroundings = {
  readonly config: MeshConfig;
  /** Network of the cluster. */
  readonly network: string;
  /** Of its node. */
  readonly locality: Locality | undefined;
  /** By `namespace/hostname`, sorted. */
  readonly services: ReadonlyMap<string, readonly ServicePort[]>;
  readonly authorizationPolicies: readonly string[];
  readonly waypoint: GatewayAddress | undefined;
  readonly applicationTunnel: ApplicationTunnel | undefined;
};
