import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileHttpPolicies, customChecks, denialDetail, evaluateHttp } from './evaluate.ts';
import { explainHttp } from './explain.ts';
import type { HttpFacts, TokenFacts } from './facts.ts';
import { type HttpPolicy, NEVER, type PolicyTest } from './model.ts';
import { clause, connection, given, policy, request } from './test-policies.ts';

const deciding = (facts: HttpFacts, ...policies: readonly HttpPolicy[]) =>
  evaluateHttp(compileHttpPolicies(policies, facts.request === undefined ? 'tcp' : 'http'), facts);

const allows = (tested: PolicyTest, facts: HttpFacts) =>
  deciding(facts, policy('p', { rule: [clause(tested)] })).verdict === 'allow';

const token: TokenFacts = {
  principal: 'https://issuer/team/alice',
  audiences: ['shop', 'bank'],
  presenter: 'app-7',
  claims: {
    groups: ['dev', 'ops', 7],
    level: 3,
    admin: true,
    realm: { roles: ['writer'], name: 'main' },
    empty: '',
    list: [],
  },
};

test('each field decides as it is written', () => {
  const rows: readonly [string, PolicyTest, HttpFacts, boolean][] = [
    ['a host in other case', given('HOST', 'Shop.Example'), request({ authority: 'sHOP.eXAMPLE' }), true],
    ['a host with a dot at its end', given('HOST', 'shop.example'), request({ authority: 'shop.example.' }), true],
    ['such a dot before the port', given('HOST', 'shop.example'), request({ authority: 'shop.example.:8080' }), true],
    ['a dot at the end of what is written', given('HOST', 'a.b.'), request({ authority: 'a.b' }), true],
    ['a host with a port', given('HOST', 'shop.example'), request({ authority: 'shop.example:8080' }), true],
    ['a port that is asked for', given('HOST', 'a.b:8080'), request({ authority: 'a.b:8080' }), true],
    ['another port than is asked for', given('HOST', 'a.b:8080'), request({ authority: 'a.b:80' }), false],
    ['an address with a port', given('HOST', '[fd00::1]'), request({ authority: '[fd00::1]:80' }), true],
    ['the end of a host, and a port', given('HOST', '*.example'), request({ authority: 'a.example:80' }), true],
    ['a host that only contains it', given('HOST', 'a.example'), request({ authority: 'a.example.evil' }), false],
    ['a path', given('PATH', '/admin'), request({ path: '/admin' }), true],
    ['a path in other case', given('PATH', '/admin'), request({ path: '/Admin' }), false],
    ['a path below', given('PATH', '/admin'), request({ path: '/admin/x' }), false],
    ['a prefix, by character', given('PATH', '/adm*'), request({ path: '/administer' }), true],
    ['an escape in the other case', given('PATH', '/a%2fb'), request({ path: '/a%2Fb' }), true],
    ['one segment', given('PATH', '/a/{*}/c'), request({ path: '/a/b/c' }), true],
    ['one segment that is empty', given('PATH', '/a/{*}/c'), request({ path: '/a//c' }), false],
    ['one segment that is two', given('PATH', '/a/{*}/c'), request({ path: '/a/b/b/c' }), false],
    ['any number of segments', given('PATH', '/a/{**}/c'), request({ path: '/a/b/b/c' }), true],
    ['no segment at all', given('PATH', '/a/{**}'), request({ path: '/a/' }), true],
    ['one, then any', given('PATH', '/a/{*}/{**}'), request({ path: '/a/b/c/d' }), true],
    ['the tail of a template twice', given('PATH', '/{**}/b'), request({ path: '/a/b/c/b' }), true],
    ['a tail that overlaps', given('PATH', '/ab/{**}/ab'), request({ path: '/ab/ab' }), false],
    ['a method', given('METHOD', 'GET'), request(), true],
    ['a method in other case', given('METHOD', 'GET'), request({ method: 'get' }), false],
    ['a gRPC method by its path', given('PATH', '/pkg.Svc/Do'), request({ method: 'POST', path: '/pkg.Svc/Do' }), true],
    ['a header', given('HEADER x-a', '1'), request({ headers: { 'x-a': '1' } }), true],
    ['a repeated header', given('HEADER x-a', '1, 2'), request({ headers: { 'x-a': '1, 2' } }), true],
    ['a header that is empty is there', given('HEADER x-a', '*'), request({ headers: { 'x-a': '' } }), true],
    ['a header that is not there', given('HEADER x-a', '*'), request(), false],
    ['not a value, where the header is missing', given('!HEADER x-a', '1'), request(), true],
    ['the port of the service', given('DESTINATION_PORT', '80', '81'), request(), true],
    ['an identity', given('PRINCIPAL', 'td/ns/a/sa/alice'), request(), true],
    ['any identity, for plaintext', given('PRINCIPAL', '*'), request({}, { principal: '' }), false],
    [
      'a namespace with stars inside',
      given('NAMESPACE', 't*m-*-prod'),
      request({}, { principal: 'td/ns/team-x-prod/sa/s' }),
      true,
    ],
    ['a star that takes in nothing', given('NAMESPACE', 'a*b*b'), request({}, { principal: 'td/ns/ab/sa/s' }), false],
    ['an account', given('SERVICE_ACCOUNT', 'a/alice'), request(), true],
    ['a trust domain', given('TRUST_DOMAIN', 'td'), request(), true],
    ['another trust domain', given('TRUST_DOMAIN', 'td'), request({}, { principal: 'td.evil/ns/a/sa/alice' }), false],
    ['an address', given('SOURCE_IP', '10.0.0.0/24'), request(), true],
    ['no address in the other family', given('!SOURCE_IP', '::/0'), request(), true],
    [
      'what a forwarding header claims counts for nothing',
      given('SOURCE_IP', '192.0.2.1/32'),
      request({ headers: { 'x-forwarded-for': '192.0.2.1' } }),
      false,
    ],
    ['the address that was called', given('DESTINATION_IP', '10.9.0.1/32'), request(), true],
    ['a token', given('REQUEST_PRINCIPAL', '*'), request({ token }), true],
    ['no token', given('REQUEST_PRINCIPAL', '*'), request(), false],
    ['not this token, without one', given('!REQUEST_PRINCIPAL', 'https://issuer/*'), request(), true],
    ['an issuer', given('REQUEST_PRINCIPAL', 'https://issuer/team/*'), request({ token }), true],
    ['one of the audiences', given('AUDIENCE', 'bank'), request({ token }), true],
    ['the presenter', given('PRESENTER', 'app-*'), request({ token }), true],
    ['a member of a list', given('CLAIM groups', 'ops'), request({ token }), true],
    ['a number in a list', given('CLAIM groups', '7'), request({ token }), true],
    ['two members at once', given('CLAIM groups', 'dev,ops'), request({ token }), false],
    ['a number', given('CLAIM level', '3'), request({ token }), true],
    ['a truth value', given('CLAIM admin', 'true'), request({ token }), true],
    ['a claim within a claim', given('CLAIM realm.roles', 'writer'), request({ token }), true],
    ['an object', given('CLAIM realm', '*'), request({ token }), false],
    ['an empty claim', given('CLAIM empty', '*'), request({ token }), false],
    ['an empty list', given('CLAIM list', '*'), request({ token }), false],
    ['what every object has', given('CLAIM constructor.name', '*'), request({ token }), false],
    ['a claim of nobody', given('!CLAIM groups', 'dev'), request(), true],
    ['a name in the TLS inside', given('SNI', 'a.example'), request({}, { sni: 'A.example' }), true],
    ['no name in TLS', given('SNI', '*'), request(), false],
    ['no pattern', given('PATH'), request(), false],
  ];
  for (const [name, tested, facts, expected] of rows) assert.equal(allows(tested, facts), expected, name);
});

test('a DENY by path is not got around by spelling the host otherwise', () => {
  const deny = policy('d', { action: 'DENY', rule: [clause(given('HOST', 'admin.example'))] });
  for (const authority of [
    'admin.example',
    'ADMIN.example',
    'admin.example.',
    'admin.example:80',
    'Admin.Example.:80',
  ]) {
    assert.equal(deciding(request({ authority }), deny).verdict, 'deny', authority);
  }
});

test('what decides, in order: DENY, then the lack of ALLOW policies, then their rules', () => {
  const all = { clauses: [] };
  const deny = policy('d', { action: 'DENY', rule: [clause(given('PATH', '/no'))] });
  const allow = policy('a', { rules: [NEVER, all] });
  const nothing = policy('n');
  assert.deepEqual(deciding(request({ path: '/no' }), allow, deny), {
    verdict: 'deny',
    because: { policy: 'app/d', rule: 0 },
  });
  assert.deepEqual(deciding(request(), deny), { verdict: 'allow', because: 'no-allow-policies' });
  assert.deepEqual(deciding(request(), allow, nothing), { verdict: 'allow', because: { policy: 'app/a', rule: 1 } });
  assert.deepEqual(deciding(request(), nothing), { verdict: 'deny', because: 'no-allow-match' });
});

test('a denial names its rule as the reference does', () => {
  const named = denialDetail({ policy: 'app/d', rule: 2 });
  assert.equal(named, 'rbac_access_denied_matched_policy[ns[app]-policy[d]-rule[2]]');
  assert.equal(denialDetail('no-allow-match'), 'rbac_access_denied_matched_policy[none]');
});

test('a policy that is tried out, or audits, decides nothing and says what it saw', () => {
  const rule = [clause(given('PATH', '/x'))];
  const tried = policy('t', { action: 'DENY', dryRun: true, rule });
  const audit = policy('u', { action: 'AUDIT', rule });
  const first = policy('f', { dryRun: true, rule: [clause(given('PATH', '/y'))] });
  assert.deepEqual(deciding(request({ path: '/x' }), tried, audit, first), {
    verdict: 'allow',
    because: 'no-allow-policies',
    audited: [{ policy: 'app/u', rule: 0 }],
    dryRunHits: [
      { policy: 'app/t', rule: 0, action: 'DENY', would: 'deny', changes: true },
      { policy: 'app/f', action: 'ALLOW', would: 'deny', changes: true },
    ],
  });
});

test('everybody whom a CUSTOM policy names is asked once, in the order of their names', () => {
  const custom = (name: string, provider: string, path: string) =>
    policy(name, { action: 'CUSTOM', provider, rule: [clause(given('PATH', path))] });
  const policies = [
    custom('c', 'two', '/a*'),
    custom('b', 'two', '/ab'),
    custom('a', 'one', '/a*'),
    custom('z', 'three', '/z'),
  ];
  const scope = compileHttpPolicies(policies, 'http');
  assert.deepEqual(customChecks(scope, request({ path: '/ab' })), [
    { provider: 'one', rule: { policy: 'app/a', rule: 0 } },
    { provider: 'two', rule: { policy: 'app/b', rule: 0 } },
  ]);
  assert.deepEqual(customChecks(scope, request({ path: '/q' })), []);
});

test('without HTTP, an ALLOW rule that asks for it is left out, and a DENY rule denies more', () => {
  const rule = [clause(given('DESTINATION_PORT', '80')), clause(given('METHOD', 'GET'))];
  const blindRule = [clause(given('METHOD', 'GET'))];
  const plain = [clause(given('SOURCE_IP', '10.0.0.0/8'))];
  const rows: readonly [string, HttpPolicy, HttpFacts, 'allow' | 'deny'][] = [
    ['an ALLOW rule with a method', policy('p', { rule }), connection(), 'deny'],
    ['an ALLOW rule without', policy('p', { rule: plain }), connection(), 'allow'],
    ['a DENY rule, on its port', policy('p', { action: 'DENY', rule }), connection(), 'deny'],
    ['a DENY rule, on another port', policy('p', { action: 'DENY', rule }), connection({ port: 81 }), 'allow'],
    ['a DENY rule that asks for nothing else', policy('p', { action: 'DENY', rule: blindRule }), connection(), 'deny'],
    [
      'a DENY rule that says what not',
      policy('p', { action: 'DENY', rule: [clause(given('!METHOD', 'GET'))] }),
      connection(),
      'deny',
    ],
  ];
  for (const [name, written, facts, verdict] of rows) assert.equal(deciding(facts, written).verdict, verdict, name);
});

test('the name that TLS asks for counts where somebody looks, and hides nothing where nobody does', () => {
  const rule = [clause(given('SNI', 'a.example'))];
  const deny = policy('p', { action: 'DENY', rule });
  const rows: readonly [string, HttpPolicy, 'tls' | 'tcp', string, 'allow' | 'deny'][] = [
    ['allowed by name', policy('p', { rule }), 'tls', 'a.example', 'allow'],
    ['another name', policy('p', { rule }), 'tls', 'b.example', 'deny'],
    ['denied by name', deny, 'tls', 'a.example', 'deny'],
    ['another name than is denied', deny, 'tls', 'b.example', 'allow'],
    ['allowed by name, unseen', policy('p', { rule }), 'tcp', '', 'deny'],
    ['denied by name, unseen', deny, 'tcp', '', 'deny'],
  ];
  for (const [name, written, chain, sni, verdict] of rows) {
    assert.equal(evaluateHttp(compileHttpPolicies([written], chain), connection({ sni })).verdict, verdict, name);
  }
});

test('the nearest miss says which field stood in the way, and keeps secrets of callers', () => {
  const rows: readonly [string, readonly PolicyTest[], HttpFacts, string, string, string][] = [
    ['a path', [given('METHOD', 'GET'), given('PATH', '/a*')], request({ path: '/b' }), 'paths', '/a*', '/b'],
    ['a method that must not be', [given('!METHOD', 'GET')], request(), 'notMethods', 'none of GET', 'GET'],
    ['no token', [given('REQUEST_PRINCIPAL', '*')], request(), 'requestPrincipals', '*', 'no valid token'],
    [
      'a claim',
      [given('CLAIM realm.roles', 'reader')],
      request({ token }),
      'request.auth.claims[realm][roles]',
      'reader',
      'writer',
    ],
    [
      'a header',
      [given('HEADER x-key', 's1')],
      request({ headers: { 'x-key': 's2' } }),
      'request.headers[x-key]',
      's1',
      'another value',
    ],
    ['a header that is missing', [given('HEADER x-key', 's1')], request(), 'request.headers[x-key]', 's1', 'nothing'],
    [
      'a very long path',
      [given('PATH', '/a')],
      request({ path: `/${'b'.repeat(999)}` }),
      'paths',
      '/a',
      `/${'b'.repeat(255)}…`,
    ],
  ];
  for (const [name, tests, facts, field, wanted, got] of rows) {
    const scope = compileHttpPolicies([policy('p', { rule: [clause(...tests)] })], 'http');
    const expected = { considered: ['app/p'], nearestMiss: { policy: 'app/p', rule: 0, field, wanted, got } };
    assert.deepEqual(explainHttp(scope, facts), expected, name);
  }
});

test('patterns and paths that would ruin a backtracking matcher take one walk', () => {
  const path = `/${'a/'.repeat(20_000)}`;
  const host = 'a'.repeat(50_000);
  const rows: readonly [PolicyTest, HttpFacts][] = [
    [given('PATH', `/${'{*}/'.repeat(200)}{**}/x`), request({ path })],
    [given('NAMESPACE', `${'a*'.repeat(100)}b`), request({}, { principal: `td/ns/${'a'.repeat(1_800)}/sa/s` })],
    [given('HOST', `*${'a'.repeat(20_000)}b`), request({ authority: host })],
  ];
  for (const [tested, facts] of rows) for (let i = 0; i < 50; i++) assert.equal(allows(tested, facts), false);
});

test('a header in several lines evades no rule: what admits must hold for each line, what denies for one', async (t) => {
  const sent = (...lines: readonly string[]): HttpFacts => {
    const headers = { get: () => lines.join(', '), all: () => lines };
    const facts = request();
    return { ...facts, ...(facts.request && { request: { ...facts.request, headers } }) };
  };
  const verdict = (action: HttpPolicy['action'], tested: PolicyTest, facts: HttpFacts) =>
    deciding(facts, policy('p', { action, rule: [clause(tested)] })).verdict;
  const is = given('HEADER x-a', 'yes');
  const isNot = given('!HEADER x-a', 'yes');
  const rows: Readonly<
    Record<string, readonly ['allow' | 'deny', HttpPolicy['action'], PolicyTest, readonly string[]]>
  > = {
    'a DENY of a value finds it in the second line': ['deny', 'DENY', is, ['no', 'yes']],
    'a DENY of all other values finds one of them': ['deny', 'DENY', isNot, ['yes', 'no']],
    'a DENY of all other values lets the one pass that is sent once': ['allow', 'DENY', isNot, ['yes']],
    'an ALLOW of a value wants nothing beside it': ['deny', 'ALLOW', is, ['yes', 'no']],
    'an ALLOW of all other values finds the one in the second line': ['deny', 'ALLOW', isNot, ['no', 'yes']],
    'an ALLOW of all other values, none of which is it': ['allow', 'ALLOW', isNot, ['no', 'never']],
    'one line with a comma is one value': ['allow', 'DENY', is, ['no, yes']],
    'an ALLOW of a beginning wants it of each line': ['deny', 'ALLOW', given('HEADER x-a', 'ye*'), ['yes', 'no']],
  };
  for (const [name, [expected, action, tested, lines]] of Object.entries(rows)) {
    await t.test(name, () => assert.equal(verdict(action, tested, sent(...lines)), expected));
  }
});
