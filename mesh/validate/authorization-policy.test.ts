import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readAuthorizationPolicy } from '../derive/authorization-policy.ts';
import { authorizationPolicy as ap, kubeService, namespace, pod } from '../derive/test-objects.ts';
import { DEFAULT_MESH_CONFIG, type KubeObject } from '../kube-object.ts';
import { OPERATION_FIELDS, SOURCE_FIELDS, WHEN_KEY_NAMES, whenKey } from './authorization-fields.ts';
import { alone, among, type Row, tableOf } from './test-support.ts';
import { validate } from './validate.ts';

const table = tableOf(test, assert.deepEqual);

type Spec = Readonly<Record<string, unknown>>;
const policy = (spec: Spec) => ap('shop/p', spec);
const rule = (rule: unknown, more: Spec = {}) => policy({ ...more, rules: [rule] });
const source = (source: unknown, more: Spec = {}) => rule({ from: [{ source }] }, more);
const operation = (operation: unknown, more: Spec = {}) => rule({ to: [{ operation }] }, more);
const when = (key: string, values: unknown, more: Spec = {}) => rule({ when: [{ key, values }] }, more);
const SERVICE = { targetRefs: [{ kind: 'Service', name: 'web' }] };
const DENY = { action: 'DENY' };
const CUSTOM = { ...SERVICE, action: 'CUSTOM', provider: { name: 'opa' } };
const SOURCE = 'spec.rules[0].from[0].source';
const OPERATION = 'spec.rules[0].to[0].operation';

table('a legal AuthorizationPolicy is taken in silence', [
  ['nothing but a name', { ...policy({}), spec: undefined }, []],
  ['an empty spec: the deny-all of a namespace', policy({}), []],
  ['rule {}', rule({}), []],
  [
    'each L4 field of a source',
    source({
      principals: ['cluster.local/ns/a/sa/b', '*', 'cluster.local/ns/a/*', '*/sa/b'],
      namespaces: ['a', 'a-*'],
      ipBlocks: ['10.0.0.0/8', 'fd00::1'],
    }),
    [],
  ],
  [
    'each L4 field of a source, negated',
    source({ notPrincipals: ['*'], notNamespaces: ['a'], notIpBlocks: ['::/0'] }),
    [],
  ],
  ['service accounts, bare and with a namespace', source({ serviceAccounts: ['web', 'shop/web'] }), []],
  ['an exception without values', source({ namespaces: ['a'], notIpBlocks: [] }), []],
  ['ports', operation({ ports: ['0', '80', '65535'], notPorts: ['443'] }), []],
  [
    'every L4 condition',
    rule({
      when: [
        { key: 'source.ip', values: ['10.0.0.1'] },
        { key: 'destination.port', notValues: ['80'] },
        { key: 'source.namespace', values: ['a'] },
        { key: 'source.principal', values: ['*'] },
        { key: 'destination.ip', values: ['::1'] },
      ],
    }),
    [],
  ],
  [
    'HTTP for a service',
    operation({ paths: ['/a/{*}/b/{**}', '/x*', '*.js', '*'], methods: ['GET'], hosts: ['*.example'] }, SERVICE),
    [],
  ],
  [
    'HTTP conditions for a service',
    rule(
      {
        when: [
          { key: 'request.headers[X-User]', values: ['a*b'] },
          { key: 'request.auth.claims[groups][x]', values: ['a'] },
          { key: 'connection.sni', values: ['a'] },
        ],
      },
      SERVICE,
    ),
    [],
  ],
  ['CUSTOM for a service', operation({ paths: ['/'] }, CUSTOM), []],
  ['dry run', ap('shop/p', { rules: [{}] }, { annotations: { 'istio.io/dry-run': 'true' } }), []],
  ['a wildcard within a namespace, which waypoints match', source({ namespaces: ['a-*-b'] }, SERVICE), []],
] satisfies readonly Row[]);

table('an AuthorizationPolicy of the wrong shape is refused', [
  ['a second spec', { ...policy({}), specs: {} } as KubeObject, ['specs: unknown field; did you mean spec?']],
  ['spec is no object', { ...policy({}), spec: 'x' }, ['spec: "x" is no object']],
  ['a misspelt field', policy({ rulez: [{}] }), ['spec.rulez: unknown field; did you mean rules?']],
  ['a field of the wrong place', policy({ rules: [{ source: {} }] }), ['spec.rules[0].source: unknown field']],
  [
    'an action in small letters',
    policy({ action: 'deny', rules: [{}] }),
    ['spec.action: "deny" is none of ALLOW, DENY, AUDIT, CUSTOM; did you mean DENY?'],
  ],
  ['rules are no list', policy({ rules: {} }), ['spec.rules: {} is no list']],
  ['a rule is no object', rule('x'), ['spec.rules[0]: "x" is no object']],
  [
    'too many rules',
    policy({ rules: Array.from({ length: 513 }, () => ({})) }),
    ['spec.rules: has 513 entries, at most 512'],
  ],
  [
    'a port that YAML read as a number',
    operation({ ports: [80] }),
    [`${OPERATION}.ports[0]: 80 is no text (write "80")`],
  ],
  ['a text in place of a list', source({ namespaces: 'a' }), [`${SOURCE}.namespaces: "a" is no list`]],
  ['from without entries', rule({ from: [] }), ['spec.rules[0].from: must not be an empty list']],
  ['to without entries', rule({ to: [] }), ['spec.rules[0].to: must not be an empty list']],
  ['from without a source', rule({ from: [{}] }), ['spec.rules[0].from[0].source: is required']],
  ['a source without fields', source({}), [`${SOURCE}: is empty`]],
  ['an operation without fields', operation({}), [`${OPERATION}: is empty`]],
  ['only empty lists', source({ notPrincipals: [], notNamespaces: [] }), [`${SOURCE}: is empty`]],
  [
    'an empty list beside another',
    source({ principals: [], namespaces: ['a'] }),
    [`${SOURCE}.principals: must not be an empty list`],
  ],
  ['an empty value', source({ principals: [''] }), [`${SOURCE}.principals[0]: must not be empty`]],
  [
    'dry run misspelt',
    ap('shop/p', { rules: [{}] }, { annotations: { 'istio.io/dry-run': 'yes' } }),
    ['metadata.annotations[istio.io/dry-run]: "yes" is not true or false'],
  ],
] satisfies readonly Row[]);

table('a value that can never match is refused', [
  [
    'a CIDR with a bad prefix',
    source({ ipBlocks: ['10.0.0.0/33'] }),
    [`${SOURCE}.ipBlocks[0]: "10.0.0.0/33" is neither an IP address nor a CIDR block`],
  ],
  ['a host name as a range', source({ notIpBlocks: ['web'] }), [`${SOURCE}.notIpBlocks[0]`]],
  ['a bad remote range', source({ remoteIpBlocks: ['1.2.3'] }, SERVICE), [`${SOURCE}.remoteIpBlocks[0]`]],
  ['a port beyond 65535', operation({ ports: ['65536'] }), [`${OPERATION}.ports[0]: "65536" is no port`]],
  ['a named port', operation({ notPorts: ['http'] }), [`${OPERATION}.notPorts[0]: "http" is no port`]],
  ['a port range', operation({ ports: ['80-90'] }), [`${OPERATION}.ports[0]`]],
  [
    'a principal that is only an account',
    source({ principals: ['web'] }),
    [`${SOURCE}.principals[0]: "web" is no identity of a workload`],
  ],
  ['a principal without account', source({ principals: ['cluster.local/ns/a'] }), [`${SOURCE}.principals[0]`]],
  [
    'a wildcard in the middle of a principal',
    source({ principals: ['cluster.local/ns/*/sa/web'] }),
    [`${SOURCE}.principals[0]: "cluster.local/ns/*/sa/web" has a * in the middle`],
  ],
  [
    'wildcards at both ends',
    source({ principals: ['*web*'] }),
    [`${SOURCE}.principals[0]: "*web*" has a * in the middle`],
  ],
  [
    'a wildcard within a namespace',
    source({ namespaces: ['a-*-b'] }),
    [`${SOURCE}.namespaces[0]: "a-*-b" has a * in the middle`],
  ],
  [
    'a namespace in capitals',
    source({ notNamespaces: ['Shop'] }),
    [`${SOURCE}.notNamespaces[0]: "Shop" is no name that a namespace can have`],
  ],
  [
    'a service account with a wildcard',
    source({ serviceAccounts: ['shop/*'] }),
    [`${SOURCE}.serviceAccounts[0]: "shop/*" is neither`],
  ],
  ['a service account in three parts', source({ serviceAccounts: ['a/b/c'] }), [`${SOURCE}.serviceAccounts[0]`]],
  [
    'a service account of 321 letters',
    source({ serviceAccounts: ['a'.repeat(321)] }),
    [`${SOURCE}.serviceAccounts[0]: longer than 320`],
  ],
  [
    'too many service accounts',
    source({ serviceAccounts: Array.from({ length: 17 }, (_, i) => `a${i}`) }),
    [`${SOURCE}.serviceAccounts: has 17 entries, at most 16`],
  ],
  [
    'a trust domain with a path',
    source({ trustDomains: ['a/b'] }),
    [`${SOURCE}.trustDomains[0]: "a/b" is no trust domain`],
  ],
  [
    'a trust domain with a wildcard',
    source({ trustDomains: ['*a'] }),
    [`${SOURCE}.trustDomains[0]: "*a": ztunnel can not compare`],
  ],
  ['a path template with a partial segment', operation({ paths: ['/a/{*}x'] }, SERVICE), [`${OPERATION}.paths[0]`]],
  [
    'a path template with an operator after {**}',
    operation({ paths: ['/{**}/{*}'] }, SERVICE),
    [`${OPERATION}.paths[0]: "/{**}/{*}": {**} must be the last operator`],
  ],
  [
    'a path template with a wildcard',
    operation({ paths: ['/a*/{*}'] }, SERVICE),
    [`${OPERATION}.paths[0]: "/a*/{*}": a template can not have other wildcards`],
  ],
  [
    'a path template with an unknown operator',
    operation({ paths: ['/{id}'] }, SERVICE),
    [`${OPERATION}.paths[0]: "/{id}": "{id}" is no segment`],
  ],
  [
    'a path template with a forbidden character',
    operation({ paths: ['/{*}/a b'] }, SERVICE),
    [`${OPERATION}.paths[0]: "/{*}/a b": "a b" has a character`],
  ],
  ['a path with a wildcard in the middle', operation({ paths: ['/a/*/b'] }, SERVICE), [`${OPERATION}.paths[0]`]],
] satisfies readonly Row[]);

table('a condition that nobody can judge is refused', [
  ['an unknown key', when('source.port', ['80']), ['spec.rules[0].when[0].key: "source.port" is no known key']],
  [
    'a misspelt key',
    when('source.namespaces', ['a']),
    ['"source.namespaces" is no known key; did you mean source.namespace?'],
  ],
  ['a key of raw proxy metadata', when('experimental.envoy.filters.a.b[c]', ['d']), ['is no known key']],
  ['a header without a name', when('request.headers', ['d']), ['"request.headers" is no known key']],
  ['a claim with an empty name', when('request.auth.claims[]', ['d']), ['is no known key']],
  ['no key', rule({ when: [{ values: ['a'] }] }), ['spec.rules[0].when[0].key: must not be empty']],
  ['no values', rule({ when: [{ key: 'source.ip' }] }), ['spec.rules[0].when[0]: has neither values nor notValues']],
  ['empty values', when('source.ip', []), ['spec.rules[0].when[0]: has neither values nor notValues']],
  [
    'empty values beside others',
    rule({ when: [{ key: 'source.ip', values: [], notValues: ['::1'] }] }),
    ['when[0].values: must not be an empty list'],
  ],
  [
    'a value of another kind',
    when('source.ip', ['web']),
    ['spec.rules[0].when[0].values[0]: "web" is neither an IP address'],
  ],
  ['a bad port', when('destination.port', ['http']), ['spec.rules[0].when[0].values[0]: "http" is no port']],
  [
    'an unknown field',
    rule({ when: [{ key: 'source.ip', value: '::1', values: ['::1'] }] }),
    ['when[0].value: unknown field; did you mean values?'],
  ],
] satisfies readonly Row[]);

table('parts that contradict each other are refused', [
  [
    'selector and targetRefs',
    policy({ selector: { matchLabels: { a: 'b' } }, ...SERVICE }),
    ['spec: selector and targetRefs together'],
  ],
  [
    'targetRef and targetRefs',
    policy({ targetRef: { kind: 'Service', name: 'a' }, ...SERVICE }),
    ['spec: targetRef and targetRefs together'],
  ],
  ['DENY without rules', policy(DENY), ['spec.rules: a DENY policy without rules never matches']],
  ['CUSTOM without rules', policy({ ...CUSTOM }), ['spec.rules: a CUSTOM policy without rules never matches']],
  [
    'CUSTOM without a provider',
    rule({}, { ...SERVICE, action: 'CUSTOM' }),
    ['spec.provider.name: action CUSTOM needs'],
  ],
  ['a provider without CUSTOM', rule({}, { provider: { name: 'opa' } }), ['spec.provider: is for action CUSTOM only']],
  [
    'CUSTOM with identities',
    source({ principals: ['*'] }, CUSTOM),
    [`${SOURCE}.principals: can not be used with action CUSTOM`],
  ],
  [
    'CUSTOM with an exception of identities',
    source({ notNamespaces: ['a'] }, CUSTOM),
    [`${SOURCE}.notNamespaces: can not be used`],
  ],
  [
    'CUSTOM with a condition on the token',
    when('request.auth.claims[a]', ['b'], CUSTOM),
    ['when[0].key: request.auth.claims[a] can not be used with action CUSTOM'],
  ],
  [
    'CUSTOM as a dry run',
    ap('shop/p', { ...CUSTOM, rules: [{}] }, { annotations: { 'istio.io/dry-run': 'true' } }),
    ['is not possible with action CUSTOM'],
  ],
  [
    'service accounts and namespaces',
    source({ serviceAccounts: ['a'], notNamespaces: ['b'] }),
    [`${SOURCE}: serviceAccounts can not be combined with notNamespaces`],
  ],
  [
    'trust domains and principals',
    source({ trustDomains: ['a'], principals: ['*'] }),
    [`${SOURCE}.trustDomains: ztunnel can not combine it with principals`],
  ],
] satisfies readonly Row[]);

table('what a policy can be about', [
  [
    'a kind that is no target',
    policy({ targetRefs: [{ kind: 'Pod', name: 'a' }] }),
    ['spec.targetRefs[0].kind: Pod can not be a target'],
  ],
  [
    'a kind of another group',
    policy({ targetRef: { group: 'apps', kind: 'Service', name: 'a' } }),
    ['spec.targetRef.kind: Service of group apps can not'],
  ],
  ['a target without a name', policy({ targetRefs: [{ kind: 'Service' }] }), ['spec.targetRefs[0].name: is required']],
  [
    'a target in another namespace',
    policy({ targetRefs: [{ kind: 'Service', name: 'a', namespace: 'b' }] }),
    ['spec.targetRefs[0].namespace: a target is always in the namespace'],
  ],
  [
    'too many targets',
    policy({ targetRefs: Array.from({ length: 17 }, () => ({ kind: 'Service', name: 'a' })) }),
    ['spec.targetRefs: has 17 entries'],
  ],
  [
    'matchExpressions',
    policy({ selector: { matchExpressions: [] } }),
    ['spec.selector.matchExpressions: unknown field'],
  ],
  [
    'a wildcard in a label',
    policy({ selector: { matchLabels: { app: 'a*' } } }),
    ['spec.selector.matchLabels[app]: labels are compared as they are'],
  ],
  [
    'a wildcard in a key',
    policy({ selector: { matchLabels: { 'a*': 'b' } } }),
    ['spec.selector.matchLabels[a*]: a key can not have wildcards'],
  ],
  ['an empty key', policy({ selector: { matchLabels: { '': 'b' } } }), ['the key must not be empty']],
  [
    'a key that no label has',
    policy({ selector: { matchLabels: { 'a b': 'c' } } }),
    ['"a b" is no key that a label can have'],
  ],
  [
    'a value that no label has',
    policy({ selector: { matchLabels: { a: 'b c' } } }),
    ['"b c" is no value that a label can have'],
  ],
  [
    'a label that YAML read as true',
    policy({ selector: { matchLabels: { a: true } } }),
    ['true is no text (write "true")'],
  ],
  [
    'a selector without labels',
    policy({ selector: {} }),
    [],
    ['spec.selector: has no labels, so it selects every pod of namespace shop'],
  ],
  [
    'a GatewayClass outside the root namespace',
    policy({ targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'GatewayClass', name: 'istio-waypoint' }] }),
    [],
    ['a GatewayClass counts only in the root namespace'],
  ],
] satisfies readonly Row[]);

table('what ztunnel can not see is warned about by name', [
  [
    'DENY by path only',
    operation({ paths: ['/admin'] }, DENY),
    [],
    ['spec.rules[0]: denies every connection to the pods of namespace shop: ztunnel can not see HTTP (paths)'],
  ],
  [
    'DENY by method for some pods',
    operation({ methods: ['GET'] }, { ...DENY, selector: { matchLabels: { app: 'web' } } }),
    [],
    ['denies every connection to the pods of namespace shop with app=web'],
  ],
  [
    'DENY by path and port',
    operation({ paths: ['/admin'], ports: ['80'] }, DENY),
    [],
    ['spec.rules[0]: denies more than it says: ztunnel can not see HTTP (paths)'],
  ],
  [
    'DENY by path for some callers',
    rule({ from: [{ source: { namespaces: ['a'] } }], to: [{ operation: { paths: ['/x'] } }] }, DENY),
    [],
    ['denies more than it says'],
  ],
  [
    'ALLOW by path',
    operation({ paths: ['/'], hosts: ['a'] }),
    [],
    ['spec.rules[0]: never allows anything: ztunnel can not see HTTP (hosts, paths)', 'spec.rules: no rule is left'],
  ],
  [
    'ALLOW by path or by port',
    policy({ rules: [{ to: [{ operation: { paths: ['/'] } }] }, { to: [{ operation: { ports: ['80'] } }] }] }),
    [],
    ['spec.rules[0]: never allows anything'],
  ],
  ['ALLOW by header', when('request.headers[X]', ['a']), [], ['(when request.headers[X])', 'no rule is left']],
  [
    'DENY of everything',
    policy({ ...DENY, rules: [{}] }),
    [],
    ['spec.rules[0]: denies every connection to the pods of namespace shop'],
  ],
  [
    'DENY of everything in the mesh',
    ap('istio-system/p', { ...DENY, rules: [{}] }),
    [],
    ['denies every connection to the pods of the whole mesh'],
  ],
  [
    'an empty ALLOW in the root namespace',
    ap('istio-system/p', {}),
    [],
    ['spec: allows nothing: every connection to the pods of the whole mesh is denied'],
  ],
  ['AUDIT without targets', rule({}, { action: 'AUDIT' }), [], ['spec.action: ztunnel does not know AUDIT']],
] satisfies readonly Row[]);

table('what a waypoint can not see is warned about by name', [
  [
    'ALLOW by a pseudo header',
    when('request.headers[:path]', ['/a'], SERVICE),
    [],
    ['spec.rules[0]: never allows anything: waypoints can not read spec.rules[0].when[0].key: unknown key'],
  ],
  [
    'DENY by a pseudo header',
    when('request.headers[:path]', ['/a'], { ...SERVICE, ...DENY }),
    [],
    ['spec.rules[0]: is about more than it says: waypoints can not read'],
  ],
  ['the host, which has a pseudo header', when('request.headers[:authority]', ['a'], SERVICE), []],
] satisfies readonly Row[]);

table(
  'an authorizer that nobody has configured is warned about',
  [
    [
      'CUSTOM',
      operation({ paths: ['/'] }, CUSTOM),
      [],
      [
        'Service shop/web has no waypoint',
        'spec.provider.name: extensionProviders of the mesh configuration have no opa: what matches is denied',
      ],
    ],
  ] satisfies readonly Row[],
  among(namespace('shop'), kubeService('shop/web', {})),
);

table('a value that can match and seldom will is warned about', [
  [
    'a foreign trust domain',
    source({ principals: ['other.org/ns/a/sa/b', 'cluster.local/ns/a/sa/b'] }),
    [],
    [`${SOURCE}.principals[0]: "other.org" is not the trust domain of this mesh (cluster.local)`],
  ],
  [
    'a foreign trust domain with its scheme',
    source({ notPrincipals: ['spiffe://other.org/ns/a/sa/*'] }),
    [],
    [`${SOURCE}.notPrincipals[0]: "other.org" is not the trust domain`],
  ],
  ['any trust domain', source({ principals: ['*/ns/a/sa/b'] }), []],
  [
    'a foreign trust domain in a condition',
    when('source.principal', ['other.org/ns/a/sa/b']),
    [],
    ['spec.rules[0].when[0].values[0]: "other.org" is not the trust domain'],
  ],
  [
    'a method in small letters',
    operation({ methods: ['get'] }, SERVICE),
    [],
    [`${OPERATION}.methods[0]: methods are in capitals: "get"`],
  ],
  [
    'a path without its slash',
    operation({ paths: ['admin', '*/b'] }, SERVICE),
    [],
    [`${OPERATION}.paths[0]: every path begins with /: "admin"`],
  ],
] satisfies readonly Row[]);

const gateway = (path: string): KubeObject => ({
  ...kubeService(path, {}),
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'Gateway',
});
table(
  'a policy that meets nothing in this mesh is warned about',
  [
    ['labels that a pod has', policy({ selector: { matchLabels: { app: 'web' } } }), []],
    [
      'labels of different pods',
      policy({ selector: { matchLabels: { app: 'web', tier: 'db' } } }),
      [],
      ['spec.selector: no pod of namespace shop has app=web, tier=db'],
    ],
    [
      'labels of another namespace',
      policy({ selector: { matchLabels: { app: 'far' } } }),
      [],
      ['no pod of namespace shop has app=far'],
    ],
    [
      'the same in the root namespace',
      ap('istio-system/p', { selector: { matchLabels: { app: 'far' } }, rules: [{}] }),
      [],
    ],
    ['a service with a waypoint', rule({}, { targetRefs: [{ kind: 'Service', name: 'web' }] }), []],
    [
      'a service whose waypoint is missing',
      rule({}, { targetRefs: [{ kind: 'Service', name: 'lost' }] }),
      [],
      ['spec.targetRefs[0]: the waypoint of Service shop/lost, Gateway shop/gone, does not exist'],
    ],
    [
      'a service that opted out',
      rule({}, { targetRef: { kind: 'Service', name: 'plain' } }),
      [],
      ['spec.targetRef: Service shop/plain has no waypoint: nothing enforces this'],
    ],
    [
      'a service that does not exist',
      rule({}, { targetRefs: [{ kind: 'Service', name: 'nobody' }] }),
      [],
      ['spec.targetRefs[0]: Service shop/nobody does not exist'],
    ],
    [
      'a gateway that does not exist',
      rule({}, { targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'x' }] }),
      [],
      ['Gateway shop/x does not exist'],
    ],
  ] satisfies readonly Row[],
  among(
    namespace('shop', { labels: { 'istio.io/use-waypoint': 'wp' } }),
    gateway('shop/wp'),
    pod('shop/web', { labels: { app: 'web' } }),
    pod('shop/db', { labels: { tier: 'db' } }),
    pod('other/far', { labels: { app: 'far' } }),
    kubeService('shop/web', {}),
    kubeService('shop/lost', {}, { labels: { 'istio.io/use-waypoint': 'gone' } }),
    kubeService('shop/plain', {}, { labels: { 'istio.io/use-waypoint': 'none' } }),
  ),
);

test('validation and derivation agree on what only HTTP has', () => {
  const example = (name: string): string => {
    if (/principal/i.test(name)) return 'cluster.local/ns/a/sa/b';
    if (/port/i.test(name)) return '80';
    return /ip/i.test(name) ? '10.0.0.1' : 'a';
  };
  const l4 = (rule: unknown): boolean => {
    const object = policy({ rules: [rule] });
    assert.deepEqual(validate(object, alone).errors, [], JSON.stringify(rule));
    const reading = readAuthorizationPolicy(object, DEFAULT_MESH_CONFIG);
    return reading.kind === 'policy' && reading.rules[0]?.enforcement === 'as-written';
  };
  for (const [name, { http }] of SOURCE_FIELDS)
    assert.equal(l4({ from: [{ source: { [name]: [example(name)] } }] }), !http, name);
  for (const [name, { http }] of OPERATION_FIELDS)
    assert.equal(l4({ to: [{ operation: { [name]: [example(name)] } }] }), !http, name);
  for (const key of WHEN_KEY_NAMES)
    assert.equal(l4({ when: [{ key, values: [example(key)] }] }), whenKey(key)?.http !== true, key);
});

test('whatever is written, what validation takes derivation can read', () => {
  const junk: readonly unknown[] = [null, 0, '', 'x', [], {}, [[]], [{}], [null], { a: 1 }, true];
  for (const value of junk) {
    for (const spec of [
      value,
      { rules: value },
      { selector: value },
      { rules: [value] },
      { rules: [{ from: value }] },
      { rules: [{ when: value }] },
      { rules: [{ from: [{ source: { principals: value } }] }] },
      { action: value },
      { targetRefs: value },
    ]) {
      const object = { ...policy({}), spec } as KubeObject;
      if (validate(object, alone).errors.length > 0) continue;
      const reading = readAuthorizationPolicy(object, DEFAULT_MESH_CONFIG);
      if (reading.kind === 'policy') assert.notEqual(reading.status.reason, 'PartiallyInvalid', JSON.stringify(spec));
      if (reading.kind === 'policy') assert.notEqual(reading.status.reason, 'Invalid', JSON.stringify(spec));
    }
  }
});

test('an object made to be slow is judged in no time', () => {
  const many = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`fieldnumber${i}`, i]));
  const labels = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`istio.io/dataplane-mod${i}`, 'x']));
  const deep = JSON.parse(`${'['.repeat(50_000)}${']'.repeat(50_000)}`) as unknown;
  const started = performance.now();
  for (const object of [
    policy(many),
    ap('shop/p', {}, { labels }),
    policy({ rules: [many] }),
    policy({ action: deep }),
  ]) {
    const { errors, warnings } = validate(object, alone);
    assert.ok(errors.length <= 50 && warnings.length <= 50);
  }
  assert.ok(performance.now() - started < 2_000);
});

const slashes = (action: string, what: Spec) => operation(what, { ...SERVICE, action });

table('a denial that a second slash gets around is warned about', [
  ['an exact path', slashes('DENY', { paths: ['/admin'] }), [], [`${OPERATION}.paths[0]: does not catch "//admin"`]],
  [
    'a prefix, after a suffix',
    slashes('DENY', { paths: ['*.php', '/admin/*'] }),
    [],
    [`${OPERATION}.paths[1]: does not catch`],
  ],
  [
    'an exception from what is allowed',
    slashes('ALLOW', { notPaths: ['/admin'] }),
    [],
    [`${OPERATION}.notPaths[0]: does`],
  ],
  ['what is allowed: more slashes are then denied', slashes('ALLOW', { paths: ['/public'] }), []],
  ['any path', slashes('DENY', { paths: ['/*'] }), []],
  ['the end of a path', slashes('DENY', { paths: ['*/admin'] }), []],
]);
