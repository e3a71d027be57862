/** Pieces that the kinds of the security group share (crds.md section 1.3). */
import * as z from 'zod';
import { type CelRule, cel } from './openapi.ts';

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

export const targetRef = z
  .object({
    group: z
      .string()
      .max(253)
      .regex(/^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/)
      .optional()
      .describe('The API group of the target; empty: the core group.'),
    kind: z
      .string()
      .min(1)
      .max(63)
      .regex(/^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$/)
      .describe('The kind of the target: Service, ServiceEntry, Gateway or GatewayClass.'),
    name: z.string().min(1).max(253).describe('The name of the target.'),
    namespace: z
      .string()
      .optional()
      .describe('Stays empty: a target is in the namespace of the policy.')
      .meta(cel({ rule: 'self.size() == 0', message: 'cross namespace referencing is not currently supported' })),
  })
  .describe('The one service or gateway that this policy is about, in place of a selector; a waypoint enforces it.');

/** A policy names what it is about in one way only. */
export const ONE_ATTACHMENT: CelRule = {
  rule: '(has(self.selector) ? 1 : 0) + (has(self.targetRef) ? 1 : 0) + (has(self.targetRefs) ? 1 : 0) <= 1',
  message: 'only one of targetRefs or selector can be set',
};

const intOrString = z.union([z.int(), z.string()]).meta({ 'x-kubernetes-int-or-string': true });
const time = () => text().optional().meta({ format: 'date-time' });
const generation = intOrString.optional().describe('The generation of the object that this was found for.');

const condition = z.object({
  type: text().optional().describe('What the condition is about.'),
  status: text().optional().describe('True, False or Unknown.'),
  reason: text().optional().describe('Why, in one word for programs.'),
  message: text().optional().describe('Why, for people.'),
  lastProbeTime: time().describe('When it was last looked at.'),
  lastTransitionTime: time().describe('When the status last changed.'),
  observedGeneration: generation,
});

const validationMessage = z.object({
  level: z.enum(['UNKNOWN', 'ERROR', 'WARNING', 'INFO']).optional().describe('How serious it is.'),
  documentationUrl: text().optional().describe('Where more is written about it.'),
  type: z
    .object({
      code: text().optional().describe('The code of the problem, such as IST0101.'),
      name: text().optional().describe('The name of the problem.'),
    })
    .optional()
    .describe('Which problem it is.'),
});

/** The same for every kind; what others add to it is kept. */
export const status = z
  .object({
    conditions: z.array(condition).optional().describe('How the mesh took the object.'),
    observedGeneration: generation,
    validationMessages: z.array(validationMessage).optional().describe('Problems found in the object.'),
  })
  .describe('What the mesh made of the object; written by the controller.')
  .meta({ 'x-kubernetes-preserve-unknown-fields': true });
