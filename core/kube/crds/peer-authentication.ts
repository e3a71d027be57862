/** PeerAuthentication: whether callers must use mutual TLS (crds.md section 3). */
import * as z from 'zod';
import { AGE, customResourceDefinition } from './definition.ts';
import { cel } from './openapi.ts';
import { workloadSelector } from './shared.ts';

const mutualTls = z.object({
  mode: z
    .enum(['UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT'])
    .optional()
    .describe(
      'STRICT: only mutual TLS. PERMISSIVE, DISABLE: plaintext as well. UNSET or absent: as the wider scope says.',
    ),
});

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
  .describe('Which pods it is about, and how they may be called.')
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
  description: 'Whether pods take plaintext, or mutual TLS only.',
  plural: 'peerauthentications',
  shortNames: ['pa'],
  versions: ['v1', 'v1beta1'],
  columns: [{ name: 'Mode', type: 'string', jsonPath: '.spec.mtls.mode', description: 'The mode for all ports.' }, AGE],
  spec: peerAuthenticationSpec,
});
