/** Where something outside of Kubernetes is reached: a WorkloadEntry, or an endpoint of a ServiceEntry (crds.md section 8). */
import * as z from 'zod';
import { cel } from './openapi.ts';
import { text } from './shared.ts';

const MAX_PORTS = 128;
const MAX_LABELS = 256;
const MAX_PORT = 65_535;

export const port = () => z.int().min(1).max(MAX_PORT);

export const endpointFields = z.object({
  address: z
    .string()
    .max(256)
    .optional()
    .describe('An IP address or the name of a host; may be left out when the network is known.')
    .meta(
      cel(
        {
          rule: "self.startsWith('unix://') ? (self.substring(7, 8) == '/' || self.substring(7, 8) == '@') : true",
          message: 'UDS must be an absolute path or abstract socket',
        },
        {
          rule: "self.startsWith('unix://') ? !self.endsWith('/') : true",
          message: 'UDS may not be a dir',
        },
      ),
    ),
  ports: z
    .record(z.string(), port())
    .optional()
    .describe('The number of the port here, by the name of the port of the service.')
    .meta({
      maxProperties: MAX_PORTS,
      ...cel({
        rule: "self.all(key, size(key) < 63 && key.matches('^[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$'))",
        message: 'port name must be valid',
      }),
    }),
  labels: z
    .record(z.string(), text())
    .optional()
    .describe('By which services and policies select it.')
    .meta({ maxProperties: MAX_LABELS }),
  network: z.string().max(2048).optional().describe('The network that it is in; absent: that of the cluster.'),
  locality: z.string().max(2048).optional().describe('Where it is, as region/zone/subzone.'),
  weight: z
    .int()
    .min(0)
    .max(4_294_967_295)
    .optional()
    .describe('Its share among the endpoints of a service; absent: 1.'),
  serviceAccount: z.string().max(253).optional().describe('The account whose identity it must prove.'),
});

const ADDRESS_OR_NETWORK = {
  rule: 'has(self.address) || has(self.network)',
  message: 'Address is required',
};
const NO_PORTS_OF_SOCKETS = {
  rule: "(has(self.address) && self.address.startsWith('unix://')) ? !has(self.ports) : true",
  message: 'UDS may not include ports',
};

export const endpoint = endpointFields.meta(cel(ADDRESS_OR_NETWORK, NO_PORTS_OF_SOCKETS));
