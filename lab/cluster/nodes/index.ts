/** Which nodes are alive. */
export { GRACE_MS, judgeNode } from './node-health.ts';
export { NodeMonitor } from './node-monitor.ts';
