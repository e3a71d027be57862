/** Rows: what the actions do beside one another, policies that are tried out, and what nobody can read. */
import type { ExternalAuthorizer, MeshConfig } from '../../../mesh/index.ts';
import { ap, type Case, dry, OPEN, operation, policy, source, when } from './case.ts';

const GETS = operation({ methods: ['GET'] });
const POSTS = operation({ methods: ['POST'] });
const BOSS = source({ namespaces: ['office'] });

const STRUCTURE: readonly Case[] = [
  { name: 'no policy', objects: [], requests: { 'GET /': OPEN, 'boss POST / to other': OPEN, 'GET / to entry': OPEN } },
  {
    name: 'ALLOW without rules allows nothing',
    objects: [ap('p', {})],
    requests: { 'GET /': 'deny no-allow-match', 'GET / to other': OPEN },
  },
  { name: 'ALLOW of everything', objects: [policy('ALLOW', {})], requests: { 'GET /': 'allow shop/p#0' } },
  { name: 'DENY of everything', objects: [policy('DENY', {})], requests: { 'GET /': 'deny shop/p#0' } },
  {
    name: 'DENY wins over ALLOW',
    objects: [ap('a', { rules: [{}] }), ap('d', { action: 'DENY', rules: [POSTS, BOSS] })],
    requests: { 'GET /': 'allow shop/a#0', 'POST /': 'deny shop/d#0', 'boss GET /': 'deny shop/d#1' },
  },
  {
    name: 'any of several ALLOW policies will do',
    objects: [ap('a', { rules: [GETS] }), ap('b', { rules: [BOSS, POSTS] })],
    requests: {
      'GET /': 'allow shop/a#0',
      'boss PUT /': 'allow shop/b#0',
      'POST /': 'allow shop/b#1',
      'PUT /': 'deny no-allow-match (nearest shop/a#0 methods)',
    },
  },
  {
    name: 'from, to and when all have to hold',
    objects: [policy('ALLOW', { ...BOSS, ...GETS, ...when('request.headers[x-a]', ['1']) })],
    requests: {
      'boss GET / | x-a: 1': 'allow shop/p#0',
      'GET / | x-a: 1': 'deny no-allow-match (nearest shop/p#0 namespaces)',
      'boss POST / | x-a: 1': 'deny no-allow-match (nearest shop/p#0 methods)',
      'boss GET /': 'deny no-allow-match (nearest shop/p#0 request.headers[x-a])',
    },
  },
];

const AUDITED: readonly Case[] = [
  {
    name: 'AUDIT marks, and decides nothing',
    objects: [policy('AUDIT', GETS, BOSS)],
    requests: {
      'GET /': `${OPEN}, audited: shop/p#0`,
      'boss GET /': `${OPEN}, audited: shop/p#0, shop/p#1`,
      'POST /': OPEN,
    },
  },
  {
    name: 'AUDIT marks what is denied, too',
    objects: [ap('a', { action: 'AUDIT', rules: [GETS] }), ap('d', { action: 'DENY', rules: [GETS] })],
    requests: { 'GET /': 'deny shop/d#0, audited: shop/a#0' },
  },
];

const TRIED: readonly Case[] = [
  {
    name: 'a DENY that is tried out',
    objects: [dry('d', { action: 'DENY', rules: [GETS] })],
    requests: { 'GET /': `${OPEN}, tried: shop/d#0 would deny`, 'POST /': OPEN },
  },
  {
    name: 'the first ALLOW, tried out',
    objects: [dry('a', { rules: [GETS] })],
    requests: { 'GET /': OPEN, 'POST /': `${OPEN}, tried: shop/a would deny` },
  },
  {
    name: 'a further ALLOW, tried out',
    objects: [ap('e', { rules: [GETS] }), dry('a', { rules: [POSTS] })],
    requests: {
      'GET /': 'allow shop/e#0',
      'POST /': 'deny no-allow-match (nearest shop/e#0 methods), tried: shop/a#0 would allow',
    },
  },
];

const http = {
  pathPrefix: '',
  requestHeaders: [],
  additionalHeaders: [],
  toUpstreamOnAllow: [],
  toDownstreamOnDeny: [],
  toDownstreamOnAllow: [],
};
const authorizer = (name: string): ExternalAuthorizer => ({
  name,
  service: 'shop/authz.shop.svc.cluster.local',
  port: 8000,
  timeoutMs: 5_000,
  failOpen: false,
  statusOnError: 403,
  http: { ...http, pathPrefix: `/${name}` },
});
/** Provider opa, who always says no, and yes, who does not. */
export const OPA: Partial<MeshConfig> = { authorizers: [authorizer('opa'), authorizer('yes')] };
const custom = (name: string, ...rules: readonly unknown[]) => ap('c', { action: 'CUSTOM', provider: { name }, rules });

const ASKED: readonly Case[] = [
  {
    name: 'somebody else is asked',
    objects: [custom('opa', GETS)],
    config: OPA,
    requests: { 'GET /': 'asks shop/c#0', 'POST /': OPEN },
  },
  {
    name: 'somebody is asked whom nobody has configured',
    objects: [custom('opa', GETS), ap('a', { rules: [{}] })],
    requests: { 'GET /': 'deny shop/c#0', 'POST /': 'allow shop/a#0' },
  },
  {
    name: 'somebody is asked by a part that can not be known yet: about everything',
    objects: [custom('opa', source({ principals: ['x'] }))],
    config: OPA,
    requests: { 'GET /': 'asks shop/c#0' },
  },
];

const UNREADABLE: readonly Case[] = [
  {
    name: 'an ALLOW rule with a part that nobody can read is left out, the others stay',
    objects: [policy('ALLOW', { to: [{ operation: { methods: ['GET'], pathes: ['/x'] } }] }, POSTS)],
    requests: { 'GET /': 'deny no-allow-match (nearest shop/p#1 methods)', 'POST /': 'allow shop/p#1' },
  },
  {
    name: 'a DENY rule loses the part that nobody can read',
    objects: [policy('DENY', { to: [{ operation: { methods: ['GET'], pathes: ['/x'] } }] })],
    requests: { 'GET /': 'deny shop/p#0', 'POST /': OPEN },
  },
  {
    name: 'a DENY whose template is none is about every path',
    objects: [policy('DENY', operation({ paths: ['/a/{*}.png'] }))],
    requests: { 'GET /': 'deny shop/p#0' },
  },
  {
    name: 'an ALLOW by a key that nobody knows',
    objects: [policy('ALLOW', when('request.cookies[a]', ['1']))],
    requests: { 'GET / | cookie: a=1': 'deny no-allow-match' },
  },
  {
    name: 'a policy that nobody can read denies',
    objects: [ap('p', { action: 'PERMIT', rules: [{}] })],
    requests: { 'GET /': 'deny shop/p#0' },
  },
];

/** Requests of a connection that is no HTTP can not be seen. */
const NO_HTTP: readonly Case[] = [
  { name: 'a connection, without policies', objects: [], requests: { 'TCP to cart:90': OPEN } },
  {
    name: 'a connection by ports and callers',
    objects: [policy('DENY', { ...BOSS, ...operation({ ports: ['90'] }) })],
    requests: { 'TCP to cart:90': OPEN, 'boss TCP to cart:90': 'deny shop/p#0', 'boss GET /': OPEN },
  },
  {
    name: 'a connection that an ALLOW of methods does not see',
    objects: [policy('ALLOW', GETS)],
    requests: { 'TCP to cart:90': 'deny no-allow-match', 'GET /': 'allow shop/p#0' },
  },
  {
    name: 'a connection that a DENY of methods is about',
    objects: [policy('DENY', POSTS)],
    requests: { 'TCP to cart:90': 'deny shop/p#0', 'GET /': OPEN },
  },
  {
    name: 'a connection that policies only look at',
    objects: [
      ap('a', { action: 'AUDIT', rules: [operation({ ports: ['90'] })] }),
      dry('d', { action: 'DENY', rules: [POSTS, BOSS] }),
    ],
    requests: {
      'TCP to cart:90': `${OPEN}, audited: shop/a#0, tried: shop/d#0 would deny`,
      'boss TCP to cart:90': `${OPEN}, audited: shop/a#0, tried: shop/d#0 would deny, shop/d#1 would deny`,
    },
  },
  {
    name: 'a connection that no ALLOW is about, though one comes near',
    objects: [policy('ALLOW', { ...BOSS, ...operation({ ports: ['90'] }) })],
    requests: { 'TCP to cart:90': 'deny no-allow-match (nearest shop/p#0 namespaces)' },
  },
  {
    name: 'a connection about which somebody else should be asked',
    objects: [custom('opa', {})],
    config: OPA,
    requests: { 'TCP to cart:90': 'deny shop/c#0', 'GET /': 'asks shop/c#0' },
  },
];

export const ACTIONS: readonly Case[] = [...STRUCTURE, ...AUDITED, ...TRIED, ...ASKED, ...UNREADABLE, ...NO_HTTP];
