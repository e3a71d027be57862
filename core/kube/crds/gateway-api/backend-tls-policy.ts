/** BackendTLSPolicy: TLS towards the endpoints of a service (crds.md section 19). */
import * as z from 'zod';
import { AGE } from '../definition.ts';
import { cel } from '../openapi.ts';
import { gatewayApiDefinition } from './definition.ts';
import {
  ATOMIC,
  conditions,
  controllerName,
  hostname,
  localRef,
  parentRef,
  preciseHostname,
  sectionName,
} from './shared.ts';

const MAX_TARGETS = 16;
const MAX_CA_REFS = 8;
const MAX_NAMES = 5;
const MAX_OPTIONS = 16;
const MAX_URI = 253;
const MAX_OPTION = 4096;

const SAME_TARGET = 'p1.group == p2.group && p1.kind == p2.kind && p1.name == p2.name';
const SECTION_1 = "(has(p1.sectionName) ? p1.sectionName : '')";
const SECTION_2 = "(has(p2.sectionName) ? p2.sectionName : '')";

const targetRefs = z
  .array(
    z.object({
      ...localRef,
      sectionName: sectionName().optional().describe('The name of a port of the Service; absent: all of its ports.'),
    }),
  )
  .min(1)
  .max(MAX_TARGETS)
  .describe('Services that TLS is spoken with, in the namespace of the policy.')
  .meta({
    ...ATOMIC,
    ...cel(
      {
        rule: `self.all(p1, self.all(p2, (${SAME_TARGET}) ? (${SECTION_1} == '') == (${SECTION_2} == '') : true))`,
        message: 'sectionName must be specified when targetRefs includes 2 or more references to the same target',
      },
      {
        rule: `self.all(p1, self.exists_one(p2, ${SAME_TARGET} && ${SECTION_1} == ${SECTION_2}))`,
        message: 'sectionName must be unique when targetRefs includes 2 or more references to the same target',
      },
    ),
  });

const subjectAltName = z
  .object({
    type: z.enum(['Hostname', 'URI']).describe('Which kind of name it is.'),
    hostname: hostname().optional().describe('For type Hostname: a name, or *. and a domain.'),
    uri: z.string().min(1).max(MAX_URI).optional().describe('For type URI: the whole of it, as spiffe://domain/path.'),
  })
  .meta(
    cel(
      {
        rule: "self.type == 'Hostname' ? has(self.hostname) && !has(self.uri) : true",
        message: 'type Hostname needs hostname, and no uri',
      },
      {
        rule: "self.type == 'URI' ? has(self.uri) && !has(self.hostname) : true",
        message: 'type URI needs uri, and no hostname',
      },
    ),
  );

const validation = z
  .object({
    caCertificateRefs: z
      .array(z.object(localRef))
      .max(MAX_CA_REFS)
      .optional()
      .describe('ConfigMaps with authorities that are trusted, in ca.crt.')
      .meta(ATOMIC),
    wellKnownCACertificates: z
      .string()
      .min(1)
      .max(253)
      .regex(
        /^(System|([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]))$/,
      )
      .optional()
      .describe('System: whoever the web trusts.'),
    hostname: preciseHostname().describe('The name that is asked for, and that the certificate must have.'),
    subjectAltNames: z
      .array(subjectAltName)
      .max(MAX_NAMES)
      .optional()
      .describe('Names of which the certificate must have one, in place of hostname.')
      .meta(ATOMIC),
  })
  .describe('Whom to take for the server.')
  .meta(
    cel(
      {
        rule: '!(has(self.caCertificateRefs) && size(self.caCertificateRefs) > 0 && has(self.wellKnownCACertificates) && self.wellKnownCACertificates != "")',
        message: 'must not contain both CACertificateRefs and WellKnownCACertificates',
      },
      {
        rule: '(has(self.caCertificateRefs) && size(self.caCertificateRefs) > 0 || has(self.wellKnownCACertificates) && self.wellKnownCACertificates != "")',
        message: 'must specify either CACertificateRefs or WellKnownCACertificates',
      },
    ),
  );

export const backendTlsPolicySpec = z
  .object({
    targetRefs,
    validation,
    options: z
      .record(z.string(), z.string().max(MAX_OPTION))
      .optional()
      .describe('Settings of implementations; there are none here.')
      .meta({ maxProperties: MAX_OPTIONS }),
  })
  .describe('Which services TLS is spoken with, and whom to take for them.');

export type BackendTlsPolicySpec = z.infer<typeof backendTlsPolicySpec>;

const status = z
  .object({
    ancestors: z
      .array(
        z.object({
          ancestorRef: parentRef.describe('Where the policy has its effect.'),
          controllerName: controllerName().describe('Who says so.'),
          conditions: conditions(1),
        }),
      )
      .max(MAX_TARGETS)
      .describe('What became of the policy.')
      .meta(ATOMIC),
  })
  .describe('What became of the policy; written by controllers.');

export const BACKEND_TLS_POLICY_CRD = gatewayApiDefinition({
  kind: 'BackendTLSPolicy',
  plural: 'backendtlspolicies',
  description: 'TLS towards the endpoints of services, and whom to take for them.',
  shortNames: ['btlspolicy'],
  versions: ['v1'],
  columns: [AGE],
  spec: backendTlsPolicySpec,
  status,
});
