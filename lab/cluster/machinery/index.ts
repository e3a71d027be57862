/** What every controller is made of. */
export { Cache, type Change } from './cache.ts';
export { claim, claimants, type Selecting, selects } from './claim.ts';
export { type EventRecorder, eventRecorder } from './events.ts';
export { OwnerQueue } from './owner-queue.ts';
export { controllerOf, controllerReference, isControlledBy, ownerKey, splitKey } from './owners.ts';
export { type Reconcile, WorkQueue } from './work-queue.ts';
