/** GatewayClass: who runs the gateways of a class (crds.md section 13). */
import * as z from 'zod';
import { AGE, column } from '../definition.ts';
import { cel } from '../openapi.ts';
import { gatewayApiDefinition } from './definition.ts';
import { conditions, controllerName, localRef, mapBy, namespaceName, pending } from './shared.ts';

export const gatewayClassSpec = z
  .object({
    controllerName: controllerName()
      .describe('The controller that runs the gateways of this class.')
      .meta(cel({ rule: 'self == oldSelf', message: 'Value is immutable' })),
    description: z.string().max(64).optional().describe('What the class is, for people.'),
    parametersRef: z
      .object({ ...localRef, namespace: namespaceName().optional().describe('Its namespace, if it has one.') })
      .optional()
      .describe('More about the class, for its controller.'),
  })
  .describe('Who runs the gateways of the class.');

const status = z
  .object({
    conditions: conditions().optional(),
    supportedFeatures: z
      .array(z.object({ name: z.string().describe('The name of the feature.') }))
      .max(64)
      .optional()
      .describe('What the gateways of the class can do.')
      .meta(mapBy('name')),
  })
  .default({ conditions: pending('Accepted') })
  .describe('Whether a controller has taken the class.');

export const GATEWAY_CLASS_CRD = gatewayApiDefinition({
  kind: 'GatewayClass',
  plural: 'gatewayclasses',
  description: 'A class of gateways, and the controller that runs them.',
  shortNames: ['gc'],
  scope: 'Cluster',
  versions: ['v1', 'v1beta1'],
  columns: [
    column('Controller', '.spec.controllerName', 'Who runs the gateways of the class.'),
    column('Accepted', '.status.conditions[?(@.type=="Accepted")].status', 'Whether that controller is here.'),
    AGE,
    { ...column('Description', '.spec.description', 'What the class is.'), priority: 1 },
  ],
  spec: gatewayClassSpec,
  status,
});
