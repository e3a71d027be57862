/** Behind a waypoint: what policies look at, and the policy that keeps everybody from going around it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Match } from '../model.ts';
import { spiffeId } from '../spiffe.ts';
import { at, authorization, cidr, exact, ip, match, prefix, presence, suffix } from '../test-support.ts';
import { compilePolicy } from './compile.ts';
import { evaluate, formatBecause } from './evaluate.ts';
import { explain } from './explain.ts';
import { requireWaypointName } from './require-waypoint.ts';
import { policyScope } from './scope.ts';

const alice = spiffeId('td', 'web', 'alice');
const waypoint = spiffeId('td', 'shop', 'w');
const to = at('10.0.1.1', 8080);
const DIRECT = { source: alice, from: at('10.0.0.1', 40_000), to };
const AROUND = { source: waypoint, from: at('10.0.0.9', 40_000), to };
const THROUGH = { ...AROUND, original: { identity: alice, ip: ip('10.0.0.1') } };
const PLAIN = { from: DIRECT.from, to };

const holds = (fields: Partial<Match>, facts: typeof AROUND) =>
  evaluate(policyScope([compilePolicy(authorization('p', { matches: [match(fields)] }))], []), facts).verdict ===
  'allow';

const account = (namespace: string, serviceAccount: string) => ({ namespace, serviceAccount });

/** Whether the match holds for the caller behind the waypoint, and for the waypoint's own calls. */
const rows: readonly (readonly [string, Partial<Match>, through: boolean, own: boolean])[] = [
  ["the caller's principal", { principals: [exact('td/ns/web/sa/alice')] }, true, false],
  ["the caller's namespace by a prefix of the principal", { principals: [prefix('td/ns/web/')] }, true, false],
  ["the waypoint's principal as a whole", { principals: [exact('td/ns/shop/sa/w')] }, true, true],
  ["a prefix of the waypoint's principal", { principals: [prefix('td/ns/shop/')] }, false, true],
  ["a suffix of the waypoint's principal", { principals: [suffix('/sa/w')] }, false, true],
  ['any principal', { principals: [presence] }, true, true],
  ["not the caller's principal", { notPrincipals: [exact('td/ns/web/sa/alice')] }, false, true],
  ["not the waypoint's principal", { notPrincipals: [exact('td/ns/shop/sa/w')] }, true, false],
  ['no principal', { notPrincipals: [presence] }, false, false],
  ["the caller's account", { serviceAccounts: [account('web', 'alice')] }, true, false],
  ["the waypoint's account", { serviceAccounts: [account('shop', 'w')] }, true, true],
  ["not the caller's account", { notServiceAccounts: [account('web', 'alice')] }, false, true],
  ["not the waypoint's account", { notServiceAccounts: [account('shop', 'w')] }, true, false],
  ["the caller's namespace", { namespaces: [exact('web')] }, true, false],
  ["the waypoint's namespace", { namespaces: [exact('shop')] }, false, true],
  ["not the caller's namespace", { notNamespaces: [exact('web')] }, false, true],
  ["not the waypoint's namespace", { notNamespaces: [exact('shop')] }, true, false],
  ["the caller's address", { sourceIps: [cidr('10.0.0.1')] }, true, false],
  ["the waypoint's address", { sourceIps: [cidr('10.0.0.9')] }, false, true],
  ["not the caller's address", { notSourceIps: [cidr('10.0.0.1')] }, false, true],
  ["not the waypoint's address", { notSourceIps: [cidr('10.0.0.9')] }, true, false],
  ["the destination's port", { destinationPorts: [8080] }, true, true],
];
for (const [name, fields, through, own] of rows) {
  const whom = through ? (own ? 'both' : 'the caller alone') : own ? 'the waypoint alone' : 'nobody';
  test(`behind a waypoint, a match of ${name} is about ${whom}`, () => {
    assert.deepEqual([holds(fields, THROUGH), holds(fields, AROUND)], [through, own]);
  });
}

const REQUIREMENT = authorization(requireWaypointName('shop', 'cart', 'Service'), {
  namespace: 'shop',
  scope: 'WORKLOAD_SELECTOR',
  action: 'DENY',
  matches: [match({ notPrincipals: [exact('td/ns/shop/sa/w')], destinationPorts: [8080] })],
});
const required = policyScope([compilePolicy(REQUIREMENT)], []);

test('a required waypoint is required of the peer, whomever it calls for', () => {
  const verdictOf = (facts: Parameters<typeof evaluate>[1]) => evaluate(required, facts).verdict;
  assert.equal(verdictOf(THROUGH), 'allow');
  assert.equal(verdictOf(AROUND), 'allow');
  assert.equal(verdictOf(DIRECT), 'deny');
  assert.equal(verdictOf(PLAIN), 'deny');
  assert.equal(verdictOf({ ...DIRECT, original: { identity: waypoint, ip: ip('10.0.0.9') } }), 'deny');
  assert.equal(verdictOf({ ...DIRECT, to: at('10.0.1.1', 9090) }), 'allow');
});

test('who goes around a required waypoint is told which one to go through', () => {
  const { because } = evaluate(required, DIRECT);
  assert.equal(
    formatBecause(because),
    'policy shop/ambit_require_waypoint_shop_cart, service shop/cart has L7 policy, so nobody gets around its waypoint: go through td/ns/shop/sa/w',
  );
});

test('a miss behind a waypoint names both identities', () => {
  const matches = [match({ principals: [exact('td/ns/web/sa/bob')] })];
  const scope = policyScope([compilePolicy(authorization('only-bob', { matches }))], []);
  assert.equal(explain(scope, THROUGH).nearestMiss?.got, 'td/ns/web/sa/alice (through waypoint td/ns/shop/sa/w)');
});
