/** What Services lead to. */
export { EndpointSliceController } from './endpoint-slices.ts';
