/** The discovery service's definition and the shape of its messages, for client and server. */
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
} from './gen/envoy/service/discovery/v3/discovery_pb.ts';
import { method } from './rpc.ts';

/** For `grpc.Server.addService`. */
export const discoveryServiceDefinition = {
  DeltaAggregatedResources: method(
    '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
    true,
    DeltaDiscoveryRequestSchema,
    DeltaDiscoveryResponseSchema,
  ),
} as const;
