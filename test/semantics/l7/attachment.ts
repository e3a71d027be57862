/** Rows: what policies are attached to, and how paths and headers are read. */
import { ap, CART, type Case, CLASS, ENTRY, GATEWAY, OPEN, operation, policy, tokens, when } from './case.ts';
import { KEYS } from './mesh.ts';

const GETS = operation({ methods: ['GET'] });
const deny = (path: string, ...targetRefs: readonly object[]) =>
  ap(path, { targetRefs, action: 'DENY', rules: [GETS] });

const TARGETS: readonly Case[] = [
  {
    name: 'a policy of a service',
    objects: [deny('p', CART)],
    requests: { 'GET /': 'deny shop/p#0', 'GET / to cart:81': 'deny shop/p#0', 'GET / to other': OPEN },
  },
  {
    name: 'a policy of a ServiceEntry',
    objects: [deny('p', ENTRY)],
    requests: { 'GET / to entry': 'deny shop/p#0', 'POST / to entry': OPEN, 'GET /': OPEN },
  },
  {
    name: 'a policy of a waypoint',
    objects: [deny('p', GATEWAY)],
    requests: { 'GET /': 'deny shop/p#0', 'GET / to other': 'deny shop/p#0', 'GET / to entry': 'deny shop/p#0' },
  },
  {
    name: 'a policy of the class',
    objects: [deny('istio-system/p', CLASS)],
    requests: { 'GET /': 'deny istio-system/p#0', 'GET / to entry': 'deny istio-system/p#0' },
  },
  {
    name: 'a policy of the class from elsewhere is about nothing',
    objects: [deny('p', CLASS)],
    requests: { 'GET /': OPEN },
  },
  {
    name: 'a policy of a service of another namespace is about nothing',
    objects: [deny('office/p', CART)],
    requests: { 'GET /': OPEN },
  },
  {
    name: 'a policy of two targets',
    objects: [deny('p', CART, ENTRY)],
    requests: { 'GET /': 'deny shop/p#0', 'GET / to entry': 'deny shop/p#0', 'GET / to other': OPEN },
  },
  {
    name: 'an ALLOW of the waypoint beside an ALLOW of a service',
    objects: [
      ap('g', { targetRefs: [GATEWAY], rules: [operation({ paths: ['/g'] })] }),
      ap('s', { rules: [operation({ paths: ['/s'] })] }),
    ],
    requests: {
      'GET /g': 'allow shop/g#0',
      'GET /s': 'allow shop/s#0',
      'GET /': 'deny no-allow-match (nearest shop/g#0 paths)',
      'GET /s to other': 'deny no-allow-match (nearest shop/g#0 paths)',
    },
  },
  {
    name: 'the singular form',
    objects: [ap('p', { targetRefs: undefined, targetRef: CART, action: 'DENY', rules: [GETS] })],
    requests: { 'GET /': 'deny shop/p#0' },
  },
];

const SECRET = policy('DENY', operation({ paths: ['/secret*', '/a//b'] }));
const DENIED = 'deny shop/p#0';
/** Each way of writing `/secret`, and what each option makes of it. */
const WAYS = [
  '/./secret',
  '/x/../secret',
  '/%73ecret',
  '/\\secret',
  '//secret',
  '/x%2f..%2fsecret',
  '/x%5C..%5csecret',
];
const caught = (...ways: readonly string[]) =>
  Object.fromEntries(WAYS.map((way) => [`GET ${way}`, ways.includes(way) ? DENIED : OPEN]));
const [DOT, DOTS, ESCAPED, , SLASHES, SLASH, BACKSLASH] = WAYS as [
  string,
  string,
  string,
  string,
  string,
  string,
  string,
];

const PATHS: readonly Case[] = [
  {
    name: 'paths as they come',
    objects: [SECRET],
    config: { pathNormalization: 'NONE' },
    requests: { ...caught(), 'GET /secret': DENIED, 'GET /%00': 'refused 400', 'GET /a//b': DENIED },
  },
  {
    name: 'paths by the usual rules',
    objects: [SECRET],
    config: { pathNormalization: 'BASE' },
    requests: { ...caught(DOT, DOTS, ESCAPED), 'GET /%zz': 'refused 400', 'GET /a//b': DENIED },
  },
  {
    name: 'paths with slashes merged',
    objects: [SECRET],
    config: { pathNormalization: 'MERGE_SLASHES' },
    requests: { ...caught(DOT, DOTS, ESCAPED, '/\\secret', SLASHES), 'GET /a//b': OPEN, 'GET /%00': 'refused 400' },
  },
  {
    name: 'paths with slashes decoded and merged',
    objects: [SECRET],
    config: { pathNormalization: 'DECODE_AND_MERGE_SLASHES' },
    requests: caught(DOT, DOTS, ESCAPED, '/\\secret', SLASHES, SLASH, BACKSLASH),
  },
  {
    name: 'escapes in either case are the same',
    objects: [policy('DENY', operation({ paths: ['/a%2fb'] }))],
    requests: { 'GET /a%2Fb': DENIED, 'GET /a%2fb': DENIED, 'GET /a/b': OPEN },
  },
];

const lines = (action: 'ALLOW' | 'DENY', values?: readonly string[], notValues?: readonly string[]) =>
  policy(action, when('request.headers[x-a]', values, notValues));
const MISSED = 'deny no-allow-match (nearest shop/p#0 request.headers[x-a])';
const TWO = 'GET / | x-a: 1 | x-a: 2';

const LINES: readonly Case[] = [
  {
    name: 'ALLOW by a header wants every line of it',
    objects: [lines('ALLOW', ['1', '1*'])],
    requests: { 'GET / | x-a: 1': 'allow shop/p#0', [TWO]: MISSED, 'GET / | x-a: 1 | x-a: 12': 'allow shop/p#0' },
  },
  {
    name: 'DENY by a header wants one line',
    objects: [lines('DENY', ['2'])],
    requests: { [TWO]: DENIED, 'GET /': OPEN },
  },
  {
    name: 'ALLOW unless a header: no line may be that',
    objects: [lines('ALLOW', undefined, ['2'])],
    requests: { [TWO]: MISSED, 'GET / | x-a: 1': 'allow shop/p#0', 'GET /': 'allow shop/p#0' },
  },
  {
    name: 'DENY unless a header: every line has to be that',
    objects: [lines('DENY', undefined, ['1'])],
    requests: { [TWO]: DENIED, 'GET / | x-a: 1': OPEN, 'GET /': DENIED },
  },
  {
    name: 'a header by the lines together',
    objects: [lines('DENY', ['1, 2'])],
    requests: { [TWO]: DENIED, 'GET / | x-a: 1, 2': DENIED, 'GET / | x-a: 1': OPEN },
  },
];

const JWT = { issuer: 'me', jwks: KEYS };
const WRITERS = policy('ALLOW', { from: [{ source: { requestPrincipals: ['me/alice'] } }] });
const UNKNOWN = 'deny no-allow-match (nearest shop/p#0 requestPrincipals)';

const TOKENS: readonly Case[] = [
  {
    name: 'a token that is good, one that is none, and none',
    objects: [tokens('jwt', [JWT])],
    requests: {
      'GET /': OPEN,
      'GET / | token alice': OPEN,
      'GET / | token forged': 'refused 401',
      'GET / | token expired': 'refused 401',
      'GET / | token malformed': 'refused 401',
      'GET / | token stranger': 'refused 401',
      'GET / to other | token forged': OPEN,
    },
  },
  {
    name: 'a token for an audience',
    objects: [tokens('jwt', [{ ...JWT, audiences: ['shop.example', 'till'] }]), WRITERS],
    requests: {
      'GET / | token shop': 'allow shop/p#0',
      'GET / | token bank': 'allow shop/p#0',
      'GET / | token alice': 'refused 403',
      'GET /': UNKNOWN,
    },
  },
  {
    name: 'a token where nobody authenticates says nothing',
    objects: [WRITERS],
    requests: { 'GET / | token alice': UNKNOWN, 'GET / | token forged': UNKNOWN },
  },
  {
    name: 'a token is required',
    objects: [tokens('jwt', [{ ...JWT, presence: 'REQUIRED' }])],
    requests: {
      'GET /': 'refused 401',
      'GET / | token alice': OPEN,
      'OPTIONS / | origin: http://a | access-control-request-method: GET': OPEN,
      'OPTIONS /': 'refused 401',
    },
  },
  {
    name: 'a preflight is authorized like all else',
    objects: [tokens('jwt', [JWT]), policy('DENY', operation({ methods: ['OPTIONS'] }))],
    requests: { 'OPTIONS / | origin: http://a | access-control-request-method: GET': DENIED },
  },
  {
    name: 'RequestAuthentication of the waypoint',
    objects: [tokens('jwt', [JWT], { targetRefs: [GATEWAY] }), WRITERS],
    requests: { 'GET / | token alice': 'allow shop/p#0', 'GET / to other | token forged': 'refused 401' },
  },
  {
    name: 'RequestAuthentication of the class',
    objects: [tokens('istio-system/jwt', [JWT], { targetRefs: [CLASS] }), WRITERS],
    requests: { 'GET / | token alice': 'allow shop/p#0', 'GET / to entry | token expired': 'refused 401' },
  },
  {
    name: 'two issuers',
    objects: [tokens('jwt', [JWT, { issuer: 'you', jwks: KEYS }]), WRITERS],
    requests: {
      'GET / | token alice': 'allow shop/p#0',
      'GET / | token stranger': UNKNOWN,
      'GET / | token expired': 'refused 401',
    },
  },
  {
    name: 'a rule for tokens that nobody can read is good for none',
    objects: [tokens('jwt', [{ ...JWT, issuers: ['me'] }])],
    requests: { 'GET /': OPEN, 'GET / | token forged': 'refused 401' },
  },
  {
    name: 'headers that a token sets are set by nobody else',
    objects: [
      tokens('jwt', [
        {
          ...JWT,
          outputClaimToHeaders: [{ header: 'X-Role', claim: 'realm.role' }],
          outputPayloadToHeader: 'x-payload',
        },
      ]),
      policy('ALLOW', when('request.headers[x-role]', ['admin']), when('request.headers[x-payload]', ['*'])),
    ],
    requests: {
      'GET / | x-role: admin': 'deny no-allow-match (nearest shop/p#0 request.headers[x-role])',
      'GET / | x-payload: e30': 'deny no-allow-match (nearest shop/p#0 request.headers[x-role])',
      'GET / | token alice': 'allow shop/p#0',
      'GET / | token bob | x-role: admin': 'allow shop/p#1',
    },
  },
  {
    name: 'a token is taken out of the request',
    objects: [tokens('jwt', [JWT]), policy('DENY', when('request.headers[authorization]', ['*']))],
    requests: { 'GET / | token alice': OPEN },
  },
  {
    name: 'a token is left in the request',
    objects: [
      tokens('jwt', [{ ...JWT, forwardOriginalToken: true }]),
      policy('DENY', when('request.headers[authorization]', ['Bearer *'])),
    ],
    requests: { 'GET / | token alice': DENIED, 'GET /': OPEN },
  },
];

export const ATTACHMENT: readonly Case[] = [...TARGETS, ...PATHS, ...LINES, ...TOKENS];
