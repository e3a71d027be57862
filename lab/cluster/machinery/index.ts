/** What every controller is made of. */
export { Cache } from './cache.ts';
export { claim, claimants } from './claim.ts';
export { type EventRecorder, eventRecorder } from './events.ts';
export { OwnerQueue } from './owner-queue.ts';
export { controllerReference, isControlledBy, ownerKey, splitKey } from './owners.ts';
export { WorkQueue } from './work-queue.ts';
