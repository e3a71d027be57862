/** GRPCRoute: where calls go (crds.md section 16). */
import * as z from 'zod';
import { AGE, column } from '../definition.ts';
import { cel } from '../openapi.ts';
import { gatewayApiDefinition } from './definition.ts';
import { grpcFilters } from './http-filters.ts';
import { AT_MOST_128_MATCHES, headerMatches } from './http-route.ts';
import { sessionPersistence } from './session.ts';
import { ATOMIC, hostname, parentRefs, routeStatus, SERVICE_HAS_PORT, sectionName, weightedBackend } from './shared.ts';

const MAX_RULES = 16;
const MAX_MATCHES = 64;
const MAX_BACKENDS = 16;
const MAX_HOSTNAMES = 16;
const MAX_NAME = 1024;

const exactly = (field: string, form: string) =>
  `(!has(self.type) || self.type == 'Exact') && has(self.${field}) ? self.${field}.matches(r"""${form}""") : true`;

const method = z
  .object({
    type: z.enum(['Exact', 'RegularExpression']).default('Exact').describe('How names are compared.'),
    service: z.string().max(MAX_NAME).optional().describe('The service, with its package; absent: any.'),
    method: z.string().max(MAX_NAME).optional().describe('The method; absent: any.'),
  })
  .describe('The method that is called.')
  .meta(
    cel(
      {
        rule: "(has(self.service) && self.service != '') || (has(self.method) && self.method != '')",
        message: "One or both of 'service' or 'method' must be specified",
      },
      {
        rule: exactly('service', '^[A-Za-z_][A-Za-z_0-9]*([.][A-Za-z_][A-Za-z_0-9]*)*$'),
        message: 'service must only contain letters, digits and underscores, in parts with dots between',
      },
      {
        rule: exactly('method', '^[A-Za-z_][A-Za-z_0-9]*$'),
        message: 'method must only contain letters, digits and underscores',
      },
    ),
  );

const match = z.object({ method: method.optional(), headers: headerMatches() });

const backend = z
  .object({ ...weightedBackend, filters: grpcFilters('What happens to calls for this backend alone.') })
  .meta(cel(SERVICE_HAS_PORT));

const rule = z.object({
  name: sectionName().optional().describe('The name of the rule.'),
  matches: z
    .array(match)
    .max(MAX_MATCHES)
    .optional()
    .describe('Which calls: those that meet all of one entry; absent: all.')
    .meta(ATOMIC),
  filters: grpcFilters('What happens to calls.'),
  backendRefs: z
    .array(backend)
    .max(MAX_BACKENDS)
    .optional()
    .describe('Where calls are sent, by weight; none: UNAVAILABLE.')
    .meta(ATOMIC),
  sessionPersistence: sessionPersistence().optional(),
});

export const grpcRouteSpec = z
  .object({
    parentRefs: parentRefs(),
    hostnames: z
      .array(hostname())
      .max(MAX_HOSTNAMES)
      .optional()
      .describe('Hosts that calls ask for; without effect where the parent is a Service.')
      .meta(ATOMIC),
    rules: z
      .array(rule)
      .max(MAX_RULES)
      .optional()
      .describe('The rules; of those that match, the most precise holds.')
      .meta({ ...ATOMIC, ...cel(AT_MOST_128_MATCHES) }),
  })
  .describe('What the route is attached to, which calls it is for, and what happens to them.');

export type GrpcRouteSpec = z.infer<typeof grpcRouteSpec>;

export const GRPC_ROUTE_CRD = gatewayApiDefinition({
  kind: 'GRPCRoute',
  plural: 'grpcroutes',
  description: 'Where gRPC calls to a service or a gateway go, and what happens to them.',
  versions: ['v1'],
  columns: [column('Hostnames', '.spec.hostnames', 'Hosts that calls ask for.'), AGE],
  spec: grpcRouteSpec,
  status: routeStatus,
});
