/** The definitions of our kinds. Apart from the client: no running component needs them, and schemas take memory. */
export {
  AUTHORIZATION_POLICY_CRD,
  type AuthorizationPolicySpec,
  authorizationPolicySpec,
} from './authorization-policy.ts';
export { DESTINATION_RULE_CRD, destinationRuleSpec } from './destination-rule.ts';
export {
  BACKEND_TLS_POLICY_CRD,
  type BackendTlsPolicySpec,
  backendTlsPolicySpec,
  GATEWAY_CLASS_CRD,
  GATEWAY_CRD,
  type GatewaySpec,
  GRPC_ROUTE_CRD,
  type GrpcRouteSpec,
  gatewayClassSpec,
  gatewaySpec,
  grpcRouteSpec,
  HTTP_ROUTE_CRD,
  type HttpRouteSpec,
  httpRouteSpec,
  REFERENCE_GRANT_CRD,
  type ReferenceGrantSpec,
  referenceGrantSpec,
  TCP_ROUTE_CRD,
  type TcpRouteSpec,
  TLS_ROUTE_CRD,
  type TlsRouteSpec,
  tcpRouteSpec,
  tlsRouteSpec,
} from './gateway-api/index.ts';
export {
  PEER_AUTHENTICATION_CRD,
  type PeerAuthenticationSpec,
  peerAuthenticationSpec,
} from './peer-authentication.ts';
export {
  REQUEST_AUTHENTICATION_CRD,
  type RequestAuthenticationSpec,
  requestAuthenticationSpec,
} from './request-authentication.ts';
export { SERVICE_ENTRY_CRD, type ServiceEntrySpec, serviceEntrySpec } from './service-entry.ts';
export { TELEMETRY_CRD, type TelemetrySpec, telemetrySpec } from './telemetry.ts';
export { WORKLOAD_ENTRY_CRD, type WorkloadEntrySpec, workloadEntrySpec } from './workload-entry.ts';
