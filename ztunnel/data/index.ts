/** The wall of the data path: the rest of the ztunnel imports from here. */
export { NodePods } from './node-pods.ts';
export type {
  ConnectionContext,
  ConnectionInfo,
  ConnectionObserver,
  ConnectionResult,
  EarlyDeny,
  LiveCounters,
  OpenConnection,
  Party,
  PolicyEvent,
  Reporter,
  ResponseFlags,
} from './observer.ts';
export { startPodProxy } from './pod-proxy.ts';
export {
  type DataConfig,
  defaultDataConfig,
  type PodInfo,
  type PodProxy,
  type PodProxyDeps,
} from './pod-proxy-types.ts';
