/** Discovery and certificates on the wire: the protobuf types, client and server of both. */
export { decodeAddress, encodeAddress, encodeWorkload } from './address-codec.ts';
export { decodeAuthorization, encodeAuthorization, standInForAuthorization } from './authorization-codec.ts';
export { CaClient } from './ca-client.ts';
export {
  type CertificateHandler,
  type CertificateRequest,
  certificateServiceDefinition,
  createCertificateService,
} from './certificate-service.ts';
export {
  CHECK_PATH,
  type CheckAnswer,
  type CheckHeader,
  type CheckQuestion,
  decodeCheck,
  encodeCheck,
} from './check-codec.ts';
export {
  type ControlPlaneConfig,
  controlPlane,
  type RootSource,
  rootSource,
  type TokenSource,
  tokenSource,
  withScheme,
} from './control-plane.ts';
export { DeltaClient, type DeltaEvent, type DeltaHandlers, type NodeInfo } from './delta-client.ts';
export { createDiscoveryService, type DiscoveryService } from './discovery-service.ts';
export type { Access, ClientNode } from './discovery-session.ts';
export { type MeshStores, publishDelta, setAddress, setAuthorization } from './publish.ts';
export { ResourceStore } from './resource-store.ts';
export { resourceVersion } from './resource-version.ts';
export { type ControlPlane, RpcError, rpcStatus } from './rpc.ts';
export type { ReceivedResource, Rejection, TypeSubscription, Update } from './subscription.ts';
export { ADDRESS_TYPE, AUTHORIZATION_TYPE, WAYPOINT_TYPE, WORKLOAD_TYPE } from './type-urls.ts';
export { decodeWaypoint, encodeWaypoint } from './waypoint-codec.ts';
