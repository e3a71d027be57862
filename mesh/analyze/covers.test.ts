/** That one rule covers another is said only when no connection tells them apart: tried on random rules and callers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AuthorizationRule, Match } from '../model.ts';
import { compilePolicy, ruleMatches } from '../policy/compile.ts';
import { Subject } from '../policy/subject.ts';
import { spiffeId } from '../spiffe.ts';
import { at, authorization, cidr, exact, match, prefix, presence, seeded, suffix } from '../test-support.ts';
import { ruleCovers, scopeCovers } from './covers.ts';

const NAMESPACES = ['shop', 'office', 'legacy'];
const ACCOUNTS = ['web', 'cart', ''];
const ADDRESSES = ['10.1.0.1', '10.1.2.3', '10.2.0.1', '192.0.2.1', 'fd00::1'];
const PORTS = [80, 443, 8080];

/** Small sets of values, so that rules meet often. */
function generator(random: () => number) {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const some = <T>(make: () => T): readonly T[] => Array.from({ length: pick([0, 0, 0, 1, 1, 2]) }, make);
  const namespaceMatch = () => pick([exact('shop'), exact('office'), prefix('s'), suffix('p'), presence, prefix('')]);
  const principal = (namespace: string, account: string) => `cluster.local/ns/${namespace}/sa/${account}`;
  const principalMatch = () =>
    pick([
      presence,
      prefix('cluster.local/'),
      prefix('cluster.local/ns/shop/'),
      suffix('/sa/web'),
      exact(principal(pick(NAMESPACES), 'web')),
      exact(principal('shop', 'cart')),
    ]);
  const account = () => ({ namespace: pick(NAMESPACES), serviceAccount: pick(['web', 'cart']) });
  const range = () => cidr(pick(['10.0.0.0/8', '10.1.0.0/16', '10.1.2.3', '0.0.0.0/0', 'fd00::/8', '::/0']));
  const randomMatch = (): Match =>
    match({
      namespaces: some(namespaceMatch),
      notNamespaces: some(namespaceMatch),
      principals: some(principalMatch),
      notPrincipals: some(principalMatch),
      serviceAccounts: some(account),
      notServiceAccounts: some(account),
      sourceIps: some(range),
      notSourceIps: some(range),
      destinationPorts: some(() => pick(PORTS)),
      notDestinationPorts: some(() => pick(PORTS)),
    });
  const rule = (): AuthorizationRule => ({ clauses: some(() => ({ matches: some(randomMatch) })) });
  return { pick, rule };
}

function everybody(): readonly Subject[] {
  const callers = NAMESPACES.flatMap((namespace) =>
    ACCOUNTS.map((name) => (name === '' ? undefined : spiffeId('cluster.local', namespace, name))),
  );
  return callers.flatMap((source) =>
    ADDRESSES.flatMap((ip) =>
      PORTS.map((port) => new Subject({ ...(source && { source }), from: at(ip, 1), to: at('10.9.0.1', port) })),
    ),
  );
}

test('whoever a covered rule matches, the covering one matches, too', () => {
  const { rule } = generator(seeded(11));
  const subjects = everybody();
  const compiled = (one: AuthorizationRule) => {
    const [only] = compilePolicy(authorization('p', { rules: [one] })).rules;
    assert.ok(only !== undefined);
    return only;
  };
  let covering = 0;
  for (let round = 0; round < 8_000; round++) {
    const [wide, narrow] = [rule(), rule()];
    if (!ruleCovers(wide, narrow)) continue;
    const [w, n] = [compiled(wide), compiled(narrow)];
    for (const subject of subjects) {
      if (!ruleMatches(n, subject)) continue;
      covering += 1;
      assert.ok(ruleMatches(w, subject), JSON.stringify({ wide, narrow, subject: subject.facts }));
    }
  }
  assert.ok(covering > 1_000, `only ${covering} connections put it to the test`);
});

test('a rule covers itself, and the empty rule covers every rule', () => {
  const { rule } = generator(seeded(12));
  for (let round = 0; round < 1_000; round++) {
    const one = rule();
    assert.ok(ruleCovers({ clauses: [] }, one));
    assert.ok(ruleCovers(one, structuredClone(one)), JSON.stringify(one));
  }
});

const scope = (namespace: string, selector?: Readonly<Record<string, string>>) => ({ namespace, selector });
const SCOPES: readonly [string, ReturnType<typeof scope>, ReturnType<typeof scope>, boolean][] = [
  ['a namespace its selectors', scope('shop'), scope('shop', { app: 'cart' }), true],
  ['a selector not its namespace', scope('shop', { app: 'cart' }), scope('shop'), false],
  ['fewer labels more', scope('shop', { app: 'cart' }), scope('shop', { app: 'cart', version: '1' }), true],
  ['more labels not fewer', scope('shop', { app: 'cart', version: '1' }), scope('shop', { app: 'cart' }), false],
  ['a namespace not another', scope('shop'), scope('office'), false],
  ['the mesh every namespace', scope('istio-system'), scope('shop'), true],
  [
    'a selector of the mesh those of a namespace',
    scope('istio-system', { app: 'cart' }),
    scope('shop', { app: 'cart' }),
    true,
  ],
  ['a namespace not the mesh', scope('shop'), scope('istio-system'), false],
];
for (const [name, wide, narrow, want] of SCOPES) {
  test(`scopes: ${name}`, () => assert.equal(scopeCovers(wide, narrow, 'istio-system'), want));
}
