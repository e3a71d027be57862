/** AuthorizationPolicy: who may talk to whom (crds.md section 2). */
import * as z from 'zod';
import { AGE, customResourceDefinition } from './definition.ts';
import { cel } from './openapi.ts';
import { ONE_ATTACHMENT, targetRef, text, textList, workloadSelector } from './shared.ts';

const MAX_RULES = 512;
const MAX_TARGETS = 16;

const list = (meaning: string) => textList().optional().describe(meaning);
const serviceAccounts = (meaning: string) => z.array(z.string().max(320)).max(16).optional().describe(meaning);

const source = z
  .object({
    principals: list('Identities of the caller, as trust-domain/ns/namespace/sa/account; * at either end matches any.'),
    notPrincipals: list('Identities that the caller must not have.'),
    requestPrincipals: list('Who the request proves to come from by its token, as issuer/subject; needs a waypoint.'),
    notRequestPrincipals: list('Issuer and subject that the token of the request must not have; needs a waypoint.'),
    namespaces: list('Namespaces of the caller, taken from its identity.'),
    notNamespaces: list('Namespaces that the caller must not come from.'),
    serviceAccounts: serviceAccounts('Accounts of the caller: namespace/account, or account in this namespace.'),
    notServiceAccounts: serviceAccounts('Accounts that the caller must not run as.'),
    trustDomains: list('Trust domains of the identity of the caller.'),
    notTrustDomains: list('Trust domains that the identity of the caller must not be of.'),
    ipBlocks: list('Addresses or CIDR blocks that the connection comes from.'),
    notIpBlocks: list('Addresses or CIDR blocks that the connection must not come from.'),
    remoteIpBlocks: list('Addresses or CIDR blocks of the first client, before any proxy; needs a waypoint.'),
    notRemoteIpBlocks: list('Addresses or CIDR blocks that the first client must not have; needs a waypoint.'),
  })
  .describe('One caller: every list that is given must match.')
  .meta(
    cel({
      rule: '(has(self.serviceAccounts) || has(self.notServiceAccounts)) ? !(has(self.principals) || has(self.notPrincipals) || has(self.namespaces) || has(self.notNamespaces)) : true',
      message: 'Cannot set serviceAccounts with namespaces or principals',
    }),
  );

const operation = z
  .object({
    hosts: list('Hosts that the request names; needs a waypoint.'),
    notHosts: list('Hosts that the request must not name; needs a waypoint.'),
    ports: list('Ports of the pod that is called, as text.'),
    notPorts: list('Ports of the pod that must not be the one called, as text.'),
    methods: list('HTTP methods; needs a waypoint.'),
    notMethods: list('HTTP methods that the request must not use; needs a waypoint.'),
    paths: list('Paths of the request, or path templates; needs a waypoint.'),
    notPaths: list('Paths that the request must not have; needs a waypoint.'),
  })
  .describe('One operation: every list that is given must match.');

const condition = z.object({
  key: text().describe('The property that is looked at, such as source.ip or destination.port.'),
  values: list('The property has one of these values.'),
  notValues: list('The property has none of these values.'),
});

const rule = z.object({
  from: z
    .array(z.object({ source: source.optional() }))
    .max(MAX_RULES)
    .optional()
    .describe('Any of these callers; absent: every caller.'),
  to: z
    .array(z.object({ operation: operation.optional() }))
    .optional()
    .describe('Any of these operations; absent: every one.'),
  when: z.array(condition).optional().describe('All of these conditions.'),
});

const provider = z
  .object({ name: text().optional().describe('The name of the provider in the mesh configuration.') })
  .describe('Who decides, for CUSTOM.');

export const authorizationPolicySpec = z
  .object({
    selector: workloadSelector.optional(),
    targetRef: targetRef.optional(),
    targetRefs: z
      .array(targetRef)
      .max(MAX_TARGETS)
      .optional()
      .describe('The services or gateways that this policy is about, in place of a selector; waypoints enforce it.'),
    action: z
      .enum(['ALLOW', 'DENY', 'AUDIT', 'CUSTOM'])
      .optional()
      .describe('What a match means; absent: ALLOW. A DENY that matches wins over every ALLOW.'),
    provider: provider.optional(),
    rules: z
      .array(rule)
      .max(MAX_RULES)
      .optional()
      .describe('The policy matches when any rule does. ALLOW without rules allows nothing.'),
  })
  .describe('Whom the policy is about, what a match means, and what matches.')
  .meta(cel(ONE_ATTACHMENT));

export type AuthorizationPolicySpec = z.infer<typeof authorizationPolicySpec>;

export const AUTHORIZATION_POLICY_CRD = customResourceDefinition({
  group: 'security.istio.io',
  kind: 'AuthorizationPolicy',
  description: 'Who may talk to the pods, services or gateways that it is about.',
  plural: 'authorizationpolicies',
  shortNames: ['ap'],
  versions: ['v1', 'v1beta1'],
  columns: [{ name: 'Action', type: 'string', jsonPath: '.spec.action', description: 'What a match means.' }, AGE],
  spec: authorizationPolicySpec,
});
