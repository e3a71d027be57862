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
  ];
  for (const [name, spec, action, rules] of rows) {
    const r = read(spec, 'app/p');
    assert.ok(r.kind === 'policy', name);
    assert.deepEqual([r.authorization.action, r.authorization.rules], [action, rules], name);
    assert.deepEqual([r.status.status, r.status.reason], ['False', 'Invalid'], name);
    assert.match(r.status.message, /^spec\.(selector|rules|action).*until it is corrected/, name);
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

test('a principal of our trust domain is meant under each of its names', () => {
  const config = { ...DEFAULT_MESH_CONFIG, trustDomain: 'new', trustDomainAliases: ['old'] };
  const rows: readonly [string, readonly string[]][] = [
    ['new/ns/a/sa/b', ['new/ns/a/sa/b', 'old/ns/a/sa/b']],
    ['old/ns/a/sa/b', ['old/ns/a/sa/b', 'new/ns/a/sa/b']],
    ['cluster.local/ns/a/sa/b', ['cluster.local/ns/a/sa/b', 'new/ns/a/sa/b', 'old/ns/a/sa/b']],
    ['other/ns/a/sa/b', ['other/ns/a/sa/b']],
  ];
  for (const [written, want] of rows) {
    const r = policyOf(read({ rules: [{ from: [{ source: { principals: [written] } }] }] }, 'app/p', config));
    assert.deepEqual(shortRules(r.authorization.rules), [[[{ principals: want.map(exact) }]]], written);
  }
});

test('a DENY policy without rules says that it has no effect', () => {
  assert.equal(policyOf(read({ action: 'DENY' })).status.reason, 'NoEffect');
  assert.equal(policyOf(read({ action: 'ALLOW' })).status.reason, 'Accepted', 'that is how everything is denied');
});

test('dry run is an annotation', () => {
  for (const [value, want] of [
    ['true', true],
    ['1', true],
    ['false', false],
    ['yes', false],
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
  [
    'a key that is not known',
    { ...L4_FROM, when: [{ key: 'request.headers[x]', values: ['1'] }] },
    A,
    'UnsupportedValue',
    /when request\.headers\[x\]/,
  ],
  ['a condition without key', { ...L4_FROM, when: [{ values: ['1'] }] }, A, 'UnsupportedValue', /when/],
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
    assert.deepEqual(shortRules(r.authorization.rules), A, name);
    assert.deepEqual(r.writtenRules, [1], name);
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
    assert.deepEqual([r.status.status, r.status.reason], ['True', reason], name);
    assert.match(r.status.message, message, name);
    assert.match(r.status.message, /more is denied/, name);
    assert.equal(verdict(r.authorization), 'deny', name);
  }
});

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
