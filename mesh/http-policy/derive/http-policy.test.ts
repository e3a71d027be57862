import assert from 'node:assert/strict';
import { test } from 'node:test';
import { authorizationPolicy } from '../../derive/test-objects.ts';
import { DEFAULT_MESH_CONFIG } from '../../kube-object.ts';
import { compileHttpPolicies, customChecks, evaluateHttp } from '../evaluate.ts';
import type { HttpFacts, TokenFacts } from '../facts.ts';
import type { NEVER, PolicyRule, PolicyTest } from '../model.ts';
import { formatPattern } from '../patterns.ts';
import { request } from '../test-policies.ts';
import { readHttpPolicy } from './http-policy.ts';

const TARGET = { targetRefs: [{ kind: 'Service', name: 's' }] };
const config = { ...DEFAULT_MESH_CONFIG, trustDomain: 'td', trustDomainAliases: ['old'] };

function read(spec: Record<string, unknown>, path = 'app/p', annotations: Record<string, string> = {}) {
  const reading = readHttpPolicy(authorizationPolicy(path, { ...TARGET, ...spec }, { annotations }), config);
  assert.ok(reading !== undefined);
  return reading;
}

/** `PATH /a,/b*` for each test, `&` between tests, `|` between matches, `; ` between clauses. */
function short(rule: PolicyRule): string {
  const ofTest = ({ field, negated, patterns, header, claim }: PolicyTest) =>
    `${negated ? '!' : ''}${[field, header, claim.join('.')].filter((part) => part !== '').join(' ')} ${patterns.map(formatPattern).join(',')}`;
  return rule.clauses
    .map(({ matches }) => matches.map(({ tests }) => tests.map(ofTest).join(' & ')).join(' | '))
    .join('; ');
}

test('everything that can be written in a rule is about what it says', () => {
  const from = (source: object) => ({ from: [{ source }] });
  const to = (operation: object) => ({ to: [{ operation }] });
  const when = (key: string, ...values: readonly string[]) => ({ when: [{ key, values }] });
  const rows: readonly [string, object, string][] = [
    ['principals', from({ principals: ['td/ns/a/sa/b'] }), 'PRINCIPAL td/ns/a/sa/b,old/ns/a/sa/b'],
    ['cluster.local is ours', from({ principals: ['cluster.local/*'] }), 'PRINCIPAL cluster.local/*,td/*,old/*'],
    ['notPrincipals', from({ notPrincipals: ['*'] }), '!PRINCIPAL *'],
    ['namespaces', from({ namespaces: ['a', 'b*', '*c*d'] }), 'NAMESPACE a,b*,*c*d'],
    ['serviceAccounts', from({ serviceAccounts: ['x', 'a/y'] }), 'SERVICE_ACCOUNT app/x,a/y'],
    ['trustDomains', from({ trustDomains: ['td', 'far'] }), 'TRUST_DOMAIN td,old,far'],
    ['requestPrincipals', from({ requestPrincipals: ['iss/*'] }), 'REQUEST_PRINCIPAL iss/*'],
    ['ipBlocks', from({ ipBlocks: ['10.0.0.0/8', '::1'] }), 'SOURCE_IP 10.0.0.0/8,::1/128'],
    ['remoteIpBlocks', from({ remoteIpBlocks: ['10.1.1.1'] }), 'SOURCE_IP 10.1.1.1/32'],
    ['hosts', to({ hosts: ['a.b', '*.c'] }), 'HOST a.b,*.c'],
    ['ports', to({ ports: ['80', '0443'] }), 'DESTINATION_PORT 80,443'],
    ['methods', to({ methods: ['GET'], notMethods: ['P*'] }), 'METHOD GET & !METHOD P*'],
    ['paths', to({ paths: ['/a', '/b*', '*/c', '/{*}/d/{**}'] }), 'PATH /a,/b*,*/c,/{*}/d/{**}'],
    ['a header', when('request.headers[X-Role]', 'a*', '*/*', '*'), 'HEADER x-role a*,*/*,*'],
    ['the host as a header', when('request.headers[Host]', 'a.b'), 'HOST a.b'],
    ['a claim', when('request.auth.claims[a][b.c]', 'v'), 'CLAIM a.b.c v'],
    ['the token', when('request.auth.principal', 'i/s'), 'REQUEST_PRINCIPAL i/s'],
    ['audiences', when('request.auth.audiences', 'x'), 'AUDIENCE x'],
    ['presenter', when('request.auth.presenter', 'x'), 'PRESENTER x'],
    ['addresses', when('remote.ip', '10.0.0.1'), 'SOURCE_IP 10.0.0.1/32'],
    ['where to', when('destination.ip', '10.0.0.1'), 'DESTINATION_IP 10.0.0.1/32'],
    ['the name in TLS', when('connection.sni', '*.a'), 'SNI *.a'],
    [
      'both lists',
      { when: [{ key: 'source.namespace', values: ['a*'], notValues: ['ab'] }] },
      'NAMESPACE a* & !NAMESPACE ab',
    ],
    ['everything', {}, ''],
    [
      'all three, and alternatives',
      {
        ...from({ namespaces: ['a'] }),
        to: [{ operation: { methods: ['GET'] } }, { operation: { ports: ['80'] } }],
        ...when('source.ip', '10.0.0.1'),
      },
      'METHOD GET | DESTINATION_PORT 80; NAMESPACE a; SOURCE_IP 10.0.0.1/32',
    ],
  ];
  for (const [name, rule, expected] of rows) {
    const { policy, rules, problem } = read({ rules: [rule] });
    assert.deepEqual(rules, [{ enforcement: 'as-written', http: [], problems: [] }], name);
    assert.equal(problem, undefined);
    assert.equal(policy.rules.map(short).join(), expected, name);
  }
});

test('what nobody can read never admits: an ALLOW rule is left out, another one is about more', () => {
  const rows: readonly [string, unknown, string, RegExp][] = [
    [
      'an unknown field',
      { to: [{ operation: { path: ['/a'], methods: ['GET'] } }] },
      'METHOD GET',
      /operation\.path: unknown field/,
    ],
    ['a star in the middle', { to: [{ operation: { paths: ['/a*b'] } }] }, '', /"\/a\*b" is no path/],
    ['a template with two ends', { to: [{ operation: { paths: ['/{**}/{*}'] } }] }, '', /is no path/],
    ['a template that is glued', { to: [{ operation: { paths: ['/a{*}'] } }] }, '', /is no path/],
    [
      'a port that is none',
      { to: [{ operation: { ports: ['http'], methods: ['GET'] } }] },
      'METHOD GET',
      /"http" is no port/,
    ],
    ['one bad value among good', { to: [{ operation: { methods: ['GET', ''] } }] }, '', /"" is no text/],
    [
      'one bad exception among good',
      { to: [{ operation: { notMethods: ['GET', 7] } }] },
      '!METHOD GET',
      /7 is no text/,
    ],
    [
      'an exception that is none',
      { to: [{ operation: { notPaths: 'x', ports: ['80'] } }] },
      'DESTINATION_PORT 80',
      /not a list/,
    ],
    ['an empty list', { to: [{ operation: { methods: [], ports: ['80'] } }] }, 'DESTINATION_PORT 80', /empty list/],
    ['an empty operation', { to: [{ operation: {} }, { operation: { ports: ['80'] } }] }, '', /nothing in it/],
    [
      'an empty from',
      { from: [], to: [{ operation: { ports: ['80'] } }] },
      'DESTINATION_PORT 80',
      /from: not a list with entries/,
    ],
    [
      'an unknown key',
      {
        when: [
          { key: 'request.body', values: ['x'] },
          { key: 'source.ip', values: ['10.0.0.1'] },
        ],
      },
      'SOURCE_IP 10.0.0.1/32',
      /unknown key "request.body"/,
    ],
    ['data of a proxy', { when: [{ key: 'experimental.envoy.filters.x[y]', values: ['x'] }] }, '', /unknown key/],
    ['a pseudo header', { when: [{ key: 'request.headers[:path]', values: ['/a?x'] }] }, '', /unknown key/],
    ['a condition without values', { when: [{ key: 'source.ip' }] }, '', /neither values nor notValues/],
    ['no object', 'x', '', /not an object/],
  ];
  for (const [name, rule, left, problem] of rows) {
    for (const action of ['ALLOW', 'DENY', 'AUDIT'] as const) {
      const { policy, rules } = read({ action, rules: [{}, rule] });
      const isAllow = action === 'ALLOW';
      assert.equal(rules[1]?.enforcement, isAllow ? 'left-out' : 'widened', name);
      assert.match(rules[1]?.problems.join() ?? '', problem, name);
      const expected: PolicyRule | typeof NEVER | undefined = policy.rules[1];
      assert.ok(expected !== undefined);
      if (isAllow) assert.deepEqual(expected, { clauses: [{ matches: [] }] }, name);
      else assert.equal(short(expected), left, name);
    }
  }
});

test('a policy that is unreadable as a whole allows nothing, or matches everything', () => {
  const rows: readonly [string, Record<string, unknown>, string, RegExp][] = [
    ['an unknown field', { acton: 'DENY', rules: [{}] }, 'ALLOW of 0', /spec\.acton: unknown field/],
    ['an unknown field of a DENY', { action: 'DENY', rule: [] }, 'DENY of everything', /spec\.rule: unknown field/],
    ['an unknown action', { action: 'Deny', rules: [] }, 'DENY of everything', /"Deny" is no action/],
    ['rules that are none', { action: 'DENY', rules: {} }, 'DENY of everything', /spec\.rules: not a list/],
    ['a provider without use', { provider: { name: 'x' }, rules: [{}] }, 'ALLOW of 0', /goes with action CUSTOM only/],
    ['nobody to ask', { action: 'CUSTOM', rules: [] }, 'CUSTOM of everything', /needs the name of one/],
  ];
  for (const [name, spec, effect, expected] of rows) {
    const { policy, problem = '' } = read(spec);
    const what =
      policy.rules.length === 1 && policy.rules[0]?.clauses.length === 0 ? 'everything' : policy.rules.length;
    assert.equal(`${policy.action} of ${what}`, effect, name);
    assert.match(problem, expected, name);
  }
});

test('in CUSTOM policies nobody is asked for an identity: such a part asks about more', () => {
  const { policy, rules } = read({
    action: 'CUSTOM',
    provider: { name: 'authz' },
    rules: [
      {
        from: [{ source: { principals: ['x'], ipBlocks: ['10.0.0.0/8'] } }],
        when: [{ key: 'request.auth.claims[a]', values: ['b'] }],
      },
    ],
  });
  assert.equal(policy.provider, 'authz');
  assert.equal(policy.rules.map(short).join(), 'SOURCE_IP 10.0.0.0/8');
  assert.equal(rules[0]?.enforcement, 'widened');
  const scope = compileHttpPolicies([policy], 'http');
  assert.deepEqual(customChecks(scope, request()), [{ provider: 'authz', rule: { policy: 'app/p', rule: 0 } }]);
});

test('only ALLOW and DENY can be tried out; what is neither true nor false tries nothing', () => {
  const dryRun = (action: string, value: string) =>
    read({ action, rules: [{}] }, 'app/p', { 'istio.io/dry-run': value });
  assert.equal(dryRun('DENY', 'true').policy.dryRun, true);
  assert.equal(dryRun('AUDIT', 'true').policy.dryRun, false);
  assert.match(dryRun('AUDIT', 'true').remarks.join(), /only ALLOW and DENY/);
  assert.equal(dryRun('ALLOW', 'yes').policy.dryRun, false);
  assert.match(dryRun('ALLOW', 'yes').remarks.join(), /neither true nor false/);
});

test('what a policy is attached to', () => {
  const gatewayApi = 'gateway.networking.k8s.io';
  const rows: readonly [string, string, object, string, RegExp?][] = [
    ['a service', 'app/p', { kind: 'Service', name: 's' }, 'Service app/s'],
    ['a service of the core group', 'app/p', { group: 'core', kind: 'Service', name: 's' }, 'Service app/s'],
    [
      'a ServiceEntry',
      'app/p',
      { group: 'networking.istio.io', kind: 'ServiceEntry', name: 's' },
      'ServiceEntry app/s',
    ],
    ['a gateway', 'app/p', { group: gatewayApi, kind: 'Gateway', name: 'w' }, 'Gateway app/w'],
    [
      'the class',
      'istio-system/p',
      { group: gatewayApi, kind: 'GatewayClass', name: 'istio-waypoint' },
      'GatewayClass istio-waypoint',
    ],
    [
      'the class, from elsewhere',
      'app/p',
      { group: gatewayApi, kind: 'GatewayClass', name: 'istio-waypoint' },
      '',
      /only from the root namespace/,
    ],
    [
      'another class',
      'istio-system/p',
      { group: gatewayApi, kind: 'GatewayClass', name: 'istio' },
      '',
      /only GatewayClass istio-waypoint/,
    ],
    [
      'another namespace',
      'app/p',
      { kind: 'Service', name: 's', namespace: 'b' },
      '',
      /in the namespace of the policy/,
    ],
    [
      'another kind',
      'app/p',
      { group: 'apps', kind: 'Deployment', name: 's' },
      '',
      /Deployment of group "apps" can not be a target/,
    ],
    ['nothing', 'app/p', {}, '', /names nothing/],
  ];
  for (const [name, path, target, expected, problem] of rows) {
    const { targets, problems } = read({ targetRefs: [target] }, path);
    const names = targets.map((t) => `${t.kind} ${t.namespace === '' ? '' : `${t.namespace}/`}${t.name}`);
    assert.equal(names.join(), expected, name);
    assert.match(problems.join(), problem ?? /^$/, name);
  }
  const many = [
    { kind: 'Service', name: 'a' },
    { kind: 'Service', name: 'b' },
    { group: 'core', kind: 'Service', name: 'a' },
  ];
  assert.deepEqual(read({ targetRefs: many }).targets.length, 2, 'the same twice is once');
  assert.equal(readHttpPolicy(authorizationPolicy('app/p', { rules: [{}] }), config), undefined, 'not for waypoints');
});

test('a policy as people write it decides as they mean', () => {
  const token: TokenFacts = { principal: 'iss/joe', audiences: [], presenter: '', claims: { groups: ['admins'] } };
  const { policy } = read({
    rules: [
      { to: [{ operation: { methods: ['GET'], paths: ['/info*'], notPaths: ['/info/secret*'] } }] },
      {
        from: [{ source: { namespaces: ['a'] } }],
        to: [{ operation: { paths: ['/admin/{**}'] } }],
        when: [{ key: 'request.auth.claims[groups]', values: ['admins'] }],
      },
    ],
  });
  const scope = compileHttpPolicies([policy], 'http');
  const rows: readonly [string, HttpFacts, 'allow' | 'deny'][] = [
    ['reading', request({ path: '/info/x' }), 'allow'],
    ['reading what is secret', request({ path: '/info/secret/x' }), 'deny'],
    ['writing', request({ method: 'POST', path: '/info/x' }), 'deny'],
    ['an admin', request({ method: 'POST', path: '/admin/x', token }), 'allow'],
    ['an admin from elsewhere', request({ path: '/admin/x', token }, { principal: 'td/ns/b/sa/x' }), 'deny'],
    ['no token', request({ path: '/admin/x' }), 'deny'],
  ];
  for (const [name, facts, verdict] of rows) assert.equal(evaluateHttp(scope, facts).verdict, verdict, name);
});
