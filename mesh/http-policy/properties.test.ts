import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seeded, shuffled } from '../test-support.ts';
import { compileHttpPolicies, customChecks, evaluateHttp } from './evaluate.ts';
import { explainHttp } from './explain.ts';
import type { HttpFacts } from './facts.ts';
import type { HttpPolicy } from './model.ts';
import { naively } from './test-naive.ts';
import { clause, factsOf, given, policy, RandomPolicies, request } from './test-policies.ts';

const ROUNDS = 4_000;

const chainOf = ({ request, sni }: HttpFacts) => (request !== undefined ? 'http' : sni === '' ? 'tcp' : 'tls');

function inShort(policies: readonly HttpPolicy[], facts: HttpFacts) {
  const scope = compileHttpPolicies(policies, chainOf(facts));
  const { verdict, because, audited = [], dryRunHits = [] } = evaluateHttp(scope, facts);
  return {
    verdict,
    because: typeof because === 'string' ? because : `${because.policy}#${because.rule}`,
    audited: audited.map(({ policy, rule }) => `${policy}#${rule}`),
    asked: customChecks(scope, facts).map(({ provider, rule }) => `${provider} for ${rule.policy}#${rule.rule}`),
    tried: dryRunHits.map(({ action, policy, rule }) => `${action} ${policy}${rule === undefined ? '' : `#${rule}`}`),
  };
}

test('random policies mean what the plain reading of the specification says', () => {
  const random = new RandomPolicies(seeded(61));
  const seen = new Map<string, number>();
  for (let round = 0; round < ROUNDS; round++) {
    const policies = random.policies();
    const naive = random.request();
    const found = inShort(policies, factsOf(naive));
    assert.deepEqual(found, naively(policies, naive), JSON.stringify({ policies, naive }));
    const kinds = [
      `${found.verdict} ${found.because.includes('#') ? 'by a rule' : found.because}`,
      ...(found.audited.length > 0 ? ['audited'] : []),
      ...(found.asked.length > 1 ? ['two are asked'] : []),
      ...(found.tried.length > 0 ? ['tried'] : []),
    ];
    for (const kind of kinds) seen.set(kind, (seen.get(kind) ?? 0) + 1);
  }
  const common = [...seen].filter(([, times]) => times > 20).map(([kind]) => kind);
  assert.deepEqual(common.sort(), [
    'allow by a rule',
    'allow no-allow-policies',
    'audited',
    'deny by a rule',
    'deny no-allow-match',
    'tried',
    'two are asked',
  ]);
});

test('the order in which policies arrive decides nothing', () => {
  const random = seeded(62);
  const policies = new RandomPolicies(random);
  for (let round = 0; round < 300; round++) {
    const some = policies.policies();
    const facts = factsOf(policies.request());
    assert.deepEqual(inShort(shuffled(some, random), facts), inShort(some, facts));
  }
});

test('a nearest miss is explained exactly where no ALLOW rule matched and some could have', () => {
  const random = new RandomPolicies(seeded(63));
  let explained = 0;
  for (let round = 0; round < 2_500; round++) {
    const policies = random.policies();
    const facts = factsOf(random.request());
    const scope = compileHttpPolicies(policies, chainOf(facts));
    const { nearestMiss } = explainHttp(scope, facts);
    if (nearestMiss === undefined) continue;
    explained++;
    assert.equal(evaluateHttp(scope, facts).because, 'no-allow-match');
  }
  assert.ok(explained > 50, `${explained}`);
});

test('a thousand policies cost as much as one, whatever they have in common', () => {
  const caller = given('PRINCIPAL', 'td/ns/a/sa/alice');
  const path = (index: number) => given('PATH', `/p${index}`);
  const rows: readonly [string, (index: number) => HttpPolicy['rules'][number]['clauses'], HttpFacts][] = [
    ['callers', (i) => [clause(given('PRINCIPAL', `td/ns/a/sa/s${i}`))], request({}, { principal: 'td/ns/a/sa/s7' })],
    ['paths of one caller', (i) => [clause(caller), clause(path(i))], request({ path: '/p7' })],
    ['callers of one path', (i) => [clause(given('NAMESPACE', `n${i}`)), clause(given('PATH', '/'))], request()],
    ['prefixes', (i) => [clause(given('PATH', `/p${i}/*`))], request({ path: '/p7/x' })],
    ['templates that end alike', (i) => [clause(given('PATH', `/p${i}/{*}/x`))], request({ path: '/p7/y/x' })],
    ['templates that begin alike', (i) => [clause(given('PATH', `/{*}/p${i}`))], request({ path: '/y/p7' })],
    ['methods and paths', (i) => [clause(given('METHOD', 'GET'), path(i))], request({ path: '/p7' })],
    ['hosts', (i) => [clause(given('HOST', `h${i}.example`))], request({ authority: 'H7.example.:80' })],
    ['values of a header', (i) => [clause(given('HEADER x-a', `v${i}`))], request({ headers: { 'x-a': 'v7' } })],
    [
      'addresses',
      (i) => [clause(given('SOURCE_IP', `10.${i >> 8}.${i & 255}.0/24`))],
      request({}, { from: '10.0.7.7' }),
    ],
    [
      'alternatives',
      (i) => [{ matches: [{ tests: [path(i)] }, { tests: [path(i + 5_000)] }] }],
      request({ path: '/p7' }),
    ],
  ];
  for (const [name, rule, facts] of rows) {
    const policies = Array.from({ length: 1_000 }, (_, index) => policy(`p${index}`, { rule: rule(index) }));
    const scope = compileHttpPolicies(policies, 'http');
    evaluateHttp(scope, facts);
    assert.ok(scope.allow.tried <= 2, `${name}: ${scope.allow.tried} rules were compared`);
    assert.equal(evaluateHttp(scope, facts).verdict, name === 'callers of one path' ? 'deny' : 'allow', name);
  }
});
