/** Rows: each field and key, alone, as the only rule of an ALLOW and of a DENY policy. */
import { type Case, operation, policy, source, tokens, when } from './case.ts';
import { KEYS } from './mesh.ts';

type Row = readonly [
  name: string,
  rule: object,
  matching: readonly string[],
  others: readonly string[],
  /** What fails for the others. */
  field: string,
];

const CLIENT = 'cluster.local/ns/web/sa/client';
const BOTH = ['GET /', 'boss GET /'] as const;

const OPERATIONS: readonly Row[] = [
  ['a method', operation({ methods: ['GET'] }), ['GET /'], ['POST /', 'HEAD /'], 'methods'],
  ['a method by prefix', operation({ methods: ['P*'] }), ['POST /', 'PUT /'], ['GET /'], 'methods'],
  ['a method that is no standard', operation({ methods: ['PURGE'] }), ['PURGE /'], ['GET /'], 'methods'],
  ['a method in other letters', operation({ methods: ['get'] }), [], ['GET /'], 'methods'],
  ['all but a method', operation({ notMethods: ['GET'] }), ['POST /'], ['GET /'], 'notMethods'],
  ['a path', operation({ paths: ['/a'] }), ['GET /a', 'GET /a?b=/c'], ['GET /a/', 'GET /A', 'GET /ab'], 'paths'],
  ['a path by prefix', operation({ paths: ['/a*'] }), ['GET /a', 'GET /ab/c'], ['GET /', 'GET /b/a'], 'paths'],
  ['a path by suffix', operation({ paths: ['*/x.png'] }), ['GET /a/x.png'], ['GET /x.png.html', 'GET /a'], 'paths'],
  ['any path', operation({ paths: ['*'] }), ['GET /', 'GET /a/b?c'], [], ''],
  ['all but a path', operation({ notPaths: ['/a*'] }), ['GET /', 'GET /b/a'], ['GET /a', 'GET /ab'], 'notPaths'],
  [
    'all paths but some',
    operation({ paths: ['/a*'], notPaths: ['/a/secret'] }),
    ['GET /a', 'GET /a/secrets'],
    ['GET /a/secret', 'GET /a/./secret', 'GET /a/x/../secret', 'GET /a/%73ecret'],
    'notPaths',
  ],
  [
    'a template of one segment',
    operation({ paths: ['/a/{*}/c'] }),
    ['GET /a/b/c', 'GET /a/%2F/c'],
    ['GET /a//c', 'GET /a/c', 'GET /a/b/b/c', 'GET /a/b/c/'],
    'paths',
  ],
  [
    'a template of many segments',
    operation({ paths: ['/a/{**}'] }),
    ['GET /a/', 'GET /a/b', 'GET /a/b/c'],
    ['GET /', 'GET /ab'],
    'paths',
  ],
  [
    'a template with an end',
    operation({ paths: ['/{*}/x/{**}/z'] }),
    ['GET /a/x/y/z', 'GET /a/x//z', 'GET /a/x/y/y/z'],
    ['GET /x/z', 'GET /a/x/y/zz'],
    'paths',
  ],
  [
    'a host',
    operation({ hosts: ['cart.shop.svc.cluster.local'] }),
    ['GET /', 'GET / | host: CART.shop.svc.cluster.local', 'GET / | host: cart.shop.svc.cluster.local.'],
    ['GET / | host: cart', 'GET / | host: cart.shop.svc.cluster.local.evil'],
    'hosts',
  ],
  [
    'a host whatever its port',
    operation({ hosts: ['a.example'] }),
    ['GET / | host: a.example', 'GET / | host: a.example:80', 'GET / | host: A.Example.:8080'],
    ['GET / | host: b.a.example', 'GET / | host: a.example.org'],
    'hosts',
  ],
  [
    'a host with its port',
    operation({ hosts: ['a.example:81'] }),
    ['GET / | host: a.example:81', 'GET / | host: a.example.:81'],
    ['GET / | host: a.example', 'GET / | host: a.example:8'],
    'hosts',
  ],
  [
    'a host by suffix',
    operation({ hosts: ['*.example'] }),
    ['GET / | host: a.example', 'GET / | host: b.A.EXAMPLE.'],
    ['GET / | host: example', 'GET / | host: a.example.org'],
    'hosts',
  ],
  [
    'a host by prefix',
    operation({ hosts: ['api.*'] }),
    ['GET / | host: api.a', 'GET / | host: API.b:80'],
    ['GET / | host: xapi.a'],
    'hosts',
  ],
  [
    'all but a host',
    operation({ notHosts: ['a.example'] }),
    ['GET /', 'GET / | host: b.example'],
    ['GET / | host: a.example', 'GET / | host: A.EXAMPLE.:99'],
    'notHosts',
  ],
  ['a port of the service', operation({ ports: ['80'] }), ['GET /'], ['GET / to cart:81'], 'ports'],
  ['a port of the pod is none', operation({ ports: ['8080'] }), [], ['GET /', 'GET / to cart:81'], 'ports'],
  ['all but a port', operation({ notPorts: ['80'] }), ['GET / to cart:81'], ['GET /'], 'notPorts'],
  [
    'two operations',
    { to: [{ operation: { methods: ['GET'] } }, { operation: { paths: ['/a'] } }] },
    ['GET /', 'POST /a'],
    ['POST /'],
    'methods',
  ],
];

const SOURCES: readonly Row[] = [
  ['a principal', source({ principals: [CLIENT] }), ['GET /'], ['boss GET /'], 'principals'],
  [
    'a principal by prefix',
    source({ principals: ['cluster.local/ns/office/*'] }),
    ['boss GET /'],
    ['GET /'],
    'principals',
  ],
  ['all but a principal', source({ notPrincipals: [CLIENT] }), ['boss GET /'], ['GET /'], 'notPrincipals'],
  ['a namespace', source({ namespaces: ['web'] }), ['GET /'], ['boss GET /'], 'namespaces'],
  ['a namespace with a star inside', source({ namespaces: ['o*ice'] }), ['boss GET /'], ['GET /'], 'namespaces'],
  ['all but a namespace', source({ notNamespaces: ['web'] }), ['boss GET /'], ['GET /'], 'notNamespaces'],
  ['an account', source({ serviceAccounts: ['office/boss'] }), ['boss GET /'], ['GET /'], 'serviceAccounts'],
  ['an account of the namespace of the policy', source({ serviceAccounts: ['client'] }), [], BOTH, 'serviceAccounts'],
  [
    'all but an account',
    source({ notServiceAccounts: ['web/client'] }),
    ['boss GET /'],
    ['GET /'],
    'notServiceAccounts',
  ],
  ['a trust domain', source({ trustDomains: ['cluster.local'] }), BOTH, [], ''],
  ['another trust domain', source({ trustDomains: ['other'] }), [], BOTH, 'trustDomains'],
  ['an address', source({ ipBlocks: ['10.0.0.200'] }), ['GET /'], ['boss GET /'], 'ipBlocks'],
  ['all but an address', source({ notIpBlocks: ['10.0.0.200'] }), ['boss GET /'], ['GET /'], 'notIpBlocks'],
  [
    'an address that a header names is the same',
    source({ remoteIpBlocks: ['10.0.0.200'] }),
    ['GET /', 'GET / | x-forwarded-for: 10.0.0.201'],
    ['boss GET /', 'boss GET / | x-forwarded-for: 10.0.0.200'],
    'ipBlocks',
  ],
];

const CONDITIONS: readonly Row[] = [
  ['when source.ip', when('source.ip', ['10.0.0.200/31']), BOTH, [], ''],
  ['when not remote.ip', when('remote.ip', undefined, ['10.0.0.200']), ['boss GET /'], ['GET /'], 'notIpBlocks'],
  ['when source.namespace', when('source.namespace', ['web']), ['GET /'], ['boss GET /'], 'namespaces'],
  ['when source.principal', when('source.principal', [CLIENT]), ['GET /'], ['boss GET /'], 'principals'],
  [
    'when source.serviceAccount',
    when('source.serviceAccount', ['web/client']),
    ['GET /'],
    ['boss GET /'],
    'serviceAccounts',
  ],
  ['when source.trustDomain', when('source.trustDomain', ['cluster.*']), BOTH, [], ''],
  ['when destination.ip', when('destination.ip', ['10.0.0.100']), BOTH, [], ''],
  ['when not destination.ip', when('destination.ip', undefined, ['10.0.0.100']), [], BOTH, 'destination.ip'],
  ['when destination.port', when('destination.port', ['81']), ['GET / to cart:81'], ['GET /'], 'ports'],
  [
    'when a header',
    when('request.headers[X-Team]', ['blue', 'gr*']),
    ['GET / | x-team: blue', 'GET / | X-TEAM: green'],
    ['GET /', 'GET / | x-team: Blue', 'GET / | x-team: red', 'GET / | x-team: blue, red'],
    'request.headers[x-team]',
  ],
  [
    'when a header is there',
    when('request.headers[x-team]', ['*']),
    ['GET / | x-team: a', 'GET / | x-team: a | x-team: b'],
    ['GET /'],
    'request.headers[x-team]',
  ],
  [
    'when not a header',
    when('request.headers[x-team]', undefined, ['red']),
    ['GET /', 'GET / | x-team: blue'],
    ['GET / | x-team: red'],
    'request.headers[x-team]',
  ],
  [
    'when a header and not',
    when('request.headers[x-team]', ['*'], ['red']),
    ['GET / | x-team: blue'],
    ['GET / | x-team: red'],
    'request.headers[x-team]',
  ],
  [
    'when the header of the host, which is the host',
    when('request.headers[Host]', ['a.example']),
    ['GET / | host: A.example.', 'GET / | host: a.example:8080'],
    ['GET /'],
    'hosts',
  ],
  [
    'when the pseudo header of the host, which is the host',
    when('request.headers[:authority]', undefined, ['a.example']),
    ['GET /'],
    ['GET / | host: A.example.'],
    'notHosts',
  ],
  [
    'a header that proxies set',
    when('request.headers[x-forwarded-client-cert]', ['*']),
    [],
    ['GET /', 'GET / | x-forwarded-client-cert: URI=spiffe://cluster.local/ns/shop/sa/admin'],
    'request.headers[x-forwarded-client-cert]',
  ],
  [
    'the header that tells the caller, which nobody forges',
    when('request.headers[ambit-source]', ['spiffe://cluster.local/ns/web/*']),
    ['GET /'],
    ['boss GET /', 'boss GET / | ambit-source: spiffe://cluster.local/ns/web/sa/client;10.0.0.200'],
    'request.headers[ambit-source]',
  ],
  [
    'the addresses that a request passed, with the one that the waypoint saw',
    when('request.headers[x-forwarded-for]', ['*, 10.0.0.200', '10.0.0.200']),
    ['GET /', 'GET / | x-forwarded-for: 1.2.3.4'],
    ['boss GET /', 'boss GET / | x-forwarded-for: 10.0.0.200'],
    'request.headers[x-forwarded-for]',
  ],
  [
    'a header that the waypoint sets where it is missing',
    when('request.headers[x-request-id]', ['*']),
    ['GET /', 'GET / | x-request-id: mine'],
    [],
    '',
  ],
  [
    'the protocol that proxies tell of',
    when('request.headers[x-forwarded-proto]', ['http']),
    ['GET /', 'GET / | x-forwarded-proto: http'],
    ['GET / | x-forwarded-proto: https'],
    'request.headers[x-forwarded-proto]',
  ],
];

/** With a RequestAuthentication of issuer `me`. */
const OF_TOKENS: readonly Row[] = [
  [
    'a request principal',
    source({ requestPrincipals: ['me/alice'] }),
    ['GET / | token alice'],
    ['GET /', 'GET / | token bob', 'GET / | token nobody'],
    'requestPrincipals',
  ],
  [
    'a request principal by prefix needs a subject',
    source({ requestPrincipals: ['me/*'] }),
    ['GET / | token alice', 'GET / | token bob'],
    ['GET /', 'GET / | token nobody'],
    'requestPrincipals',
  ],
  [
    'any request principal',
    source({ requestPrincipals: ['*'] }),
    ['GET / | token bob'],
    ['GET /', 'GET / | token nobody'],
    'requestPrincipals',
  ],
  [
    'nobody with a token',
    source({ notRequestPrincipals: ['*'] }),
    ['GET /', 'GET / | token nobody'],
    ['GET / | token alice'],
    'notRequestPrincipals',
  ],
  [
    'when request.auth.principal',
    when('request.auth.principal', ['me/bob']),
    ['GET / | token bob'],
    ['GET /', 'GET / | token alice'],
    'requestPrincipals',
  ],
  [
    'when request.auth.audiences',
    when('request.auth.audiences', ['till']),
    ['GET / | token bank'],
    ['GET / | token shop', 'GET /'],
    'request.auth.audiences',
  ],
  [
    'when request.auth.presenter',
    when('request.auth.presenter', ['app']),
    ['GET / | token bob'],
    ['GET / | token alice'],
    'request.auth.presenter',
  ],
  [
    'when a claim in a list',
    when('request.auth.claims[groups]', ['ops']),
    ['GET / | token alice'],
    ['GET / | token nobody', 'GET /'],
    'request.auth.claims[groups]',
  ],
  [
    'when a claim within a claim',
    when('request.auth.claims[realm][role]', ['admin']),
    ['GET / | token alice'],
    ['GET / | token bob'],
    'request.auth.claims[realm][role]',
  ],
  [
    'when a claim that is a number',
    when('request.auth.claims[level]', ['3']),
    ['GET / | token bob'],
    ['GET / | token alice'],
    'request.auth.claims[level]',
  ],
  [
    'when a claim that is true',
    when('request.auth.claims[staff]', ['true']),
    ['GET / | token bob'],
    ['GET / | token alice'],
    'request.auth.claims[staff]',
  ],
  [
    'when a scope among several',
    when('request.auth.claims[scope]', ['write']),
    ['GET / | token alice'],
    ['GET / | token bob'],
    'request.auth.claims[scope]',
  ],
  [
    'when not a claim',
    when('request.auth.claims[groups]', undefined, ['dev']),
    ['GET /', 'GET / | token bob'],
    ['GET / | token alice'],
    'request.auth.claims[groups]',
  ],
];

const AUTHENTICATION = tokens('jwt', [{ issuer: 'me', jwks: KEYS }]);

const answers = (requests: readonly string[], says: string) => requests.map((text) => [text, says] as const);

function alone(
  [name, rule, matching, others, field]: Row,
  objects: readonly ReturnType<typeof policy>[],
): readonly Case[] {
  const missed = `deny no-allow-match (nearest shop/p#0 ${field})`;
  return [
    {
      name: `ALLOW ${name}`,
      objects: [policy('ALLOW', rule), ...objects],
      requests: Object.fromEntries([...answers(matching, 'allow shop/p#0'), ...answers(others, missed)]),
    },
    {
      name: `DENY ${name}`,
      objects: [policy('DENY', rule), ...objects],
      requests: Object.fromEntries([
        ...answers(matching, 'deny shop/p#0'),
        ...answers(others, 'allow no-allow-policies'),
      ]),
    },
  ];
}

export const FIELDS: readonly Case[] = [
  ...[...OPERATIONS, ...SOURCES, ...CONDITIONS].flatMap((row) => alone(row, [])),
  ...OF_TOKENS.flatMap((row) => alone(row, [AUTHENTICATION])),
];
