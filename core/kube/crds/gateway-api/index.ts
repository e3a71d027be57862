/**
 * The kinds of Gateway API that the mesh reads: those of the standard channel, with the fields `retry` of HTTPRoutes and
 * `sessionPersistence` of HTTPRoutes and GRPCRoutes.
 */
export { BACKEND_TLS_POLICY_CRD, type BackendTlsPolicySpec, backendTlsPolicySpec } from './backend-tls-policy.ts';
export { GATEWAY_CRD, type GatewaySpec, gatewaySpec } from './gateway.ts';
export { GATEWAY_CLASS_CRD, gatewayClassSpec } from './gateway-class.ts';
export { GRPC_ROUTE_CRD, type GrpcRouteSpec, grpcRouteSpec } from './grpc-route.ts';
export { HTTP_ROUTE_CRD, type HttpRouteSpec, httpRouteSpec } from './http-route.ts';
export { REFERENCE_GRANT_CRD, type ReferenceGrantSpec, referenceGrantSpec } from './reference-grant.ts';
export {
  TCP_ROUTE_CRD,
  type TcpRouteSpec,
  TLS_ROUTE_CRD,
  type TlsRouteSpec,
  tcpRouteSpec,
  tlsRouteSpec,
} from './stream-routes.ts';
