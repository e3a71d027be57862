/** Pieces that the kinds of the security group share (crds.md section 1.3). */
import { z } from 'zod';
import { cel } from './openapi.ts';

const MAX_LABELS = 4096;

export const text = () => z.string();
export const textList = () => z.array(z.string());

/** Which pods a policy is about. */
export const workloadSelector = z
  .object({
    matchLabels: z
      .record(
        z.string(),
        z
          .string()
          .max(63)
          .meta(cel({ rule: "!self.contains('*')", message: 'wildcard not allowed in label value match' })),
      )
      .optional()
      .describe('One or more labels that a pod must have.')
      .meta({
        maxProperties: MAX_LABELS,
        ...cel(
          { rule: "self.all(key, !key.contains('*'))", message: 'wildcard not allowed in label key match' },
          { rule: 'self.all(key, key.size() != 0)', message: 'key must not be empty' },
        ),
      }),
  })
  .describe('The pods that this policy is about; absent: the whole namespace, or in the root namespace the mesh.');

export const targetRef = z.object({
  group: z
    .string()
    .max(253)
    .regex(/^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/)
    .optional(),
  kind: z
    .string()
    .min(1)
    .max(63)
    .regex(/^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$/),
  name: z.string().min(1).max(253),
  namespace: z
    .string()
    .optional()
    .meta(cel({ rule: 'self.size() == 0', message: 'cross namespace referencing is not currently supported' })),
});

export const intOrString = z.union([z.int(), z.string()]).meta({ 'x-kubernetes-int-or-string': true });

/** The same for every kind; what others add to it is kept. */
export const status = z
  .object({
    conditions: z
      .array(
        z.object({
          type: text().optional(),
          status: text().optional(),
          reason: text().optional(),
          message: text().optional(),
          lastProbeTime: text().optional().meta({ format: 'date-time' }),
          lastTransitionTime: text().optional().meta({ format: 'date-time' }),
          observedGeneration: intOrString.optional(),
        }),
      )
      .optional(),
    observedGeneration: intOrString.optional(),
    validationMessages: z
      .array(
        z.object({
          level: z.enum(['UNKNOWN', 'ERROR', 'WARNING', 'INFO']).optional(),
          documentationUrl: text().optional(),
          type: z.object({ code: text().optional(), name: text().optional() }).optional(),
        }),
      )
      .optional(),
  })
  .meta({ 'x-kubernetes-preserve-unknown-fields': true });
