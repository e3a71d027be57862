/** The Kubernetes API: a client, informers, streams into pods. */
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
export { bundleVersion, isPublishedBundle } from './gateway-bundle.ts';
export { type DeleteHandler, Informer, type InformerOptions, type SetHandler } from './informer.ts';
export { isConflict, isGone, isNotFound, KubeError, type StatusDetails } from './kube-error.ts';
export { groupPath, knownType, objectKey, RESOURCES, type ResourceType, resourcePath } from './resource-type.ts';
export type { ExecOptions, ExecResult, ExecSession } from './streams/exec.ts';
export { type HttpRequest, Transport } from './transport.ts';
export type { WatchEvent } from './watch.ts';
