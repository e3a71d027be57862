import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Authorization, AuthorizationRule, Match, StringMatch } from '../model.ts';
import { spiffeId } from '../spiffe.ts';
import { at, cidr, exact, ip, match, prefix, presence, seeded, shuffled, suffix } from '../test-support.ts';
import { compilePolicy } from './compile.ts';
import { evaluate, type PolicyDecision } from './evaluate.ts';
import { explain } from './explain.ts';
import { policyScope } from './scope.ts';
import type { ConnectionFacts } from './subject.ts';
import { type NaiveConnection, type NaiveIdentity, naively, ruleHolds } from './test-naive.ts';

const ROUNDS = 1_500;
type Random = () => number;

const one = <T>(random: Random, items: readonly T[]): T => {
  const item = items[Math.floor(random() * items.length)];
  assert.ok(item !== undefined);
  return item;
};
const some = <T>(random: Random, items: readonly T[]): readonly T[] =>
  Array.from({ length: 1 + Math.floor(random() * 2) }, () => one(random, items));
const upTo = <T>(random: Random, most: number, make: () => T): readonly T[] =>
  Array.from({ length: Math.floor(random() * (most + 1)) }, make);

const WAYPOINT = { trustDomain: 'td', namespace: 'a', account: 'w' };
const PRINCIPALS: readonly StringMatch[] = [
  exact('td/ns/a/sa/x'),
  exact('td/ns/b/sa/y'),
  exact('td/ns/a/sa/w'),
  exact('other/ns/a/sa/x'),
  prefix('td/ns/a/'),
  prefix('td/'),
  prefix('td/ns/'),
  suffix('/sa/y'),
  presence,
];
const NAMESPACES: readonly StringMatch[] = [exact('a'), exact('b'), prefix('a'), suffix('b'), presence];
const ACCOUNTS = ['a/x', 'b/y', 'a/y', 'a/w'].map((text) => {
  const [namespace = '', serviceAccount = ''] = text.split('/');
  return { namespace, serviceAccount };
});
const RANGES = ['10.0.0.0/8', '10.0.0.2', '10.0.0.2/31', '0.0.0.0/0', '10.1.0.0/16', 'fd00::/8', 'fd00::2', '::/0'];
const PORTS = [80, 81, 8080];

function randomMatch(random: Random): Match {
  const maybe = <K extends keyof Match>(field: K, items: readonly Match[K][number][]) =>
    random() < 0.17 ? { [field]: some<Match[K][number]>(random, items) } : {};
  const ranges = RANGES.map(cidr);
  return match({
    ...maybe('principals', PRINCIPALS),
    ...maybe('notPrincipals', PRINCIPALS),
    ...maybe('namespaces', NAMESPACES),
    ...maybe('notNamespaces', NAMESPACES),
    ...maybe('serviceAccounts', ACCOUNTS),
    ...maybe('notServiceAccounts', ACCOUNTS),
    ...maybe('sourceIps', ranges),
    ...maybe('notSourceIps', ranges),
    ...maybe('destinationIps', ranges),
    ...maybe('notDestinationIps', ranges),
    ...maybe('destinationPorts', PORTS),
    ...maybe('notDestinationPorts', PORTS),
  });
}

const randomRule = (random: Random): AuthorizationRule => ({
  clauses: upTo(random, 2, () => ({ matches: upTo(random, 3, () => randomMatch(random)) })),
});

const randomPolicies = (random: Random): readonly Authorization[] =>
  upTo(random, 6, () => 0).map((_, index) => ({
    name: `p${index}`,
    namespace: one(random, ['app', 'root']),
    scope: 'NAMESPACE',
    action: one(random, ['ALLOW', 'ALLOW', 'DENY']),
    rules: upTo(random, 3, () => randomRule(random)),
    dryRun: random() < 0.3,
  }));

function randomConnection(random: Random): NaiveConnection {
  const identity = one(
    random,
    [
      undefined,
      { trustDomain: 'td', namespace: 'a', account: 'x' },
      { trustDomain: 'td', namespace: 'b', account: 'y' },
      { trustDomain: 'other', namespace: 'a', account: 'y' },
    ].map((held) => ({ held })),
  ).held;
  return {
    ...(identity && { identity }),
    ...(identity && random() < 0.3 && { waypoint: WAYPOINT }),
    from: one(random, ['10.0.0.2', '10.0.0.3', '10.1.9.9', '192.0.2.1', 'fd00::2', '2001:db8::1']),
    to: one(random, ['10.0.0.2', '10.1.0.1', 'fd00::2']),
    port: one(random, PORTS),
  };
}

const idOf = ({ trustDomain, namespace, account }: NaiveIdentity) => spiffeId(trustDomain, namespace, account);

function factsOf({ identity, waypoint, from, to, port }: NaiveConnection): ConnectionFacts {
  if (identity !== undefined && waypoint !== undefined) {
    const original = { identity: idOf(identity), ip: ip(from) };
    return { source: idOf(waypoint), from: at('10.0.0.9', 40_000), to: at(to, port), original };
  }
  return { ...(identity && { source: idOf(identity) }), from: at(from, 40_000), to: at(to, port) };
}

const scopeOf = (policies: readonly Authorization[]) => policyScope(policies.map(compilePolicy), []);

function inShort({ verdict, because, dryRunHits = [] }: PolicyDecision) {
  return {
    verdict,
    because: typeof because === 'string' ? because : `${because.policy}#${because.rule}`,
    tried: dryRunHits.map(({ action, policy, rule }) => `${action} ${policy}${rule === undefined ? '' : `#${rule}`}`),
  };
}

test('random policies mean what the plain reading of the specification says', () => {
  const random = seeded(51);
  const seen = new Map<string, number>();
  for (let round = 0; round < ROUNDS; round++) {
    const policies = randomPolicies(random);
    const conn = randomConnection(random);
    const found = inShort(evaluate(scopeOf(policies), factsOf(conn)));
    assert.deepEqual(found, naively(policies, conn), `round ${round}: ${JSON.stringify({ policies, conn })}`);
    const kind = `${found.verdict} ${found.because.includes('#') ? 'rule' : found.because}`;
    seen.set(kind, (seen.get(kind) ?? 0) + 1);
    if (found.tried.length > 0) seen.set('tried', (seen.get('tried') ?? 0) + 1);
  }
  const kinds = ['allow no-allow-policies', 'allow rule', 'deny no-allow-match', 'deny rule', 'tried'];
  for (const kind of kinds) assert.ok((seen.get(kind) ?? 0) > ROUNDS / 20, `${kind} hardly ever came up`);
});

test('a decision depends neither on the order of policies, rules, clauses and matches nor on that of values', () => {
  const random = seeded(52);
  const reordered = (m: Match): Match =>
    Object.fromEntries(Object.entries(m).map(([field, values]) => [field, shuffled<unknown>(values, random)])) as Match;
  const rule = ({ clauses }: AuthorizationRule) => ({
    clauses: shuffled(clauses, random).map(({ matches }) => ({ matches: shuffled(matches.map(reordered), random) })),
  });
  for (let round = 0; round < ROUNDS; round++) {
    const policies = randomPolicies(random);
    const facts = factsOf(randomConnection(random));
    const [before, after] = [
      evaluate(scopeOf(policies), facts),
      evaluate(scopeOf(shuffled(policies, random).map((p) => ({ ...p, rules: p.rules.map(rule) }))), facts),
    ];
    assert.deepEqual(after, before, `round ${round}`);
    // Rules are known by their number, so here only what comes of them is the same.
    const turned = evaluate(scopeOf(policies.map((p) => ({ ...p, rules: shuffled(p.rules, random) }))), facts);
    assert.equal(turned.verdict, before.verdict, `round ${round}`);
    assert.equal(turned.dryRunHits?.length, before.dryRunHits?.length, `round ${round}`);
  }
});

test('a waypoint in between changes no verdict of policies that do not name it', () => {
  const random = seeded(54);
  const isNamed = (m: Match) =>
    m.principals.some((p) => p.kind === 'exact' && p.value === 'td/ns/a/sa/w') ||
    m.serviceAccounts.some((a) => a.namespace === 'a' && a.serviceAccount === 'w');
  const names = ({ rules }: Authorization) =>
    rules.some(({ clauses }) => clauses.some(({ matches }) => matches.some(isNamed)));
  let [compared, others] = [0, 0];
  for (let round = 0; round < 2 * ROUNDS; round++) {
    const scope = scopeOf(randomPolicies(random).filter((policy) => !names(policy)));
    const conn = randomConnection(random);
    if (conn.identity === undefined) continue; // waypoints have no callers without identity
    const { waypoint: _, ...direct } = conn;
    const through = factsOf({ ...direct, waypoint: WAYPOINT });
    assert.deepEqual(evaluate(scope, through), evaluate(scope, factsOf(direct)), `round ${round}`);
    const { original: __, ...unbelieved } = through;
    if (evaluate(scope, unbelieved).verdict !== evaluate(scope, through).verdict) others += 1;
    compared += 1;
  }
  assert.ok(compared > ROUNDS && others > ROUNDS / 50, `${compared} compared, ${others} that would differ`);
});

test('a nearest miss is of a rule that does not match, and only where the lack of a match denied', () => {
  const random = seeded(53);
  let misses = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const policies = randomPolicies(random);
    const conn = randomConnection(random);
    const scope = scopeOf(policies);
    const { because } = evaluate(scope, factsOf(conn));
    const { nearestMiss, considered } = explain(scope, factsOf(conn));
    const enforced = policies.filter((p) => !p.dryRun).map((p) => `${p.namespace}/${p.name}`);
    assert.deepEqual([...considered].sort(), enforced.sort(), `round ${round}`);
    if (nearestMiss === undefined) continue;
    misses += 1;
    assert.equal(because, 'no-allow-match', `round ${round}`);
    const policy = policies.find((p) => `${p.namespace}/${p.name}` === nearestMiss.policy);
    const rule = policy?.rules[nearestMiss.rule];
    assert.ok(policy?.action === 'ALLOW' && !policy.dryRun && rule !== undefined, `round ${round}`);
    assert.ok(!ruleHolds(rule, conn), `round ${round}`);
    // Without the field that is named, some match of the rule would come closer: it fails by itself.
    const alone = rule.clauses
      .flatMap(({ matches }) => matches)
      .map((m) => match({ [nearestMiss.field]: m[nearestMiss.field] }));
    assert.ok(
      alone.some((m) => m[nearestMiss.field].length > 0 && !ruleHolds({ clauses: [{ matches: [m] }] }, conn)),
      `round ${round}`,
    );
  }
  assert.ok(misses > ROUNDS / 100, 'hardly any miss came up');
});
