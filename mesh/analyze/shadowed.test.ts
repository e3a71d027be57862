import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ambient, cases, found, pod, policy } from './test-support.ts';

const from = (...principals: string[]) => ({ from: [{ source: { principals } }] });
const ports = (...list: string[]) => ({ to: [{ operation: { ports: list } }] });
const WEB = 'cluster.local/ns/shop/sa/web';
const CART = { selector: { matchLabels: { app: 'cart' } } };
const allow = (path: string, rules: readonly object[], more: object = {}) => policy(path, { rules, ...more });
const deny = (path: string, rules: readonly object[], more: object = {}) =>
  policy(path, { action: 'DENY', rules, ...more });
const MESH = [ambient('shop'), pod('shop/cart'), pod('shop/web'), ambient('office'), pod('office/reporter')];
const NEVER = 'AMB0102 AuthorizationPolicy shop/a spec.rules[0]';
const COVERED = 'AMB0103 AuthorizationPolicy shop/a spec.rules[0]';

const CASES = cases(
  ['AMB0102', 'AMB0103'],
  [
    [
      'two rules about different callers',
      [...MESH, allow('shop/a', [from(WEB), from('cluster.local/ns/shop/sa/cart')])],
      [],
    ],
    ['an ALLOW that a DENY covers', [...MESH, allow('shop/a', [from(WEB)]), deny('shop/d', [from('*')])], [NEVER]],
    [
      'an ALLOW that a DENY covers by a prefix',
      [...MESH, allow('shop/a', [from(WEB)]), deny('shop/d', [from('cluster.local/ns/shop/*')])],
      [NEVER],
    ],
    [
      'an ALLOW that a DENY covers by namespace only',
      [...MESH, allow('shop/a', [from(WEB)]), deny('shop/d', [{ from: [{ source: { namespaces: ['shop'] } }] }])],
      [],
    ],
    [
      'an ALLOW that a DENY covers in part',
      [...MESH, allow('shop/a', [from(WEB)]), deny('shop/d', [{ ...from('*'), ...ports('80') }])],
      [],
    ],
    [
      'an ALLOW for a port that a DENY for all callers covers',
      [...MESH, allow('shop/a', [{ ...from(WEB), ...ports('80') }]), deny('shop/d', [ports('80', '81')])],
      [NEVER],
    ],
    [
      'a DENY with the ALLOW as its exception',
      [...MESH, allow('shop/a', [from(WEB)]), deny('shop/d', [{ from: [{ source: { notPrincipals: [WEB] } }] }])],
      [],
    ],
    [
      'a DENY whose exception is somebody else',
      [
        ...MESH,
        allow('shop/a', [from(WEB)]),
        deny('shop/d', [{ from: [{ source: { notPrincipals: ['cluster.local/ns/office/*'] } }] }]),
      ],
      [NEVER],
    ],
    ['a DENY for other pods', [...MESH, allow('shop/a', [from(WEB)]), deny('shop/d', [from('*')], CART)], []],
    [
      'a DENY for the pods of the ALLOW and more',
      [...MESH, allow('shop/a', [from(WEB)], CART), deny('shop/d', [from('*')])],
      [NEVER],
    ],
    ['a DENY in another namespace', [...MESH, allow('shop/a', [from(WEB)]), deny('office/d', [from('*')])], []],
    [
      'a DENY of the root namespace',
      [...MESH, allow('shop/a', [from(WEB)]), deny('istio-system/d', [from('*')])],
      [NEVER],
    ],
    [
      'a DENY that is only tried out',
      [
        ...MESH,
        allow('shop/a', [from(WEB)]),
        policy('shop/d', { action: 'DENY', rules: [{}] }, { annotations: { 'istio.io/dry-run': 'true' } }),
      ],
      [],
    ],
    [
      'a DENY by addresses',
      [
        ...MESH,
        allow('shop/a', [{ from: [{ source: { ipBlocks: ['10.1.2.0/24'] } }] }]),
        deny('shop/d', [{ from: [{ source: { ipBlocks: ['10.0.0.0/8'] } }] }]),
      ],
      [NEVER],
    ],
    [
      'a DENY by other addresses',
      [
        ...MESH,
        allow('shop/a', [{ from: [{ source: { ipBlocks: ['10.0.0.0/8'] } }] }]),
        deny('shop/d', [{ from: [{ source: { ipBlocks: ['10.1.2.0/24'] } }] }]),
      ],
      [],
    ],
    [
      'a rule that a wider one of its policy covers',
      [...MESH, allow('shop/a', [{ ...from(WEB), ...ports('80') }, from(WEB)])],
      [COVERED],
    ],
    [
      'the same rule twice in one policy',
      [...MESH, allow('shop/a', [from(WEB), from(WEB)])],
      ['AMB0103 AuthorizationPolicy shop/a spec.rules[1]'],
    ],
    [
      'the same rule in two policies',
      [...MESH, allow('shop/a', [from(WEB)]), allow('shop/b', [from(WEB)])],
      ['AMB0103 AuthorizationPolicy shop/b spec.rules[0]'],
    ],
    [
      'the same rule for different pods',
      [
        ...MESH,
        allow('shop/a', [from(WEB)], CART),
        allow('shop/b', [from(WEB)], { selector: { matchLabels: { app: 'web' } } }),
      ],
      [],
    ],
    [
      'a DENY that another DENY covers',
      [...MESH, deny('shop/a', [ports('80')], CART), deny('shop/d', [ports('80', '443')])],
      [COVERED],
    ],
    ['a DENY that an ALLOW covers', [...MESH, deny('shop/a', [from(WEB)]), allow('shop/b', [{}])], []],
    [
      'rules that L4 leaves out cover nothing and are covered by nothing',
      [...MESH, allow('shop/a', [{ to: [{ operation: { paths: ['/x'] } }] }]), allow('shop/b', [from(WEB)])],
      [],
    ],
    ['default deny is shadowed by nothing', [...MESH, policy('shop/a', {}), allow('shop/b', [from(WEB)])], []],
  ],
);
for (const { name, got, want } of CASES) test(name, () => assert.deepEqual(got(), want));

test('who covers a rule is named', () => {
  const [one] = found([...MESH, allow('shop/a', [from(WEB)]), deny('shop/d', [from('*')])]).filter(
    (f) => f.code === 'AMB0102',
  );
  assert.match(one?.message ?? '', /rule 0 of AuthorizationPolicy shop\/d denies all that it matches/);
  assert.deepEqual(one?.related, [{ kind: 'AuthorizationPolicy', namespace: 'shop', name: 'd' }]);
});
