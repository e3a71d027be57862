/** What Services lead to. */
export { EndpointSliceController } from './endpoint-slices.ts';
export { planSlices } from './slice-plan.ts';
