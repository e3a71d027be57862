/** Rows: what L4 can not see or nobody can read never admits anything; trust domains have all of their names. */
import { ap, type Case, identityOf, operation, policy, selecting, source, when } from './case.ts';

const CLIENT = source({ principals: [identityOf('client')] });
const HTTP = operation({ methods: ['GET'] });
const NOTHING = 'allow no-allow-policies';

/** Each as the only rule of an ALLOW, and with a source of the client beside it as the only rule of a DENY. */
const UNSEEN: readonly (readonly [name: string, part: object])[] = [
  ['HTTP methods', HTTP],
  ['HTTP paths and hosts', operation({ paths: ['/a'], hosts: ['x'] })],
  ['everything but an HTTP path', operation({ notPaths: ['/a'] })],
  ['an HTTP header', when('request.headers[x]', ['1'])],
  ['everything but a claim', when('request.auth.claims[x]', undefined, ['1'])],
  ['the server name', when('connection.sni', ['x'])],
  ['a key that nobody knows', when('source.ips', ['0.0.0.0/0'])],
  ['a port that is none', operation({ ports: ['http'] })],
  ['an exception that is none', operation({ notPorts: ['80-90'] })],
  ['a misspelt field', operation({ port: ['8080'] })],
  ['an address that is none', when('source.ip', ['10.0.0.0/33'])],
  ['a star within a text', when('source.namespace', ['s*p'])],
];

const HIDDEN: readonly Case[] = UNSEEN.flatMap(([name, part]): readonly Case[] => [
  {
    name: `an ALLOW of ${name} allows nobody`,
    objects: () => [policy('ALLOW', part)],
    calls: { client: 'deny no-allow-match', outside: 'deny no-allow-match' },
  },
  {
    name: `a DENY of ${name} denies`,
    objects: () => [policy('DENY', part)],
    calls: { client: 'deny shop/p#0', outside: 'deny shop/p#0' },
  },
  {
    name: `a DENY of ${name} for one caller denies that caller`,
    objects: () => [policy('DENY', { ...CLIENT, ...part })],
    calls: { client: 'deny shop/p#0', near: NOTHING },
  },
]);

const WHOLE: readonly Case[] = [
  {
    name: 'a rule that is left out does not shift the others',
    objects: () => [policy('ALLOW', HTTP, CLIENT)],
    calls: { client: 'allow shop/p#1', near: 'deny no-allow-match (nearest shop/p#1 principals)' },
  },
  {
    name: 'a requirement of a request in an ALLOW is not dropped from its source',
    objects: () => [policy('ALLOW', source({ requestPrincipals: ['*'], namespaces: ['shop'] }))],
    calls: { client: 'deny no-allow-match' },
  },
  {
    name: 'one source of a DENY that L4 can not see makes the rule hold for all',
    objects: () => [policy('DENY', { from: [...CLIENT.from, { source: { remoteIpBlocks: ['10.0.0.0/8'] } }] })],
    calls: { client: 'deny shop/p#0', outside: 'deny shop/p#0' },
  },
  {
    name: 'an action that is none denies',
    objects: () => [ap('p', { ...selecting('server'), action: 'BLOCK', rules: [CLIENT] })],
    calls: { outside: 'deny shop/p#0', 'client to other': NOTHING },
  },
  {
    name: 'an ALLOW with a misspelt selector allows nothing',
    objects: () => [ap('p', { selectors: { matchLabels: { app: 'server' } }, rules: [{}] })],
    calls: { client: 'deny no-allow-match', 'client to other': 'deny no-allow-match' },
  },
  {
    name: 'a DENY with a selector of expressions denies in all of its namespace',
    objects: () => [ap('p', { selector: { matchExpressions: [] }, action: 'DENY', rules: [CLIENT] })],
    calls: { near: 'deny shop/p#0', 'near to other': 'deny shop/p#0' },
  },
  {
    name: 'an ALLOW for a target that is none allows nothing',
    objects: () => [ap('p', { targetRefs: {}, rules: [{}] })],
    calls: { client: 'deny no-allow-match' },
  },
];

const NAMES: readonly Case[] = [
  {
    name: 'a principal by an old name of the trust domain',
    config: { trustDomainAliases: ['old.example'] },
    objects: () => [policy('ALLOW', source({ principals: ['old.example/ns/shop/sa/client'] }))],
    calls: { client: 'allow shop/p#0', near: 'deny no-allow-match (nearest shop/p#0 principals)' },
  },
  {
    name: 'a trust domain by its old name',
    config: { trustDomainAliases: ['old.example'] },
    objects: () => [policy('DENY', source({ notTrustDomains: ['old.example'] }))],
    calls: { client: NOTHING, outside: 'deny shop/p#0' },
  },
  {
    name: 'a name that is none of ours',
    config: { trustDomainAliases: ['old.example'] },
    objects: () => [policy('ALLOW', source({ principals: ['older.example/ns/shop/sa/client'] }))],
    calls: { client: 'deny no-allow-match (nearest shop/p#0 principals)' },
  },
];

export const SAFETY: readonly Case[] = [...HIDDEN, ...WHOLE, ...NAMES];
