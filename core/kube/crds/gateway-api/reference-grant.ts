/** ReferenceGrant: permits references from other namespaces (crds.md section 18). */
import * as z from 'zod';
import { AGE } from '../definition.ts';
import { gatewayApiDefinition } from './definition.ts';
import { ATOMIC, group, kind, namespaceName, objectName } from './shared.ts';

const MAX_ENTRIES = 16;

export const referenceGrantSpec = z
  .object({
    from: z
      .array(
        z.object({
          group: group().describe('The API group of who refers.'),
          kind: kind().describe('The kind of who refers.'),
          namespace: namespaceName().describe('The namespace of who refers.'),
        }),
      )
      .min(1)
      .max(MAX_ENTRIES)
      .describe('Who may refer.')
      .meta(ATOMIC),
    to: z
      .array(
        z.object({
          group: group().describe('The API group of what is referred to; empty: the core group.'),
          kind: kind().describe('The kind of what is referred to.'),
          name: objectName().optional().describe('Its name; absent: all of the kind in this namespace.'),
        }),
      )
      .min(1)
      .max(MAX_ENTRIES)
      .describe('What may be referred to, in this namespace.')
      .meta(ATOMIC),
  })
  .describe('Who may refer to what is in this namespace.');

export type ReferenceGrantSpec = z.infer<typeof referenceGrantSpec>;

export const REFERENCE_GRANT_CRD = gatewayApiDefinition({
  kind: 'ReferenceGrant',
  plural: 'referencegrants',
  description: 'Permits objects of other namespaces to refer to objects of its own.',
  shortNames: ['refgrant'],
  versions: ['v1', 'v1beta1'],
  stored: 'v1beta1',
  columns: [AGE],
  spec: referenceGrantSpec,
});
