/** One listener of a Gateway (crds.md section 14). */
import * as z from 'zod';
import { cel } from '../openapi.ts';
import {
  ATOMIC,
  GATEWAY_GROUP,
  group,
  hostname,
  kind,
  namespaceName,
  objectName,
  port,
  sectionName,
} from './shared.ts';

const labelSelector = z
  .object({
    matchLabels: z.record(z.string(), z.string()).optional().describe('Labels that it must have.'),
    matchExpressions: z
      .array(
        z.object({
          key: z.string().describe('The label.'),
          operator: z.string().describe('In, NotIn, Exists or DoesNotExist.'),
          values: z.array(z.string()).optional().describe('The values, for In and NotIn.').meta(ATOMIC),
        }),
      )
      .optional()
      .describe('Conditions that its labels must meet.')
      .meta(ATOMIC),
  })
  .describe('The namespaces, by their labels.')
  .meta({ 'x-kubernetes-map-type': 'atomic' });

export const routeNamespaces = (from: readonly [string, ...string[]], otherwise: string) =>
  z
    .object({
      from: z.enum(from).default(otherwise).describe('Which namespaces.'),
      selector: labelSelector.optional(),
    })
    .default({ from: otherwise })
    .describe('Which namespaces may.');

const listenerTls = z
  .object({
    mode: z.enum(['Terminate', 'Passthrough']).default('Terminate').describe('Whether TLS ends here.'),
    certificateRefs: z
      .array(
        z.object({
          group: group().default('').describe('The API group of the object.'),
          kind: kind().default('Secret').describe('The kind of the object.'),
          name: objectName().describe('The name of the object.'),
          namespace: namespaceName().optional().describe('Its namespace; absent: that of the gateway.'),
        }),
      )
      .max(64)
      .optional()
      .describe('The certificates.')
      .meta(ATOMIC),
    options: z
      .record(z.string(), z.string().max(4096))
      .optional()
      .describe('More, for the controller of the class.')
      .meta({ maxProperties: 16 }),
  })
  .describe('TLS at this listener.')
  .meta(
    cel({
      rule: "self.mode == 'Terminate' ? (has(self.certificateRefs) && size(self.certificateRefs) > 0) || (has(self.options) && size(self.options) > 0) : true",
      message: 'certificateRefs or options must be specified when mode is Terminate',
    }),
  );

export const listener = z.object({
  name: sectionName().describe('Unique within the gateway.'),
  hostname: hostname().optional().describe('The name that clients must ask for; absent: any.'),
  port: port().describe('The port; 15008 for a waypoint.'),
  protocol: z
    .string()
    .min(1)
    .max(255)
    .regex(
      /^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9]+$/,
    )
    .describe('HTTP, HTTPS, TLS, TCP, UDP, HBONE for a waypoint, or a domain and a name.'),
  tls: listenerTls.optional(),
  allowedRoutes: z
    .object({
      namespaces: routeNamespaces(['All', 'Selector', 'Same'], 'Same').optional(),
      kinds: z
        .array(
          z.object({
            group: group().default(GATEWAY_GROUP).describe('The API group of the routes.'),
            kind: kind().describe('The kind of the routes.'),
          }),
        )
        .max(8)
        .optional()
        .describe('Kinds of routes; absent: those of the protocol.')
        .meta(ATOMIC),
    })
    .default({ namespaces: { from: 'Same' } })
    .describe('Whose routes attach here; at a waypoint, whose objects may use it.'),
});
