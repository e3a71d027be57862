/** Type URL of workloads and services. */
export const ADDRESS_TYPE = 'type.googleapis.com/istio.workload.Address';
/** Type URL of workloads alone. */
export const WORKLOAD_TYPE = 'type.googleapis.com/istio.workload.Workload';
/** Type URL of what waypoints are told; served to waypoints alone. */
export const WAYPOINT_TYPE = 'type.googleapis.com/ambit.waypoint.v1.Waypoint';
/** Type URL of L4 policies. */
export const AUTHORIZATION_TYPE = 'type.googleapis.com/istio.security.Authorization';
