/** Which nodes are alive. */
export { NodeMonitor } from './node-monitor.ts';
