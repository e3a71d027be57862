/** Which pod runs where. */
export { isReady, NOT_READY, placePod, selectsNode, tolerates, UNSCHEDULABLE, whyNot } from './fit.ts';
export { Scheduler, type SchedulerDeps } from './scheduler.ts';
