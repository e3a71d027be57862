/** ServiceEntry: a service that Kubernetes does not know (crds.md section 7). */
import * as z from 'zod';
import { AGE, column, customResourceDefinition } from './definition.ts';
import { endpoint, port } from './endpoint.ts';
import { cel } from './openapi.ts';
import { textList } from './shared.ts';

const MAX_HOSTS = 256;
const MAX_ADDRESSES = 256;
const MAX_PORTS = 256;
const MAX_ENDPOINTS = 4096;
const MAX_LABELS = 256;

const servicePort = z.object({
  number: port().describe('The number under which clients call it.'),
  protocol: z.string().max(256).optional().describe('HTTP, HTTPS, GRPC, HTTP2, MONGO, TCP or TLS.'),
  name: z.string().max(256).describe('Unique within the entry.'),
  targetPort: port().optional().describe('The number at the endpoints; absent: the same.'),
});

const selector = z
  .object({
    labels: z
      .record(
        z.string(),
        z
          .string()
          .max(63)
          .meta(cel({ rule: "!self.contains('*')", message: 'wildcard is not supported in selector' })),
      )
      .optional()
      .describe('Labels that a pod or a WorkloadEntry must have.')
      .meta({
        maxProperties: MAX_LABELS,
        ...cel(
          { rule: "self.all(key, !key.contains('*'))", message: 'wildcard is not supported in selector' },
          { rule: 'self.all(key, key.size() != 0)', message: 'key must not be empty' },
        ),
      }),
  })
  .describe('The pods and WorkloadEntries of the namespace that serve it, in place of endpoints.');

export const serviceEntrySpec = z
  .object({
    hosts: z
      .array(z.string().meta(cel({ rule: "self != '*'", message: 'hostname cannot be wildcard' })))
      .min(1)
      .max(MAX_HOSTS)
      .describe('The names of the service; *. in front means every name below.'),
    addresses: z
      .array(z.string().max(64))
      .max(MAX_ADDRESSES)
      .optional()
      .describe('Addresses or CIDR blocks under which it is called; absent: the controller chooses some.'),
    ports: z
      .array(servicePort)
      .max(MAX_PORTS)
      .optional()
      .describe('The ports of the service.')
      .meta({
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['name'],
        ...cel({
          rule: 'self.all(l1, self.exists_one(l2, l1.number == l2.number))',
          message: 'port number cannot be duplicated',
        }),
      }),
    location: z
      .enum(['MESH_EXTERNAL', 'MESH_INTERNAL'])
      .optional()
      .describe('Whether it is outside of the mesh (the default) or part of it.'),
    resolution: z
      .enum(['NONE', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN', 'DYNAMIC_DNS'])
      .optional()
      .describe(
        'How endpoints are found. NONE (the default): the address that was called. STATIC: as written. DNS: by name.',
      ),
    endpoints: z.array(endpoint).max(MAX_ENDPOINTS).optional().describe('Where it is reached.'),
    workloadSelector: selector.optional(),
    exportTo: textList().optional().describe('Namespaces that see it; without effect on node proxies.'),
    subjectAltNames: textList().optional().describe('Identities that its endpoints may present.'),
  })
  .describe('What it is called, and where it is.')
  .meta(
    cel(
      {
        rule: '(has(self.workloadSelector) ? 1 : 0) + (has(self.endpoints) ? 1 : 0) <= 1',
        message: 'only one of WorkloadSelector or Endpoints can be set',
      },
      {
        rule: "!(has(self.addresses) && self.addresses.exists(k, k.contains('/'))) || !has(self.resolution) || self.resolution in ['STATIC', 'NONE']",
        message: 'CIDR addresses are allowed only for NONE/STATIC resolution types',
      },
      {
        rule: "(has(self.resolution) ? self.resolution : 'NONE') == 'NONE' ? !has(self.endpoints) : true",
        message: 'NONE mode cannot set endpoints',
      },
      {
        rule: "(has(self.resolution) && self.resolution == 'DNS_ROUND_ROBIN') ? (has(self.endpoints) ? self.endpoints.size() <= 1 : true) : true",
        message: 'DNS_ROUND_ROBIN mode cannot have multiple endpoints',
      },
    ),
  );

export type ServiceEntrySpec = z.infer<typeof serviceEntrySpec>;

export const SERVICE_ENTRY_CRD = customResourceDefinition({
  group: 'networking.istio.io',
  kind: 'ServiceEntry',
  description: 'A service outside of Kubernetes, or other names and addresses for pods.',
  plural: 'serviceentries',
  shortNames: ['se'],
  versions: ['v1', 'v1beta1', 'v1alpha3'],
  columns: [
    column('Hosts', '.spec.hosts', 'The names of the service.'),
    column('Location', '.spec.location', 'Outside of the mesh, or part of it.'),
    column('Resolution', '.spec.resolution', 'How endpoints are found.'),
    AGE,
  ],
  spec: serviceEntrySpec,
  specRequired: true,
});
