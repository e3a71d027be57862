import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Authorization, Match } from '../model.ts';
import { spiffeId } from '../spiffe.ts';
import {
  at,
  authorization,
  cidr,
  exact,
  match,
  prefix,
  presence,
  seeded,
  shuffled,
  suffix,
  viewOf,
  workload,
} from '../test-support.ts';
import { compilePolicy } from './compile.ts';
import { evaluate, formatBecause, formatDryRunHit } from './evaluate.ts';
import { explain, explainDryRun } from './explain.ts';
import { policyScope } from './scope.ts';

const alice = spiffeId('td', 'ns-a', 'alice');
const mtls = { source: alice, from: at('10.0.0.1', 40_000), to: at('10.0.1.1', 8080) };
const other = { ...mtls, source: spiffeId('other', 'ns-b', 'bob'), from: at('10.9.0.1', 40_000) };
const plaintext = { from: mtls.from, to: mtls.to };

const scopeOf = (...policies: readonly Authorization[]) => policyScope(policies.map(compilePolicy), []);

test('each match field decides for mTLS, plaintext and another identity as ztunnel does', () => {
  const rows: readonly [string, Partial<Match>, mtls: boolean, plaintext: boolean, other: boolean][] = [
    ['exact principal', { principals: [exact('td/ns/ns-a/sa/alice')] }, true, false, false],
    ['principal with the scheme', { principals: [exact('spiffe://td/ns/ns-a/sa/alice')] }, false, false, false],
    ['principal in other case', { principals: [exact('td/ns/ns-a/sa/Alice')] }, false, false, false],
    ['principal prefix', { principals: [prefix('td/ns/ns-a/')] }, true, false, false],
    ['empty principal prefix', { principals: [prefix('')] }, true, false, true],
    ['principal suffix', { principals: [suffix('/sa/bob')] }, false, false, true],
    ['principal presence', { principals: [presence] }, true, false, true],
    ['not principal', { notPrincipals: [exact('td/ns/ns-a/sa/alice')] }, false, true, true],
    ['not principal presence', { notPrincipals: [presence] }, false, true, false],
    ['namespace', { namespaces: [exact('ns-a')] }, true, false, false],
    ['namespace presence', { namespaces: [presence] }, true, false, true],
    ['not namespace', { notNamespaces: [exact('ns-a')] }, false, true, true],
    ['one of two namespaces', { namespaces: [exact('ns-b'), prefix('ns-')] }, true, false, true],
    ['service account', { serviceAccounts: [{ namespace: 'ns-a', serviceAccount: 'alice' }] }, true, false, false],
    [
      'not service account',
      { notServiceAccounts: [{ namespace: 'ns-a', serviceAccount: 'alice' }] },
      false,
      true,
      true,
    ],
    ['source range', { sourceIps: [cidr('10.0.0.0/24')] }, true, true, false],
    ['source range of all', { sourceIps: [cidr('0.0.0.0/0')] }, true, true, true],
    ['source range of the other family', { sourceIps: [cidr('::/0')] }, false, false, false],
    ['not source range', { notSourceIps: [cidr('10.0.0.0/24')] }, false, false, true],
    ['destination range', { destinationIps: [cidr('10.0.1.1')] }, true, true, true],
    ['not destination range', { notDestinationIps: [cidr('10.0.1.0/31')] }, false, false, false],
    ['destination port', { destinationPorts: [80, 8080] }, true, true, true],
    ['not destination port', { notDestinationPorts: [8080] }, false, false, false],
    ['fields are a conjunction', { namespaces: [presence], destinationPorts: [80] }, false, false, false],
    ['no field at all', {}, false, false, false],
  ];
  for (const [name, fields, ...want] of rows) {
    const scope = scopeOf(authorization('p', { matches: [fields] }));
    const got = [mtls, plaintext, other].map((conn) => evaluate(scope, conn).verdict === 'allow');
    assert.deepEqual(got, want, name);
  }
});

test('the degenerate shapes of a policy mean what they mean in ztunnel', () => {
  const yes = match({ destinationPorts: [8080] });
  const no = match({ destinationPorts: [1] });
  const empty = match({});
  const rows: readonly [string, Authorization['rules'], boolean][] = [
    ['no rules', [], false],
    ['a rule without clauses', [{ clauses: [] }], true],
    ['a clause without matches', [{ clauses: [{ matches: [] }] }], true],
    ['a match without fields', [{ clauses: [{ matches: [empty] }] }], false],
    ['a match without fields beside one that holds', [{ clauses: [{ matches: [empty, yes] }] }], true],
    ['matches are alternatives', [{ clauses: [{ matches: [no, yes] }] }], true],
    ['clauses must all hold', [{ clauses: [{ matches: [yes] }, { matches: [no] }] }], false],
    ['clauses that all hold', [{ clauses: [{ matches: [yes] }, { matches: [] }] }], true],
    ['rules are alternatives', [{ clauses: [{ matches: [no] }] }, { clauses: [{ matches: [yes] }] }], true],
  ];
  for (const [name, rules, matches] of rows) {
    assert.equal(evaluate(scopeOf(authorization('p', { rules })), mtls).verdict, matches ? 'allow' : 'deny', name);
    const deny = evaluate(scopeOf(authorization('p', { rules, action: 'DENY' })), mtls);
    assert.equal(deny.verdict, matches ? 'deny' : 'allow', `${name}, DENY`);
  }
});

const all = { rules: [{ clauses: [] }] };
const never = { clauses: [{ matches: [match({})] }] };

test('deny beats allow, and only ALLOW policies make allow the exception', () => {
  const rows: readonly [string, Authorization[], string, string][] = [
    ['nothing in scope', [], 'allow', 'no ALLOW policy applies, so everything is allowed'],
    [
      'only a DENY that misses',
      [authorization('d', { action: 'DENY' })],
      'allow',
      'no ALLOW policy applies, so everything is allowed',
    ],
    ['an ALLOW that matches', [authorization('a', all)], 'allow', 'policy default/a, rule 0'],
    ['an ALLOW that misses', [authorization('a')], 'deny', 'ALLOW policies apply and none of them matches'],
    [
      'both match',
      [authorization('a', all), authorization('d', { ...all, action: 'DENY' })],
      'deny',
      'policy default/d, rule 0',
    ],
    [
      'the first of two in name order',
      [authorization('b', all), authorization('a', all)],
      'allow',
      'policy default/a, rule 0',
    ],
  ];
  for (const [name, policies, verdict, because] of rows) {
    const decision = evaluate(scopeOf(...policies), mtls);
    assert.deepEqual([decision.verdict, formatBecause(decision.because)], [verdict, because], name);
  }
});

test('dry-run policies cut nothing and say what they would have done', () => {
  const dry = { dryRun: true } as const;
  const rows: readonly [string, Authorization[], string, unknown][] = [
    [
      'DENY',
      [authorization('d', { ...all, ...dry, action: 'DENY' })],
      'allow',
      [{ policy: 'default/d', rule: 0, action: 'DENY', would: 'deny', changes: true }],
    ],
    ['DENY that misses', [authorization('d', { ...dry, action: 'DENY' })], 'allow', undefined],
    [
      'ALLOW that would be the first',
      [authorization('a', dry)],
      'allow',
      [{ policy: 'default/a', action: 'ALLOW', would: 'deny', changes: true }],
    ],
    [
      'ALLOW that matches',
      [authorization('a', { ...all, ...dry })],
      'allow',
      [{ policy: 'default/a', rule: 0, action: 'ALLOW', would: 'allow', changes: false }],
    ],
    [
      'ALLOW does not save',
      [authorization('a', { ...all, ...dry }), authorization('e')],
      'deny',
      [{ policy: 'default/a', rule: 0, action: 'ALLOW', would: 'allow', changes: true }],
    ],
    [
      'ALLOW could not save from a DENY',
      [authorization('a', { ...all, ...dry }), authorization('d', { ...all, action: 'DENY' })],
      'deny',
      [{ policy: 'default/a', rule: 0, action: 'ALLOW', would: 'allow', changes: false }],
    ],
    [
      'DENY of what is denied already',
      [authorization('d', { ...all, ...dry, action: 'DENY' }), authorization('e')],
      'deny',
      [{ policy: 'default/d', rule: 0, action: 'DENY', would: 'deny', changes: false }],
    ],
    [
      'every rule that matches, and no other',
      [authorization('d', { ...dry, action: 'DENY', rules: [{ clauses: [] }, never, { clauses: [] }] })],
      'allow',
      [0, 2].map((rule) => ({ policy: 'default/d', rule, action: 'DENY', would: 'deny', changes: true })),
    ],
    [
      'ALLOW that misses beside an enforced one',
      [authorization('a', dry), authorization('e', all)],
      'allow',
      undefined,
    ],
  ];
  for (const [name, policies, verdict, hits] of rows) {
    const decision = evaluate(scopeOf(...policies), mtls);
    assert.deepEqual([decision.verdict, decision.dryRunHits], [verdict, hits], name);
  }
});

test('the policies of a workload are the global ones, those of its namespace and those that it names', () => {
  const local = workload('w', { namespace: 'app', authorizationPolicies: ['app/named', 'root/named'] });
  const policies = [
    authorization('global', { namespace: 'root', scope: 'GLOBAL' }),
    authorization('ours', { namespace: 'app' }),
    authorization('theirs', { namespace: 'elsewhere' }),
    authorization('named', { namespace: 'app', scope: 'WORKLOAD_SELECTOR' }),
    authorization('named', { namespace: 'root', scope: 'WORKLOAD_SELECTOR' }),
    authorization('unnamed', { namespace: 'app', scope: 'WORKLOAD_SELECTOR' }),
  ];
  const view = viewOf(local, ...policies);
  const considered = () => explain(view.policyScope(local), mtls).considered;
  assert.deepEqual(considered(), ['app/named', 'app/ours', 'root/global', 'root/named']);
  view.upsertAuthorization(authorization('ours', { namespace: 'app', scope: 'WORKLOAD_SELECTOR' }));
  assert.deepEqual(considered(), ['app/named', 'root/global', 'root/named'], 'a change of scope moves the policy');
  view.removeAuthorization('root/global');
  assert.deepEqual(considered(), ['app/named', 'root/named']);
});

test('a policy that is named and not known denies, and a DENY that is known still gives the reason', () => {
  const local = workload('w', { authorizationPolicies: ['default/late', 'default/later'] });
  const view = viewOf(local, authorization('a', all));
  assert.deepEqual(evaluate(view.policyScope(local), mtls), {
    verdict: 'deny',
    because: 'policy-not-yet-known',
    missing: ['default/late', 'default/later'],
  });
  view.upsertAuthorization(authorization('later', { scope: 'WORKLOAD_SELECTOR' }));
  assert.deepEqual(evaluate(view.policyScope(local), mtls).missing, ['default/late']);
  view.upsertAuthorization(authorization('d', { ...all, action: 'DENY' }));
  assert.deepEqual(evaluate(view.policyScope(local), mtls).because, { policy: 'default/d', rule: 0 });
  view.removeAuthorization('default/d');
  view.upsertAuthorization(authorization('late', { scope: 'WORKLOAD_SELECTOR' }));
  assert.equal(evaluate(view.policyScope(local), mtls).verdict, 'allow');
});

test('a scope stays the same object until a policy changes', () => {
  const local = workload('w');
  const twin = workload('twin');
  const view = viewOf(local, authorization('a', all));
  const scope = view.policyScope(local);
  assert.equal(view.policyScope(twin), scope);
  view.upsertAddress({ kind: 'workload', workload: workload('else') });
  assert.equal(view.policyScope(local), scope);
  view.upsertAuthorization(authorization('a', all));
  assert.notEqual(view.policyScope(local), scope);
});

test('a denial names the rule that came closest and the field that failed', () => {
  const rows: readonly [string, Authorization[], unknown][] = [
    ['no ALLOW rule at all', [authorization('a')], undefined],
    ['a rule that can never match', [authorization('a', { matches: [{}] })], undefined],
    [
      'the only rule',
      [authorization('a', { matches: [{ principals: [exact('td/ns/x/sa/y'), suffix('/z')] }] })],
      { policy: 'default/a', rule: 0, field: 'principals', wanted: 'td/ns/x/sa/y, */z', got: 'td/ns/ns-a/sa/alice' },
    ],
    [
      'one field wrong beats two',
      [
        authorization('a', { matches: [{ namespaces: [exact('x')], destinationPorts: [1] }] }),
        authorization('b', { matches: [{ namespaces: [exact('ns-a')], destinationPorts: [1] }] }),
      ],
      { policy: 'default/b', rule: 0, field: 'destinationPorts', wanted: '1', got: '8080' },
    ],
    [
      'more fields right among equals',
      [
        authorization('a', { matches: [{ destinationPorts: [1] }] }),
        authorization('b', { matches: [{ namespaces: [exact('ns-a')], notSourceIps: [cidr('10.0.0.0/8')] }] }),
      ],
      { policy: 'default/b', rule: 0, field: 'notSourceIps', wanted: 'none of 10.0.0.0/8', got: '10.0.0.1:40000' },
    ],
    [
      'the closest alternative of a clause',
      [
        authorization('a', {
          matches: [{ namespaces: [exact('x')], destinationPorts: [1] }, { destinationPorts: [2] }],
        }),
      ],
      { policy: 'default/a', rule: 0, field: 'destinationPorts', wanted: '2', got: '8080' },
    ],
  ];
  for (const [name, policies, want] of rows) {
    const scope = scopeOf(...policies);
    assert.equal(evaluate(scope, mtls).verdict, 'deny', name);
    assert.deepEqual(explain(scope, mtls).nearestMiss, want, name);
  }
  const miss = authorization('a', { matches: [{ destinationPorts: [1] }] });
  const hit = authorization('b', all);
  assert.equal(explain(scopeOf(miss, authorization('d', { ...all, action: 'DENY' })), mtls).nearestMiss, undefined);
  assert.equal(explain(scopeOf(miss, hit), mtls).nearestMiss, undefined);
  assert.equal(explain(policyScope([compilePolicy(miss)], ['default/late']), mtls).nearestMiss, undefined);
  const plain = explain(scopeOf(authorization('a', { matches: [{ principals: [presence] }] })), plaintext);
  assert.equal(plain.nearestMiss?.got, 'no identity (plaintext)');
});

test('a nearest miss is looked for among the first rules of very many, and considered are all', () => {
  const far = { clauses: [{ matches: [match({ namespaces: [exact('x')], destinationPorts: [1] })] }] };
  const near = { clauses: [{ matches: [match({ destinationPorts: [1] })] }] };
  const scope = (at: number) =>
    scopeOf(authorization('a', { rules: Array.from({ length: 2_000 }, (_, i) => (i === at ? near : far)) }));
  assert.equal(explain(scope(1_023), mtls).nearestMiss?.rule, 1_023);
  assert.equal(explain(scope(1_024), mtls).nearestMiss?.rule, 0);
  const many = Array.from({ length: 2_000 }, (_, i) => authorization(`p${i}`));
  assert.equal(explain(scopeOf(...many), mtls).considered.length, 2_000);
});

test('a dry-run ALLOW that would deny says what came closest', () => {
  const scope = scopeOf(
    authorization('a', { dryRun: true, matches: [{ destinationPorts: [1] }] }),
    authorization('b', { dryRun: true, matches: [{ principals: [exact('x')], destinationPorts: [1] }] }),
    authorization('d', { ...all, dryRun: true, action: 'DENY' }),
  );
  const hits = evaluate(scope, mtls).dryRunHits ?? [];
  assert.deepEqual(
    hits.map((hit) => [formatDryRunHit(hit), explainDryRun(scope, mtls, hit)?.field]),
    [
      ['DENY policy default/d, rule 0: would deny', undefined],
      ['no rule of ALLOW policy default/a matches: would deny', 'destinationPorts'],
      ['no rule of ALLOW policy default/b matches: would deny', 'principals'],
    ],
  );
});

test('finding rules by an index gives what trying all of them in order gives', () => {
  const random = seeded(7);
  const one = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const names = ['a', 'b', 'c'].map((n) => `td/ns/ns-${n}/sa/${n}`);
  const randomMatch = (): Partial<Match> => ({
    ...(random() < 0.4 && { principals: [random() < 0.8 ? exact(one(names)) : prefix('td/ns/ns-a')] }),
    ...(random() < 0.3 && { namespaces: [random() < 0.8 ? exact(one(['ns-a', 'ns-b', ''])) : presence] }),
    ...(random() < 0.3 && { serviceAccounts: [{ namespace: 'ns-c', serviceAccount: one(['c', 'd']) }] }),
    ...(random() < 0.3 && { destinationPorts: [one([80, 8080]), one([81, 8080])] }),
    ...(random() < 0.3 && { notDestinationPorts: [one([80, 8080])] }),
    ...(random() < 0.2 && { notPrincipals: [presence] }),
    ...(random() < 0.2 && { sourceIps: [cidr(one(['10.0.0.0/8', '10.0.0.2', 'fd00::/8']))] }),
  });
  const clauses = () => [
    { matches: [match(randomMatch()), match(randomMatch())] },
    { matches: [match(randomMatch())] },
  ];
  for (let round = 0; round < 300; round++) {
    const policies = Array.from({ length: 6 }, (_, i) =>
      authorization(`p${i}`, {
        action: one(['ALLOW', 'DENY'] as const),
        rules: Array.from({ length: Math.floor(random() * 3) }, () => ({
          clauses: clauses().slice(Math.floor(random() * 2)),
        })),
      }),
    );
    const scope = scopeOf(...shuffled(policies, random));
    const source = one([
      undefined,
      spiffeId('td', 'ns-a', 'a'),
      spiffeId('td', 'ns-c', 'c'),
      spiffeId('td', 'ns-b', 'x'),
    ]);
    const conn = {
      ...(source && { source }),
      from: at(one(['10.0.0.2', 'fd00::1']), 1),
      to: at('10.1.1.1', one([80, 8080])),
    };
    // The plain way: one policy at a time, in name order.
    const hit = (action: string) =>
      policies
        .filter((p) => p.action === action)
        .flatMap((p) => p.rules.map((rule, i) => ({ p, rule, i })))
        .find(({ p, rule }) => evaluate(scopeOf({ ...p, action: 'DENY', rules: [rule] }), conn).verdict === 'deny');
    const found = hit('DENY') ?? hit('ALLOW');
    const { because } = evaluate(scope, conn);
    assert.deepEqual(
      typeof because === 'object' ? because : undefined,
      found && { policy: `default/${found.p.name}`, rule: found.i },
      `round ${round}`,
    );
  }
});
