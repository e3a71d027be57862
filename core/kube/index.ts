/** The Kubernetes API: a client, informers, streams into pods, and the schemas of our custom resources. */
export {
  type DeleteOptions,
  KubeClient,
  type KubeList,
  kubeClient,
  type ListOptions,
  type LogOptions,
  type PatchType,
  type Selection,
  type WriteOptions,
} from './client.ts';
export { type Connection, type ConnectionOptions, type ConnectionSource, connectionSource } from './connection.ts';
export {
  AUTHORIZATION_POLICY_CRD,
  type AuthorizationPolicySpec,
  authorizationPolicySpec,
} from './crds/authorization-policy.ts';
export {
  PEER_AUTHENTICATION_CRD,
  type PeerAuthenticationSpec,
  peerAuthenticationSpec,
} from './crds/peer-authentication.ts';
export { SERVICE_ENTRY_CRD, type ServiceEntrySpec, serviceEntrySpec } from './crds/service-entry.ts';
export { WORKLOAD_ENTRY_CRD, type WorkloadEntrySpec, workloadEntrySpec } from './crds/workload-entry.ts';
export { type DeleteHandler, Informer, type InformerOptions, type SetHandler } from './informer.ts';
export { isConflict, isGone, isNotFound, KubeError, type StatusDetails } from './kube-error.ts';
export { groupPath, knownType, objectKey, RESOURCES, type ResourceType, resourcePath } from './resource-type.ts';
export type { ExecOptions, ExecResult, ExecSession } from './streams/exec.ts';
export { type HttpRequest, Transport } from './transport.ts';
export type { WatchEvent } from './watch.ts';
