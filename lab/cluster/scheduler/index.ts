/** Which pod runs where. */
export { isReady, NOT_READY, selectsNode, tolerates, UNSCHEDULABLE } from './fit.ts';
export { Scheduler } from './scheduler.ts';
