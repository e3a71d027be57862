/** Gateway: where traffic enters; a waypoint is one (crds.md section 14). */
import * as z from 'zod';
import { AGE, column } from '../definition.ts';
import { cel } from '../openapi.ts';
import { gatewayApiDefinition } from './definition.ts';
import { listener, routeNamespaces } from './listener.ts';
import {
  ATOMIC,
  conditions,
  group,
  int32,
  kind,
  localRef,
  mapBy,
  namespaceName,
  objectName,
  pending,
  port,
  sectionName,
} from './shared.ts';

const MAX_LISTENERS = 64;
const MAX_ADDRESSES = 16;

/** Prefix and name of a label; their lengths are the API server's business once they stand on an object. */
const LABEL_KEYS = {
  rule: "self.all(key, key.matches('^(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))",
  message: 'keys must be a name of at most 63 characters, with an optional DNS subdomain and a slash in front',
};

const metadata = (max: number, value: z.ZodString, meaning: string) =>
  z
    .record(z.string(), value)
    .optional()
    .describe(meaning)
    .meta({ maxProperties: max, ...cel(LABEL_KEYS) });

const infrastructure = z
  .object({
    labels: metadata(
      8,
      z
        .string()
        .max(63)
        .regex(/^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/),
      'Labels of the objects that are made for the gateway.',
    ),
    annotations: metadata(16, z.string().max(4096), 'Annotations of the objects that are made for the gateway.'),
    parametersRef: z
      .object(localRef)
      .optional()
      .describe('More about these objects, for the controller of the class; in the namespace of the gateway.'),
  })
  .describe('The objects that are made for the gateway.');

const address = z
  .object({
    type: z.string().min(1).max(253).default('IPAddress').describe('IPAddress, Hostname, or a domain and a name.'),
    value: z.string().max(253).optional().describe('The address; absent: the controller chooses.'),
  })
  .meta(
    cel(
      {
        rule: "self.type == 'IPAddress' && has(self.value) && self.value != '' ? self.value.matches('^[0-9]{1,3}([.][0-9]{1,3}){3}$') || self.value.matches('^[0-9a-fA-F:]*:[0-9a-fA-F:.]*$') : true",
        message: 'Address value must be an IP address (not CIDR) when type is IPAddress',
      },
      {
        rule: "self.type == 'Hostname' && has(self.value) && self.value != '' ? self.value.matches('^([*][.])?[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$') : true",
        message: 'Hostname value must be empty or contain only valid characters',
      },
    ),
  );

const objectRef = z.object({ ...localRef, namespace: namespaceName().optional().describe('Its namespace.') });
const secretRef = z.object({
  group: group().default('').describe('The API group of the object.'),
  kind: kind().default('Secret').describe('The kind of the object.'),
  name: objectName().describe('The name of the object.'),
  namespace: namespaceName().optional().describe('Its namespace; absent: that of the gateway.'),
});

const frontendTls = z.object({
  validation: z
    .object({
      caCertificateRefs: z.array(objectRef).min(1).max(16).describe('Whom clients must be certified by.').meta(ATOMIC),
      mode: z
        .enum(['AllowValidOnly', 'AllowInsecureFallback'])
        .default('AllowValidOnly')
        .describe('What happens to clients without a good certificate.'),
    })
    .optional()
    .describe('How clients are asked for certificates.'),
});

const tls = z.object({
  backend: z
    .object({ clientCertificateRef: secretRef.optional().describe('The certificate shown to backends.') })
    .optional()
    .describe('Towards backends.'),
  frontend: z
    .object({
      default: frontendTls.describe('For all ports that are not named.'),
      perPort: z
        .array(z.object({ port: port().describe('The port.'), tls: frontendTls.describe('What holds there.') }))
        .max(MAX_LISTENERS)
        .optional()
        .describe('For single ports.')
        .meta(mapBy('port')),
    })
    .optional()
    .describe('Towards clients.'),
});

const hostOf = (l: string) => `(has(${l}.hostname) ? ${l}.hostname : '')`;

export const gatewaySpec = z
  .object({
    gatewayClassName: objectName().describe('The class: who runs the gateway. istio-waypoint makes it a waypoint.'),
    listeners: z
      .array(listener)
      .min(1)
      .max(MAX_LISTENERS)
      .describe('Where the gateway listens; a waypoint on 15008 with protocol HBONE.')
      .meta({
        ...mapBy('name'),
        ...cel(
          {
            rule: "self.all(l, l.protocol in ['HTTP', 'TCP', 'UDP'] ? !has(l.tls) : true)",
            message: 'tls must not be specified for protocols HTTP, TCP, UDP',
          },
          {
            rule: "self.all(l, l.protocol == 'HTTPS' && has(l.tls) ? !has(l.tls.mode) || l.tls.mode == 'Terminate' : true)",
            message: 'tls mode must be Terminate for protocol HTTPS',
          },
          {
            rule: "self.all(l, l.protocol == 'TLS' ? has(l.tls) && has(l.tls.mode) : true)",
            message: 'tls mode must be set for protocol TLS',
          },
          {
            rule: "self.all(l, l.protocol in ['TCP', 'UDP'] ? !has(l.hostname) || l.hostname == '' : true)",
            message: 'hostname must not be specified for protocols TCP and UDP',
          },
          {
            rule: 'self.all(l1, self.exists_one(l2, l1.name == l2.name))',
            message: 'Listener name must be unique within the Gateway',
          },
          {
            rule: `self.all(l1, self.exists_one(l2, l1.port == l2.port && l1.protocol == l2.protocol && ${hostOf('l1')} == ${hostOf('l2')}))`,
            message: 'Combination of port, protocol and hostname must be unique for each listener',
          },
        ),
      }),
    addresses: z
      .array(address)
      .max(MAX_ADDRESSES)
      .optional()
      .describe('Addresses that are asked for.')
      .meta({
        ...ATOMIC,
        ...cel({
          rule: "self.all(a1, has(a1.value) && a1.value != '' ? self.exists_one(a2, a2.type == a1.type && has(a2.value) && a2.value == a1.value) : true)",
          message: 'Address values must be unique within their type',
        }),
      }),
    infrastructure: infrastructure.optional(),
    allowedListeners: z
      .object({ namespaces: routeNamespaces(['All', 'Selector', 'Same', 'None'], 'None').optional() })
      .optional()
      .describe('Which namespaces may add listeners.'),
    tls: tls.optional().describe('TLS for all listeners.'),
  })
  .describe('What the gateway is, and where it listens.');

export type GatewaySpec = z.infer<typeof gatewaySpec>;

const routeKind = z.object({
  group: group().default('gateway.networking.k8s.io').describe('The API group of the routes.'),
  kind: kind().describe('The kind of the routes.'),
});

const status = z
  .object({
    addresses: z
      .array(
        z.object({
          type: z
            .string()
            .min(1)
            .max(253)
            .default('IPAddress')
            .describe('IPAddress, Hostname, or a domain and a name.'),
          value: z.string().min(1).max(253).describe('The address.'),
        }),
      )
      .max(MAX_ADDRESSES)
      .optional()
      .describe('Where the gateway is reached.')
      .meta(ATOMIC),
    conditions: conditions().default(pending('Accepted', 'Programmed')),
    listeners: z
      .array(
        z.object({
          name: sectionName().describe('The name of the listener.'),
          supportedKinds: z.array(routeKind).max(8).optional().describe('Kinds of routes that it takes.').meta(ATOMIC),
          attachedRoutes: int32(0, 2_147_483_647).describe('How many routes are attached to it.'),
          conditions: conditions(),
        }),
      )
      .max(MAX_LISTENERS)
      .optional()
      .describe('What became of each listener.')
      .meta(mapBy('name')),
    attachedListenerSets: int32(0, 2_147_483_647).optional().describe('How many sets of listeners are attached.'),
  })
  .default({ conditions: pending('Accepted', 'Programmed') })
  .describe('What became of the gateway.');

export const GATEWAY_CRD = gatewayApiDefinition({
  kind: 'Gateway',
  plural: 'gateways',
  description: 'Where traffic enters: at the border of the cluster, or at a waypoint of the mesh.',
  shortNames: ['gtw'],
  versions: ['v1', 'v1beta1'],
  columns: [
    column('Class', '.spec.gatewayClassName', 'Who runs it.'),
    column('Address', '.status.addresses[*].value', 'Where it is reached.'),
    column('Programmed', '.status.conditions[?(@.type=="Programmed")].status', 'Whether it is ready to be used.'),
    AGE,
  ],
  spec: gatewaySpec,
  status,
});
