/** TCPRoute and TLSRoute: where connections go that nobody looks into (crds.md section 17). */
import * as z from 'zod';
import { AGE } from '../definition.ts';
import { cel } from '../openapi.ts';
import { gatewayApiDefinition } from './definition.ts';
import { ATOMIC, backendRef, hostname, parentRefs, routeStatus, sectionName } from './shared.ts';

const MAX_BACKENDS = 16;
const MAX_HOSTNAMES = 1024;

/** One rule, no more: a second one is an error of the API. */
const rules = z
  .array(
    z.object({
      name: sectionName().optional().describe('The name of the rule.'),
      backendRefs: z
        .array(backendRef)
        .min(1)
        .max(MAX_BACKENDS)
        .describe('Where connections are sent, by weight.')
        .meta(ATOMIC),
    }),
  )
  .min(1)
  .max(1)
  .describe('The one rule.')
  .meta(ATOMIC);

export const tcpRouteSpec = z
  .object({ parentRefs: parentRefs(), rules })
  .describe('What the route is attached to, and where connections go.');

export const tlsRouteSpec = z
  .object({
    parentRefs: parentRefs(),
    hostnames: z
      .array(hostname())
      .min(1)
      .max(MAX_HOSTNAMES)
      .describe('Server names that clients ask for in TLS.')
      .meta({
        ...ATOMIC,
        ...cel({
          rule: "self.all(h, !h.matches('^[0-9]{1,3}([.][0-9]{1,3}){3}$'))",
          message: 'Hostnames cannot contain an IP',
        }),
      }),
    rules,
  })
  .describe('What the route is attached to, which server names it is for, and where connections go.');

export type TcpRouteSpec = z.infer<typeof tcpRouteSpec>;
export type TlsRouteSpec = z.infer<typeof tlsRouteSpec>;

export const TCP_ROUTE_CRD = gatewayApiDefinition({
  kind: 'TCPRoute',
  plural: 'tcproutes',
  description: 'Where TCP connections to a service or a gateway go.',
  versions: ['v1'],
  columns: [AGE],
  spec: tcpRouteSpec,
  status: routeStatus,
});

export const TLS_ROUTE_CRD = gatewayApiDefinition({
  kind: 'TLSRoute',
  plural: 'tlsroutes',
  description: 'Where TLS connections go, by the server name that the client asks for.',
  versions: ['v1'],
  columns: [AGE],
  spec: tlsRouteSpec,
  status: routeStatus,
});
