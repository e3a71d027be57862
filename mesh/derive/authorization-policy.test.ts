import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_MESH_CONFIG } from '../kube-object.ts';
import type { AuthorizationRule, Match } from '../model.ts';
import { compilePolicy } from '../policy/compile.ts';
import { evaluate } from '../policy/evaluate.ts';
import { policyScope } from '../policy/scope.ts';
import { spiffeId } from '../spiffe.ts';
import { at, cidr, exact, prefix, presence, suffix } from '../test-support.ts';
import { type PolicyReading, readAuthorizationPolicy } from './authorization-policy.ts';
import { authorizationPolicy } from './test-objects.ts';

const read = (spec: Record<string, unknown>, path = 'app/p', config = DEFAULT_MESH_CONFIG, meta = {}) =>
  readAuthorizationPolicy(authorizationPolicy(path, spec, meta), config);

function policyOf(reading: PolicyReading) {
  assert.ok(reading.kind === 'policy', JSON.stringify(reading));
  return reading;
}

/** Rules in short: clauses of matches, empty fields left out. */
function shortRules(rules: readonly AuthorizationRule[]) {
  const short = (m: Match) => Object.fromEntries(Object.entries(m).filter(([, values]) => values.length > 0));
  return rules.map((rule) => rule.clauses.map((clause) => clause.matches.map(short)));
}

test('where a policy holds follows from its namespace and its selector', () => {
  const rows: readonly [string, string, Record<string, unknown>, string][] = [
    ['namespace', 'app/p', {}, 'NAMESPACE'],
    ['root namespace', 'istio-system/p', {}, 'GLOBAL'],
    ['selector', 'app/p', { selector: { matchLabels: { app: 'a' } } }, 'WORKLOAD_SELECTOR {"app":"a"}'],
    [
      'selector in the root namespace',
      'istio-system/p',
      { selector: { matchLabels: { app: 'a' } } },
      'WORKLOAD_SELECTOR {"app":"a"}',
    ],
    ['empty labels', 'app/p', { selector: { matchLabels: {} } }, 'WORKLOAD_SELECTOR {}'],
    ['empty selector', 'app/p', { selector: {} }, 'WORKLOAD_SELECTOR {}'],
    ['targetRef', 'app/p', { targetRef: { kind: 'Service', name: 's' } }, 'elsewhere'],
    ['targetRefs with selector', 'app/p', { selector: {}, targetRefs: [{ kind: 'Service', name: 's' }] }, 'elsewhere'],
    ['a targetRef that is none', 'app/p', { targetRef: null, targetRefs: [] }, 'NAMESPACE'],
    [
      'targetRefs before action',
      'app/p',
      { action: 'CUSTOM', targetRefs: [{ kind: 'Service', name: 's' }] },
      'elsewhere',
    ],
    ['AUDIT', 'app/p', { action: 'AUDIT' }, 'False UnsupportedValue'],
    ['CUSTOM', 'app/p', { action: 'CUSTOM' }, 'False UnsupportedValue'],
    ['targetRefs that are none', 'app/p', { targetRefs: {} }, 'NAMESPACE'],
    ['selector that is none', 'app/p', { selector: 'x' }, 'NAMESPACE'],
    ['labels that are none', 'app/p', { selector: { matchLabels: { a: 1 } } }, 'NAMESPACE'],
    ['labels that are none, for the mesh', 'istio-system/p', { selector: { matchLabels: [] } }, 'GLOBAL'],
  ];
  for (const [name, path, spec, want] of rows) {
    const r = read(spec, path);
    const got =
      r.kind === 'elsewhere'
        ? r.kind
        : r.kind === 'refused'
          ? `${r.status.status} ${r.status.reason}`
          : [r.authorization.scope, r.selector && JSON.stringify(r.selector)].filter(Boolean).join(' ');
    assert.equal(got, want, name);
  }
});

test('a policy that is unreadable as a whole denies what it may have been about, and says so', () => {
  const rows: readonly [string, Record<string, unknown>, action: 'ALLOW' | 'DENY', rules: unknown][] = [
    ['ALLOW for a selector that is none', { selector: 'x', rules: [{}] }, 'ALLOW', []],
    ['DENY for a selector that is none', { selector: 'x', action: 'DENY', rules: [] }, 'DENY', [{ clauses: [] }]],
    ['ALLOW with rules that are none', { rules: {} }, 'ALLOW', []],
    ['DENY with rules that are none', { action: 'DENY', rules: 'x' }, 'DENY', [{ clauses: [] }]],
    ['an action that is none', { action: 'BLOCK', rules: [] }, 'DENY', [{ clauses: [] }]],
    ['ALLOW for a target that is none', { targetRef: 'x', rules: [{}] }, 'ALLOW', []],
    ['DENY for targets that are none', { targetRefs: {}, action: 'DENY' }, 'DENY', [{ clauses: [] }]],
    ['ALLOW with a misspelt selector', { selectors: {}, rules: [{}] }, 'ALLOW', []],
    ['DENY with misspelt rules', { action: 'DENY', rule: [] }, 'DENY', [{ clauses: [] }]],
    ['ALLOW for expressions', { selector: { matchExpressions: [] }, rules: [{}] }, 'ALLOW', []],
    ['ALLOW for a label pattern', { selector: { matchLabels: { app: 'a*' } }, rules: [{}] }, 'ALLOW', []],
    [
      'DENY for a label pattern',
      { selector: { matchLabels: { 'a*': 'b' } }, action: 'DENY' },
      'DENY',
      [{ clauses: [] }],
    ],
    ['ALLOW that meant CUSTOM', { provider: { name: 'x' }, rules: [{}] }, 'ALLOW', []],
  ];
  for (const [name, spec, action, rules] of rows) {
    const r = read(spec, 'app/p');
    assert.ok(r.kind === 'policy', name);
    assert.deepEqual([r.authorization.action, r.authorization.rules], [action, rules], name);
    assert.deepEqual([r.status.status, r.status.reason], ['False', 'Invalid'], name);
    assert.match(r.status.message, /^spec\.\w+.*until it is corrected/, name);
  }
});

test('every L4 field and key is carried over', () => {
  const source = (fields: Record<string, unknown>) => ({ from: [{ source: fields }] });
  const rows: readonly [string, Record<string, unknown>, unknown][] = [
    ['an empty rule', {}, []],
    [
      'principals',
      source({ principals: ['td/ns/a/sa/b', 'td/*', '*/sa/b', '*'] }),
      [[{ principals: [exact('td/ns/a/sa/b'), prefix('td/'), suffix('/sa/b'), presence] }]],
    ],
    [
      'the scheme is not part of a principal',
      source({ principals: ['spiffe://td/ns/a/sa/b'] }),
      [[{ principals: [exact('td/ns/a/sa/b')] }]],
    ],
    ['notPrincipals', source({ notPrincipals: ['td/x'] }), [[{ notPrincipals: [exact('td/x')] }]]],
    [
      'namespaces',
      source({ namespaces: ['a', 'b-*'], notNamespaces: ['c'] }),
      [[{ namespaces: [exact('a'), prefix('b-')], notNamespaces: [exact('c')] }]],
    ],
    [
      'service accounts',
      source({ serviceAccounts: ['x', 'other/y'], notServiceAccounts: ['z'] }),
      [
        [
          {
            serviceAccounts: [
              { namespace: 'app', serviceAccount: 'x' },
              { namespace: 'other', serviceAccount: 'y' },
            ],
            notServiceAccounts: [{ namespace: 'app', serviceAccount: 'z' }],
          },
        ],
      ],
    ],
    [
      'addresses',
      source({ ipBlocks: ['10.0.0.1', 'fd00::/8'], notIpBlocks: ['10.0.0.0/24'] }),
      [[{ sourceIps: [cidr('10.0.0.1/32'), cidr('fd00::/8')], notSourceIps: [cidr('10.0.0.0/24')] }]],
    ],
    [
      'trust domains',
      source({ trustDomains: ['td'], notTrustDomains: ['bad'] }),
      [[{ principals: [prefix('td/')], notPrincipals: [prefix('bad/')] }]],
    ],
    [
      'trust domains by prefix, and any',
      source({ trustDomains: ['td*', '*'] }),
      [[{ principals: [prefix('td'), presence] }]],
    ],
    [
      'two sources are alternatives',
      { from: [{ source: { namespaces: ['a'] } }, { source: { namespaces: ['b'] } }] },
      [[{ namespaces: [exact('a')] }, { namespaces: [exact('b')] }]],
    ],
    [
      'ports',
      { to: [{ operation: { ports: ['80', '443'], notPorts: ['81'] } }] },
      [[{ destinationPorts: [80, 443], notDestinationPorts: [81] }]],
    ],
    [
      'from and to',
      { from: [{ source: { namespaces: ['a'] } }], to: [{ operation: { ports: ['80'] } }] },
      [[{ destinationPorts: [80] }], [{ namespaces: [exact('a')] }]],
    ],
    [
      'source.ip',
      { when: [{ key: 'source.ip', values: ['10.0.0.0/8'], notValues: ['10.0.0.1'] }] },
      [[{ sourceIps: [cidr('10.0.0.0/8')], notSourceIps: [cidr('10.0.0.1')] }]],
    ],
    [
      'source.namespace and source.principal',
      {
        when: [
          { key: 'source.namespace', values: ['a'] },
          { key: 'source.principal', notValues: ['x/y'] },
        ],
      },
      [[{ namespaces: [exact('a')] }], [{ notPrincipals: [exact('x/y')] }]],
    ],
    [
      'source.serviceAccount and source.trustDomain',
      {
        when: [
          { key: 'source.serviceAccount', values: ['x'], notValues: ['other/y'] },
          { key: 'source.trustDomain', values: ['td'], notValues: ['bad'] },
        ],
      },
      [
        [
          {
            serviceAccounts: [{ namespace: 'app', serviceAccount: 'x' }],
            notServiceAccounts: [{ namespace: 'other', serviceAccount: 'y' }],
          },
        ],
        [{ principals: [prefix('td/')], notPrincipals: [prefix('bad/')] }],
      ],
    ],
    [
      'not these addresses and ports',
      {
        when: [
          { key: 'destination.ip', notValues: ['10.1.0.0/16'] },
          { key: 'destination.port', notValues: ['80', '0'] },
          { key: 'source.namespace', notValues: ['a', '*'] },
        ],
      },
      [
        [{ notDestinationIps: [cidr('10.1.0.0/16')] }],
        [{ notDestinationPorts: [80, 0] }],
        [{ notNamespaces: [exact('a'), presence] }],
      ],
    ],
    [
      'destination.ip and destination.port',
      {
        when: [
          { key: 'destination.ip', values: ['10.1.1.1'] },
          { key: 'destination.port', values: ['80'] },
        ],
      },
      [[{ destinationIps: [cidr('10.1.1.1')] }], [{ destinationPorts: [80] }]],
    ],
  ];
  for (const [name, rule, want] of rows) {
    for (const action of ['ALLOW', 'DENY']) {
      const r = policyOf(read({ action, rules: [rule] }));
      assert.deepEqual(shortRules(r.authorization.rules), [want], `${name}, ${action}`);
      assert.deepEqual(r.status, { status: 'True', reason: 'Accepted', message: 'attached to ztunnel' }, name);
    }
  }
});

test('who is of our trust domain is meant under each of its names', () => {
  const config = { ...DEFAULT_MESH_CONFIG, trustDomain: 'new', trustDomainAliases: ['old'] };
  const exactly = (...values: readonly string[]) => values.map(exact);
  const domains = (...values: readonly string[]) => values.map((value) => prefix(`${value}/`));
  const rows: readonly [string, field: 'principals' | 'trustDomains', string, unknown][] = [
    ['its name', 'principals', 'new/ns/a/sa/b', exactly('new/ns/a/sa/b', 'old/ns/a/sa/b')],
    ['its old name', 'principals', 'old/ns/a/sa/b', exactly('old/ns/a/sa/b', 'new/ns/a/sa/b')],
    [
      'the name that every mesh may write',
      'principals',
      'cluster.local/ns/a/sa/b',
      exactly('cluster.local/ns/a/sa/b', 'new/ns/a/sa/b', 'old/ns/a/sa/b'),
    ],
    ['another domain', 'principals', 'other/ns/a/sa/b', exactly('other/ns/a/sa/b')],
    ['with its scheme', 'principals', 'spiffe://new/ns/a/sa/b', exactly('new/ns/a/sa/b', 'old/ns/a/sa/b')],
    ['a prefix behind it', 'principals', 'new/ns/a/*', [prefix('new/ns/a/'), prefix('old/ns/a/')]],
    ['a prefix within it', 'principals', 'ne*', [prefix('ne'), prefix('old/')]],
    ['a prefix of another', 'principals', 'oth*', [prefix('oth')]],
    ['a suffix within it', 'principals', '*ew/ns/a/sa/b', [suffix('ew/ns/a/sa/b'), exact('old/ns/a/sa/b')]],
    ['a suffix that all names end with', 'principals', '*/ns/a/sa/b', [suffix('/ns/a/sa/b')]],
    ['anybody', 'principals', '*', [presence]],
    ['the domain itself', 'trustDomains', 'new', domains('new', 'old')],
    ['the domain by its old name', 'trustDomains', 'old', domains('old', 'new')],
    ['the domain as every mesh may write it', 'trustDomains', 'cluster.local', domains('cluster.local', 'new', 'old')],
    ['another one', 'trustDomains', 'other', domains('other')],
    ['a prefix of it', 'trustDomains', 'n*', [prefix('n'), prefix('old/')]],
  ];
  for (const [name, field, written, want] of rows) {
    for (const [key, to] of [
      [field, 'principals'],
      [`not${field.charAt(0).toUpperCase()}${field.slice(1)}`, 'notPrincipals'],
    ] as const) {
      const r = policyOf(read({ rules: [{ from: [{ source: { [key]: [written] } }] }] }, 'app/p', config));
      assert.deepEqual(shortRules(r.authorization.rules), [[[{ [to]: want }]]], `${name}, ${key}`);
    }
  }
});

test('a DENY policy without rules says that it has no effect', () => {
  assert.equal(policyOf(read({ action: 'DENY' })).status.reason, 'NoEffect');
  assert.equal(policyOf(read({ action: 'ALLOW' })).status.reason, 'Accepted', 'that is how everything is denied');
});

test('a dry run that is neither on nor off is off, and says so', () => {
  const r = policyOf(read({}, 'app/p', DEFAULT_MESH_CONFIG, { annotations: { 'istio.io/dry-run': 'yes' } }));
  assert.deepEqual([r.status.status, r.status.reason], ['True', 'PartiallyInvalid']);
  assert.match(r.status.message, /"yes" is neither true nor false, so the policy is enforced/);
});

test('a dry run cuts nothing even where it can not be read', () => {
  const dry = { annotations: { 'istio.io/dry-run': 'true' } };
  const r = policyOf(read({ action: 'DENY', rules: 'x' }, 'app/p', DEFAULT_MESH_CONFIG, dry));
  assert.equal(r.authorization.dryRun, true);
  assert.match(r.status.message, /as a dry run: nothing is cut/);
});

test('the status says of every rule where it is enforced', () => {
  const http = { to: [{ operation: { methods: ['GET'], hosts: ['x'] } }] };
  const broken = { from: [{ source: { ipBlocks: ['x'] } }] };
  const rows: readonly [string, Record<string, unknown>, reason: string, message: string][] = [
    ['all', { rules: [L4_FROM] }, 'Accepted', 'attached to ztunnel'],
    [
      'an ALLOW rule for a waypoint among others',
      { rules: [L4_FROM, http, L4_FROM] },
      'UnsupportedValue',
      'attached to ztunnel; enforced as written: rules[0], rules[2]; rules[1] is left out, so less is allowed than ' +
        'written (ztunnel can not see HTTP attributes (hosts, methods), which a waypoint can enforce)',
    ],
    [
      'a DENY rule for a waypoint, and one that can not be read',
      { action: 'DENY', rules: [http, { ...broken, ...http }] },
      'PartiallyInvalid',
      'attached to ztunnel; rules[0] is enforced without some of its parts, so more is denied than written (ztunnel can ' +
        'not see HTTP attributes (hosts, methods), which a waypoint can enforce); rules[1] is enforced without some of its ' +
        'parts, so more is denied than written (ztunnel can not see HTTP attributes (hosts, methods), which a waypoint can ' +
        'enforce; not readable: spec.rules[1].from[0].source.ipBlocks: "x" is no address or range)',
    ],
  ];
  for (const [name, spec, reason, message] of rows) {
    assert.deepEqual(policyOf(read(spec)).status, { status: 'True', reason, message }, name);
  }
  const many = policyOf(read({ rules: Array.from({ length: 512 }, () => http) })).status.message;
  assert.ok(many.length < 4_000 && many.endsWith('and 496 more'), many.slice(-200));
});

test('dry run is an annotation', () => {
  for (const [value, want] of [
    ['true', true],
    ['1', true],
    ['false', false],
    ['yes', false],
    ['False', false],
  ] as const) {
    const r = read({}, 'app/p', DEFAULT_MESH_CONFIG, { annotations: { 'istio.io/dry-run': value } });
    assert.equal(policyOf(r).authorization.dryRun, want, value);
    assert.equal(/dry run/.test(policyOf(r).status.message), want, value);
  }
});

// What is written / whether ALLOW keeps the rule / what of it DENY keeps (null: everything is denied) / the condition's reason.
const L4_FROM = { from: [{ source: { namespaces: ['a'] } }] };
const A = [[[{ namespaces: [exact('a')] }]]];
const UNREADABLE: readonly [
  string,
  Record<string, unknown>,
  unknown,
  'UnsupportedValue' | 'PartiallyInvalid',
  RegExp,
][] = [
  [
    'only HTTP',
    { to: [{ operation: { methods: ['GET'], paths: ['/x'] } }] },
    [[]],
    'UnsupportedValue',
    /\(methods, paths\)/,
  ],
  [
    'HTTP beside L4 in another part',
    { ...L4_FROM, to: [{ operation: { methods: ['GET'] } }] },
    A,
    'UnsupportedValue',
    /methods/,
  ],
  [
    'HTTP and L4 in one operation',
    { to: [{ operation: { methods: ['GET'], ports: ['80'] } }] },
    [[[{ destinationPorts: [80] }]]],
    'UnsupportedValue',
    /methods/,
  ],
  [
    'one of two operations is HTTP',
    { to: [{ operation: { hosts: ['x'] } }, { operation: { ports: ['80'] } }] },
    [[]],
    'UnsupportedValue',
    /hosts/,
  ],
  ['negated HTTP', { ...L4_FROM, to: [{ operation: { notMethods: ['GET'] } }] }, A, 'UnsupportedValue', /notMethods/],
  [
    'remote address of HTTP',
    { from: [{ source: { remoteIpBlocks: ['10.0.0.0/8'] } }] },
    [[]],
    'UnsupportedValue',
    /remoteIpBlocks/,
  ],
  [
    'request principal',
    { from: [{ source: { requestPrincipals: ['*'], namespaces: ['a'] } }] },
    A,
    'UnsupportedValue',
    /requestPrincipals/,
  ],
  ...[
    'request.headers[x]',
    'request.auth.claims[a][b]',
    'request.auth.principal',
    'request.auth.audiences',
    'request.auth.presenter',
    'remote.ip',
    'connection.sni',
    'experimental.envoy.filters.x[y]',
  ].map((key): (typeof UNREADABLE)[number] => [
    `the key ${key}`,
    { ...L4_FROM, when: [{ key, notValues: ['1'] }] },
    A,
    'UnsupportedValue',
    new RegExp(RegExp.escape(`when ${key}`)),
  ]),
  [
    'a key that is not known',
    { ...L4_FROM, when: [{ key: 'source.ips', values: ['1'] }] },
    A,
    'PartiallyInvalid',
    /when\[0\]\.key: unknown key "source\.ips"/,
  ],
  [
    'a condition without key',
    { ...L4_FROM, when: [{ values: ['1'] }] },
    A,
    'PartiallyInvalid',
    /unknown key undefined/,
  ],
  [
    'a misspelt list of a condition',
    { ...L4_FROM, when: [{ key: 'source.ip', values: ['10.0.0.0/8'], value: ['x'] }] },
    [[[{ namespaces: [exact('a')] }], [{ sourceIps: [cidr('10.0.0.0/8')] }]]],
    'PartiallyInvalid',
    /when\[0\]\.value: unknown field/,
  ],
  [
    'a misspelt entry',
    { from: [{ source: { namespaces: ['a'] }, sources: {} }] },
    A,
    'PartiallyInvalid',
    /from\[0\]\.sources: unknown field/,
  ],
  [
    'a star within a namespace',
    { from: [{ source: { namespaces: ['a-*-b'] } }] },
    [[]],
    'PartiallyInvalid',
    /"a-\*-b" is no text, prefix\*/,
  ],
  [
    'stars around an exception',
    { from: [{ source: { namespaces: ['a'], notNamespaces: ['*b*'] } }] },
    A,
    'PartiallyInvalid',
    /notNamespaces: "\*b\*" is no text/,
  ],
  [
    'a star within a principal',
    { from: [{ source: { principals: ['td/*/sa/b'] } }] },
    [[]],
    'PartiallyInvalid',
    /"td\/\*\/sa\/b" is no principal/,
  ],
  [
    'a condition without values',
    { ...L4_FROM, when: [{ key: 'source.ip' }] },
    A,
    'PartiallyInvalid',
    /neither values nor notValues/,
  ],
  [
    'a malformed range',
    { from: [{ source: { ipBlocks: ['10.0.0.0/8', '10.0.0.0/99'] } }] },
    [[]],
    'PartiallyInvalid',
    /spec\.rules\[0\]\.from\[0\]\.source\.ipBlocks: "10\.0\.0\.0\/99" is no address or range/,
  ],
  [
    'a malformed exception',
    { from: [{ source: { namespaces: ['a'], notIpBlocks: ['x', '10.0.0.1'] } }] },
    [[[{ namespaces: [exact('a')], notSourceIps: [cidr('10.0.0.1')] }]]],
    'PartiallyInvalid',
    /notIpBlocks: "x"/,
  ],
  [
    'a malformed port',
    { ...L4_FROM, to: [{ operation: { ports: ['http'] } }] },
    A,
    'PartiallyInvalid',
    /ports: "http" is no port/,
  ],
  ['a port beyond the last', { to: [{ operation: { ports: ['65536'] } }] }, [[]], 'PartiallyInvalid', /65536/],
  ['a port that is a number', { to: [{ operation: { ports: [80] } }] }, [[]], 'PartiallyInvalid', /80 is no port/],
  ['an empty value', { from: [{ source: { namespaces: [''] } }] }, [[]], 'PartiallyInvalid', /"" is no text/],
  ['an empty list', { from: [{ source: { principals: [] } }] }, [[]], 'PartiallyInvalid', /empty list/],
  ['an empty source', { from: [{ source: {} }] }, [[]], 'PartiallyInvalid', /nothing in it/],
  ['an empty from', { from: [] }, [[]], 'PartiallyInvalid', /not a list with entries/],
  [
    'a misspelt field',
    { from: [{ source: { namespaces: ['a'], principal: ['x'] } }] },
    A,
    'PartiallyInvalid',
    /principal: unknown field/,
  ],
  ['a misspelt part', { ...L4_FROM, form: [] }, A, 'PartiallyInvalid', /form: unknown field/],
  ['a rule that is no object', 'x' as never, [[]], 'PartiallyInvalid', /spec\.rules\[0\]: not an object/],
  [
    'a service account with a wildcard',
    { from: [{ source: { serviceAccounts: ['a/*'] } }] },
    [[]],
    'PartiallyInvalid',
    /is no service account/,
  ],
  [
    'a trust domain pattern',
    { from: [{ source: { trustDomains: ['*.x'] } }] },
    [[]],
    'PartiallyInvalid',
    /trust domain/,
  ],
  [
    'trust domain and principal together',
    { from: [{ source: { principals: ['td/*'], trustDomains: ['td'] } }] },
    [[[{ principals: [prefix('td/')] }]]],
    'PartiallyInvalid',
    /can not be combined/,
  ],
];

test('an ALLOW rule with a part that L4 can not honour is left out, and the policy still makes deny the default', () => {
  for (const [name, rule, , reason, message] of UNREADABLE) {
    const r = policyOf(read({ action: 'ALLOW', rules: [rule, L4_FROM] }));
    assert.deepEqual(
      shortRules(r.authorization.rules),
      [[[{}]], ...A],
      `${name}: a rule that never matches keeps the place`,
    );
    assert.deepEqual(enforcement(r), ['left-out', 'as-written'], name);
    assert.deepEqual([r.status.status, r.status.reason], ['True', reason], name);
    assert.match(r.status.message, message, name);
    assert.match(r.status.message, /less is allowed/, name);
    const alone = policyOf(read({ action: 'ALLOW', rules: [rule] })).authorization;
    assert.equal(verdict(alone), 'deny', name);
  }
});

test('a DENY rule keeps what L4 can see, and an HTTP-only DENY denies instead of doing nothing', () => {
  for (const [name, rule, kept, reason, message] of UNREADABLE) {
    const r = policyOf(read({ action: 'DENY', rules: [rule] }));
    assert.deepEqual(shortRules(r.authorization.rules), kept, name);
    assert.deepEqual(enforcement(r), ['widened'], name);
    assert.deepEqual([r.status.status, r.status.reason], ['True', reason], name);
    assert.match(r.status.message, message, name);
    assert.match(r.status.message, /more is denied/, name);
    assert.equal(verdict(r.authorization), 'deny', name);
  }
});

const enforcement = (r: ReturnType<typeof policyOf>) => r.rules.map((rule) => rule.enforcement);

function verdict(authorization: Parameters<typeof compilePolicy>[0]) {
  const scope = policyScope([compilePolicy(authorization)], []);
  // Matches every readable part of the rows above.
  const source = spiffeId('td', 'a', 'b');
  const conn = { source, from: at('10.0.0.9', 1), to: at('10.0.0.1', 80) };
  return evaluate(scope, conn).verdict;
}

test('an object full of nonsense is refused or denied, never an exception', () => {
  for (const spec of [
    null,
    [],
    'x',
    { rules: [null] },
    { rules: [{ from: [null], to: 'x', when: [null] }] },
    { selector: [] },
  ]) {
    for (const action of ['ALLOW', 'DENY', null, 7]) {
      const r = read({ ...(typeof spec === 'object' && spec), action });
      assert.ok(r.kind === 'policy' || r.kind === 'refused');
    }
  }
});
