/** WorkloadEntry: a machine outside of Kubernetes (crds.md section 8). */
import type * as z from 'zod';
import { AGE, customResourceDefinition } from './definition.ts';
import { endpoint } from './endpoint.ts';

export const workloadEntrySpec = endpoint.describe('Where the machine is reached, and who it is.');

export type WorkloadEntrySpec = z.infer<typeof workloadEntrySpec>;

export const WORKLOAD_ENTRY_CRD = customResourceDefinition({
  group: 'networking.istio.io',
  kind: 'WorkloadEntry',
  description: 'A machine outside of Kubernetes that services and policies can select.',
  plural: 'workloadentries',
  shortNames: ['we'],
  versions: ['v1', 'v1beta1', 'v1alpha3'],
  columns: [AGE, { name: 'Address', type: 'string', jsonPath: '.spec.address', description: 'Where it is reached.' }],
  spec: workloadEntrySpec,
  specRequired: true,
});
