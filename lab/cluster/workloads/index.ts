/** The controllers that turn workloads into pods. */
export { DaemonSetController } from './daemon-set.ts';
export { DeploymentController } from './deployment.ts';
export { JobController } from './job.ts';
export { isPodReady, timestamp, withCondition } from './pods.ts';
export { ReplicaSetController } from './replica-set.ts';
export { UNSUPPORTED, warnOfUnsupported } from './unsupported.ts';
