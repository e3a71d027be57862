/** The controllers that make the lab's API a cluster: started by the supervisor; nodes take the rules for services. */
export { type Cluster, startCluster } from './cluster.ts';
export { serviceRules } from './service-rules.ts';
export type { EndpointSlice, Service } from './types.ts';
