/** PeerAuthentication: whether callers must use mutual TLS (crds.md section 3). */
import { z } from 'zod';
import { customResourceDefinition } from './definition.ts';
import { cel } from './openapi.ts';
import { workloadSelector } from './shared.ts';

const mutualTls = z.object({ mode: z.enum(['UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT']).optional() });

export const peerAuthenticationSpec = z
  .object({
    selector: workloadSelector.optional(),
    mtls: mutualTls.optional().describe('For all ports.'),
    portLevelMtls: z
      .record(z.string(), mutualTls)
      .optional()
      .describe('Exceptions, by the port of the pod.')
      .meta({
        minProperties: 1,
        ...cel({
          rule: 'self.all(key, 0 < int(key) && int(key) <= 65535)',
          message: 'port must be between 1-65535',
        }),
      }),
  })
  .meta(
    cel({
      rule: 'has(self.portLevelMtls) ? has(self.selector) && has(self.selector.matchLabels) && self.selector.matchLabels.size() > 0 : true',
      message: 'portLevelMtls requires selector',
    }),
  );

export type PeerAuthenticationSpec = z.infer<typeof peerAuthenticationSpec>;

export const PEER_AUTHENTICATION_CRD = customResourceDefinition({
  group: 'security.istio.io',
  kind: 'PeerAuthentication',
  plural: 'peerauthentications',
  singular: 'peerauthentication',
  shortNames: ['pa'],
  categories: ['istio-io', 'security-istio-io'],
  versions: ['v1', 'v1beta1'],
  columns: [
    { name: 'Mode', type: 'string', jsonPath: '.spec.mtls.mode', description: 'The mode for all ports.' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Time since creation.' },
  ],
  spec: peerAuthenticationSpec,
});
