/** Rows: each field and key that L4 knows, alone, as the only rule of an ALLOW and of a DENY policy. */
import { type Addresses, CALLERS, type Call, type Case, identityOf, operation, policy, source, when } from './case.ts';

type Row = readonly [
  name: string,
  rule: object | ((at: Addresses) => object),
  /** Who matches, of client, near and outside. */
  who: readonly Call['from'][],
  /** What fails for the others. */
  field: string,
];

const CLIENT = identityOf('client');
const MESH = ['client', 'near'] as const;

const IDENTITY: readonly Row[] = [
  ['a principal', source({ principals: [CLIENT] }), ['client'], 'principals'],
  ['a principal with its scheme', source({ principals: [`spiffe://${CLIENT}`] }), ['client'], 'principals'],
  ['a principal in other letters', source({ principals: [identityOf('Client')] }), [], 'principals'],
  ['one of two principals', source({ principals: [identityOf('x'), CLIENT] }), ['client'], 'principals'],
  ['a principal by prefix', source({ principals: ['cluster.local/ns/shop/*'] }), MESH, 'principals'],
  ['a principal by suffix', source({ principals: ['*/sa/near'] }), ['near'], 'principals'],
  ['any principal', source({ principals: ['*'] }), MESH, 'principals'],
  ['all but a principal', source({ notPrincipals: [CLIENT] }), ['near', 'outside'], 'notPrincipals'],
  ['nobody with an identity', source({ notPrincipals: ['*'] }), ['outside'], 'notPrincipals'],
  ['a namespace', source({ namespaces: ['shop'] }), MESH, 'namespaces'],
  ['another namespace', source({ namespaces: ['office'] }), [], 'namespaces'],
  ['a namespace by prefix', source({ namespaces: ['sh*'] }), MESH, 'namespaces'],
  ['a namespace by suffix', source({ namespaces: ['*op'] }), MESH, 'namespaces'],
  ['any namespace', source({ namespaces: ['*'] }), MESH, 'namespaces'],
  ['all but a namespace', source({ notNamespaces: ['shop'] }), ['outside'], 'notNamespaces'],
  ['all but another namespace', source({ notNamespaces: ['office'] }), CALLERS, ''],
  ['an account of the same namespace', source({ serviceAccounts: ['client'] }), ['client'], 'serviceAccounts'],
  ['an account with its namespace', source({ serviceAccounts: ['shop/near'] }), ['near'], 'serviceAccounts'],
  ['an account of another namespace', source({ serviceAccounts: ['office/client'] }), [], 'serviceAccounts'],
  ['all but an account', source({ notServiceAccounts: ['client'] }), ['near', 'outside'], 'notServiceAccounts'],
  ['a trust domain', source({ trustDomains: ['cluster.local'] }), MESH, 'principals'],
  ['another trust domain', source({ trustDomains: ['cluster'] }), [], 'principals'],
  ['all but a trust domain', source({ notTrustDomains: ['cluster.local'] }), ['outside'], 'notPrincipals'],
];

const ADDRESS: readonly Row[] = [
  ['an address', (at) => source({ ipBlocks: [at.client.ip4] }), ['client'], 'sourceIps'],
  ['one of two ranges', (at) => source({ ipBlocks: ['192.0.2.0/24', `${at.near.ip4}/32`] }), ['near'], 'sourceIps'],
  ['every IPv4 address', source({ ipBlocks: ['0.0.0.0/0'] }), CALLERS, ''],
  ['a range of the other family', source({ ipBlocks: ['::/0'] }), [], 'sourceIps'],
  ['all but an address', (at) => source({ notIpBlocks: [at.client.ip4] }), ['near', 'outside'], 'notSourceIps'],
  ['a port', operation({ ports: ['8080'] }), CALLERS, ''],
  ['one of two other ports', operation({ ports: ['80', '8081'] }), [], 'destinationPorts'],
  ['all but a port', operation({ notPorts: ['8080'] }), [], 'notDestinationPorts'],
];

const CONDITIONS: readonly Row[] = [
  ['when source.ip', (at) => when('source.ip', [at.near.ip4]), ['near'], 'sourceIps'],
  ['when not source.ip', (at) => when('source.ip', undefined, [at.near.ip4]), ['client', 'outside'], 'notSourceIps'],
  ['when source.namespace', when('source.namespace', ['shop']), MESH, 'namespaces'],
  ['when not source.namespace', when('source.namespace', undefined, ['s*']), ['outside'], 'notNamespaces'],
  ['when source.principal', when('source.principal', [CLIENT]), ['client'], 'principals'],
  ['when not source.principal', when('source.principal', undefined, [CLIENT]), ['near', 'outside'], 'notPrincipals'],
  ['when source.serviceAccount', when('source.serviceAccount', ['near']), ['near'], 'serviceAccounts'],
  [
    'when not source.serviceAccount',
    when('source.serviceAccount', undefined, ['shop/near']),
    ['client', 'outside'],
    'notServiceAccounts',
  ],
  ['when source.trustDomain', when('source.trustDomain', ['cluster.*']), MESH, 'principals'],
  ['when not source.trustDomain', when('source.trustDomain', undefined, ['x']), CALLERS, ''],
  ['when destination.ip', (at) => when('destination.ip', [at.server.ip4]), CALLERS, ''],
  ['when not destination.ip', (at) => when('destination.ip', undefined, [at.server.ip4]), [], 'notDestinationIps'],
  ['when destination.port', when('destination.port', ['8081']), [], 'destinationPorts'],
  ['when not destination.port', when('destination.port', undefined, ['8081']), CALLERS, ''],
  ['when values and not', when('source.principal', ['*'], [CLIENT]), ['near'], 'notPrincipals for client, principals'],
];

const ROWS = [...IDENTITY, ...ADDRESS, ...CONDITIONS];

/** `A for client, B`: what fails for the client, and for anybody else. */
function failing(field: string, from: string): string {
  const [first = '', other = first] = field.split(' for client, ');
  return from === 'client' ? first : other;
}

export const FIELDS: readonly Case[] = ROWS.flatMap(([name, rule, who, field]) => {
  const of = (at: Addresses) => (typeof rule === 'function' ? rule(at) : rule);
  const calls = (outcome: (from: Call['from']) => string) =>
    Object.fromEntries(CALLERS.map((from) => [from, outcome(from)]));
  return [
    {
      name: `an ALLOW of ${name}`,
      objects: (at) => [policy('ALLOW', of(at))],
      calls: calls((from) =>
        who.includes(from) ? 'allow shop/p#0' : `deny no-allow-match (nearest shop/p#0 ${failing(field, from)})`,
      ),
    },
    {
      name: `a DENY of ${name}`,
      objects: (at) => [policy('DENY', of(at))],
      calls: calls((from) => (who.includes(from) ? 'deny shop/p#0' : 'allow no-allow-policies')),
    },
  ] satisfies readonly Case[];
});
