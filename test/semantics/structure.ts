/** Rows: how rules are put together, whom a policy is for, and what wins when several apply. */
import { ap, type Case, identityOf, operation, policy, selecting, source } from './case.ts';

const CLIENT = source({ principals: [identityOf('client')] });
const NEAR = source({ principals: [identityOf('near')] });
const MISS = (policy: string, field: string) => `deny no-allow-match (nearest ${policy} ${field})`;
const NOTHING = 'allow no-allow-policies';

const RULES: readonly Case[] = [
  {
    name: 'an ALLOW without rules allows nothing',
    objects: () => [policy('ALLOW')],
    calls: { client: 'deny no-allow-match', outside: 'deny no-allow-match' },
  },
  {
    name: 'an empty spec allows nothing in its namespace',
    objects: () => [ap('p', {})],
    calls: { client: 'deny no-allow-match', 'client to other': 'deny no-allow-match' },
  },
  { name: 'a DENY without rules denies nothing', objects: () => [policy('DENY')], calls: { client: NOTHING } },
  {
    name: 'an empty rule matches everybody',
    objects: () => [policy('ALLOW', {})],
    calls: { client: 'allow shop/p#0', outside: 'allow shop/p#0', 'outside 8081 v6': 'allow shop/p#0' },
  },
  {
    name: 'rules are alternatives, and the first that matches is named',
    objects: () => [policy('ALLOW', NEAR, CLIENT, {})],
    calls: { client: 'allow shop/p#1', near: 'allow shop/p#0', outside: 'allow shop/p#2' },
  },
  {
    name: 'sources are alternatives',
    objects: () => [policy('ALLOW', { from: [...CLIENT.from, ...NEAR.from] })],
    calls: {
      client: 'allow shop/p#0',
      near: 'allow shop/p#0',
      outside: MISS('shop/p#0', 'principals'),
    },
  },
  {
    name: 'source, operation and conditions must all hold',
    objects: () => [
      policy('ALLOW', {
        ...CLIENT,
        ...operation({ ports: ['8080'] }),
        when: [{ key: 'source.namespace', values: ['shop'] }],
      }),
    ],
    calls: {
      client: 'allow shop/p#0',
      'client 8081': MISS('shop/p#0', 'destinationPorts'),
      near: MISS('shop/p#0', 'principals'),
    },
  },
  {
    name: 'fields of one source must all hold',
    objects: (at) => [policy('ALLOW', source({ namespaces: ['shop'], notIpBlocks: [at.near.ip4] }))],
    calls: {
      client: 'allow shop/p#0',
      near: MISS('shop/p#0', 'notSourceIps'),
      outside: MISS('shop/p#0', 'namespaces'),
    },
  },
  {
    name: 'a list and its exceptions must both hold',
    objects: () => [
      policy('ALLOW', source({ principals: ['cluster.local/ns/shop/*'], notPrincipals: [identityOf('near')] })),
    ],
    calls: {
      client: 'allow shop/p#0',
      near: MISS('shop/p#0', 'notPrincipals'),
      outside: MISS('shop/p#0', 'principals'),
    },
  },
  {
    name: 'addresses of both families are told apart',
    objects: (at) => [policy('ALLOW', source({ ipBlocks: [at.client.ip6] }))],
    calls: { client: MISS('shop/p#0', 'sourceIps'), 'client v6': 'allow shop/p#0' },
  },
  {
    name: 'the nearest miss is the rule with the fewest fields that fail',
    objects: () => [
      policy('ALLOW', source({ namespaces: ['x'], serviceAccounts: ['y'] }), {
        ...CLIENT,
        ...operation({ ports: ['8081'] }),
      }),
    ],
    calls: { client: MISS('shop/p#1', 'destinationPorts') },
  },
];

const SCOPES: readonly Case[] = [
  { name: 'without policies everything is allowed', objects: () => [], calls: { client: NOTHING, outside: NOTHING } },
  {
    name: 'a policy without selector holds for its namespace',
    objects: () => [ap('p', { action: 'DENY', rules: [CLIENT] })],
    calls: { client: 'deny shop/p#0', 'client to other': 'deny shop/p#0', near: NOTHING },
  },
  {
    name: 'a policy of the root namespace holds for the mesh',
    objects: () => [ap('istio-system/p', { action: 'DENY', rules: [CLIENT] })],
    calls: { client: 'deny istio-system/p#0', 'client to other': 'deny istio-system/p#0', near: NOTHING },
  },
  {
    name: 'a policy of another namespace holds for nobody here',
    objects: () => [ap('office/p', { action: 'DENY', rules: [{}] })],
    calls: { client: NOTHING },
  },
  {
    name: 'a selector keeps a policy to its pods',
    objects: () => [policy('DENY', {})],
    calls: { client: 'deny shop/p#0', 'client to other': NOTHING },
  },
  {
    name: 'a selector in the root namespace finds pods of every namespace',
    objects: () => [ap('istio-system/p', { ...selecting('server'), action: 'DENY', rules: [{}] })],
    calls: { client: 'deny istio-system/p#0', 'client to other': NOTHING },
  },
  {
    name: 'a selector of several labels wants them all',
    objects: () => [ap('p', { selector: { matchLabels: { app: 'server', tier: 'x' } }, action: 'DENY', rules: [{}] })],
    calls: { client: NOTHING },
  },
  {
    name: 'a selector without labels selects the namespace',
    objects: () => [ap('p', { selector: {}, action: 'DENY', rules: [{}] })],
    calls: { client: 'deny shop/p#0', 'client to other': 'deny shop/p#0' },
  },
  {
    name: 'a policy with targetRefs is for a waypoint',
    objects: () => [
      ap('p', { targetRefs: [{ kind: 'Service', name: 's' }], action: 'DENY', rules: [{}] }),
      ap('q', { targetRef: { kind: 'Service', name: 's' } }),
    ],
    calls: { client: NOTHING },
  },
  {
    name: 'CUSTOM and AUDIT are not for a ztunnel',
    objects: () => [
      ap('p', { action: 'CUSTOM', provider: { name: 'x' }, rules: [{}] }),
      ap('q', { action: 'AUDIT', rules: [{}] }),
    ],
    calls: { client: NOTHING },
  },
];

const PRECEDENCE: readonly Case[] = [
  {
    name: 'a DENY wins over an ALLOW',
    objects: () => [ap('a', { rules: [{}] }), policy('DENY', CLIENT)],
    calls: { client: 'deny shop/p#0', near: 'allow shop/a#0' },
  },
  {
    name: 'one ALLOW of several is enough, wherever it comes from',
    objects: () => [
      ap('istio-system/mesh', { rules: [CLIENT] }),
      ap('wide', { rules: [NEAR] }),
      policy('ALLOW', source({ namespaces: ['office'] })),
    ],
    calls: {
      client: 'allow istio-system/mesh#0',
      near: 'allow shop/wide#0',
      outside: MISS('istio-system/mesh#0', 'principals'),
      'near to other': 'allow shop/wide#0',
    },
  },
  {
    name: 'an ALLOW for one pod closes it, and no other',
    objects: () => [policy('ALLOW', CLIENT)],
    calls: { near: MISS('shop/p#0', 'principals'), 'near to other': NOTHING },
  },
  {
    name: 'of two that match the first by name is named',
    objects: () => [ap('z', { rules: [{}] }), ap('b', { rules: [CLIENT] })],
    calls: { client: 'allow shop/b#0', near: 'allow shop/z#0' },
  },
  {
    name: 'deny-all with an exception',
    objects: () => [ap('deny-all', {}), policy('ALLOW', CLIENT)],
    calls: { client: 'allow shop/p#0', near: MISS('shop/p#0', 'principals'), 'client to other': 'deny no-allow-match' },
  },
];

export const STRUCTURE: readonly Case[] = [...RULES, ...SCOPES, ...PRECEDENCE];
