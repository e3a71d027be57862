/** AuthorizationPolicy: who may talk to whom (crds.md section 2). */
import { z } from 'zod';
import { customResourceDefinition } from './definition.ts';
import { cel } from './openapi.ts';
import { targetRef, text, textList, workloadSelector } from './shared.ts';

const MAX_RULES = 512;
const MAX_TARGETS = 16;
const serviceAccounts = () => z.array(z.string().max(320)).max(16);

const source = z
  .object({
    principals: textList().optional(),
    notPrincipals: textList().optional(),
    requestPrincipals: textList().optional(),
    notRequestPrincipals: textList().optional(),
    namespaces: textList().optional(),
    notNamespaces: textList().optional(),
    serviceAccounts: serviceAccounts().optional(),
    notServiceAccounts: serviceAccounts().optional(),
    trustDomains: textList().optional(),
    notTrustDomains: textList().optional(),
    ipBlocks: textList().optional(),
    notIpBlocks: textList().optional(),
    remoteIpBlocks: textList().optional(),
    notRemoteIpBlocks: textList().optional(),
  })
  .meta(
    cel({
      rule: '(has(self.serviceAccounts) || has(self.notServiceAccounts)) ? !(has(self.principals) || has(self.notPrincipals) || has(self.namespaces) || has(self.notNamespaces)) : true',
      message: 'Cannot set serviceAccounts with namespaces or principals',
    }),
  );

const operation = z.object({
  hosts: textList().optional(),
  notHosts: textList().optional(),
  ports: textList().optional(),
  notPorts: textList().optional(),
  methods: textList().optional(),
  notMethods: textList().optional(),
  paths: textList().optional(),
  notPaths: textList().optional(),
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
  when: z
    .array(z.object({ key: text(), values: textList().optional(), notValues: textList().optional() }))
    .optional()
    .describe('All of these conditions.'),
});

export const authorizationPolicySpec = z
  .object({
    selector: workloadSelector.optional(),
    targetRef: targetRef.optional(),
    targetRefs: z.array(targetRef).max(MAX_TARGETS).optional(),
    action: z.enum(['ALLOW', 'DENY', 'AUDIT', 'CUSTOM']).optional().describe('Absent means ALLOW.'),
    provider: z.object({ name: text().optional() }).optional().describe('Who decides, for CUSTOM.'),
    rules: z
      .array(rule)
      .max(MAX_RULES)
      .optional()
      .describe('The policy matches when any rule does. ALLOW without rules allows nothing.'),
  })
  .meta(
    cel({
      rule: '(has(self.selector) ? 1 : 0) + (has(self.targetRef) ? 1 : 0) + (has(self.targetRefs) ? 1 : 0) <= 1',
      message: 'only one of targetRefs or selector can be set',
    }),
  );

export type AuthorizationPolicySpec = z.infer<typeof authorizationPolicySpec>;

export const AUTHORIZATION_POLICY_CRD = customResourceDefinition({
  group: 'security.istio.io',
  kind: 'AuthorizationPolicy',
  plural: 'authorizationpolicies',
  singular: 'authorizationpolicy',
  shortNames: ['ap'],
  categories: ['istio-io', 'security-istio-io'],
  versions: ['v1', 'v1beta1'],
  columns: [
    { name: 'Action', type: 'string', jsonPath: '.spec.action', description: 'What a match means.' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Time since creation.' },
  ],
  spec: authorizationPolicySpec,
});
