/** Streams into pods: logs, exec and port-forward, as the kubelet serves them to the API server. */
export type { ContainerAccess, ExecRequest, KubeletAccess, PodAccess } from './access.ts';
export { LogCutter, type LogStream } from './cri-log.ts';
export { type StreamServerOptions, startStreamServer } from './server.ts';
