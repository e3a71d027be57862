import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ambit } from '../test-support.ts';

const OBJECTS = `
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { istio.io/dataplane-mode: ambient } }
---
apiVersion: v1
kind: Namespace
metadata: { name: office, labels: { istio.io/dataplane-mode: ambient } }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: shop }
spec: { template: { metadata: { labels: { app: web } }, spec: { serviceAccountName: web } } }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: cart, namespace: shop }
spec: { template: { metadata: { labels: { app: cart } }, spec: { serviceAccountName: cart } } }
---
apiVersion: v1
kind: Service
metadata: { name: cart, namespace: shop }
spec: { selector: { app: cart }, ports: [{ port: 80, targetPort: 8080 }] }
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: shop }
spec: { mtls: { mode: STRICT } }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: callers, namespace: shop }
spec:
  selector: { matchLabels: { app: cart } }
  action: ALLOW
  rules:
    - from: [{ source: { principals: [cluster.local/ns/shop/sa/web] } }]
    - from: [{ source: { namespaces: [office] } }]
    - from: [{ source: { namespaces: [shop] } }]
      to: [{ operation: { ports: ["8080"] } }]
    - to: [{ operation: { methods: [GET] } }]
`;

/** Runs `ambit authz test` on these suites, with the objects given by -f. */
async function run(suites: string, ...options: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-authz-'));
  try {
    writeFileSync(join(folder, 'mesh.yaml'), OBJECTS);
    writeFileSync(join(folder, 'shop.authz-test.yaml'), suites);
    const { code, out, said } = await ambit(['authz', 'test', folder, '-f', join(folder, 'mesh.yaml'), ...options]);
    const strip = (text: string) => text.replaceAll(`${folder}/`, '');
    return { out: strip(out), said: strip(said), status: code };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const PASSING = `
tests:
  - name: the web shop reaches the cart
    from: sa/web.shop
    to: svc/cart.shop:80
    expect: allowed
    because: { policy: shop/callers, rule: 0 }
  - name: others do not
    from: [sa/stranger.legacy, 192.0.2.7]
    to: svc/cart.shop:80
    expect: denied
`;

test('tests that hold pass, and the rules that none of them tries are named', async () => {
  const { out, status } = await run(PASSING);
  assert.equal(
    out,
    `shop.authz-test.yaml
  ok    the web shop reaches the cart: sa/web.shop -> svc/cart.shop:80
  ok    others do not: sa/stranger.legacy -> svc/cart.shop:80
  ok    others do not: 192.0.2.7 -> svc/cart.shop:80

3 passed, 0 failed

1 of 3 rules decide a test.

No test touches:
  shop/callers spec.rules[1]

Matched, but another rule had decided already:
  shop/callers spec.rules[2]

Not enforced at L4, so no test can touch:
  shop/callers spec.rules[3]: it is left out at L4: only HTTP has methods`,
  );
  assert.equal(status, 0);
});

test('the sample in samples/ holds, and leaves no rule untried', async () => {
  const samples = join(import.meta.dirname, '../../samples/policy-tests');
  const { code, out, said } = await ambit(['authz', 'test', samples, '--fail-untested']);
  assert.equal(code, 0, `${out}\n${said}`);
});

test('with --fail-untested a rule that decides no test fails the run', async () => {
  assert.equal((await run(PASSING, '--fail-untested')).status, 1);
});

test('a test that does not hold says what was expected, what comes and why', async () => {
  const { out, status } = await run(`
tests:
  - { name: the office may, from: sa/web.office, to: 'svc/cart.shop:80', expect: denied }
  - { name: a stranger may, from: sa/x.legacy, to: 'svc/cart.shop:80', expect: allowed }
`);
  assert.equal(status, 1);
  assert.match(
    out,
    /FAIL {2}the office may: sa\/web\.office -> svc\/cart\.shop:80\n +expected denied\n +got allowed by shop\/cart at .*policy shop\/callers, rule 1/,
  );
  assert.match(out, /FAIL {2}a stranger may.*\n +expected allowed\n +got denied/);
  assert.match(out, /0 passed, 2 failed/);
});

const reasons: readonly [string, string, string, 'passes' | 'fails'][] = [
  ['the policy that decides', 'sa/web.shop', 'expect: allowed, because: { policy: shop/callers }', 'passes'],
  ['another rule of it', 'sa/web.shop', 'expect: allowed, because: { policy: shop/callers, rule: 1 }', 'fails'],
  ['plaintext under STRICT', '192.0.2.7', 'expect: denied, because: { peerAuthentication: shop/default }', 'passes'],
  ['another PeerAuthentication', '192.0.2.7', 'expect: denied, because: { peerAuthentication: shop/x }', 'fails'],
  ['a reason', 'sa/web.shop', 'expect: allowed, because: { reason: allow-rule }', 'passes'],
  ['another reason', 'sa/web.shop', 'expect: allowed, because: { reason: no-allow-policies }', 'fails'],
  ['a request that L4 can not see', 'sa/web.shop', 'expect: allowed, request: { method: POST, path: /x }', 'passes'],
];
for (const [what, from, rest, verdict] of reasons) {
  test(`an expectation that names ${what} ${verdict}`, async () => {
    const { out, status } = await run(`tests: [{ name: t, from: ${from}, to: 'svc/cart.shop:80', ${rest} }]`);
    assert.equal(status, verdict === 'passes' ? 0 : 1, out);
  });
}

test('programs get every test, its reason and the coverage', async () => {
  const { out } = await run(PASSING, '-o', 'json');
  const { passed, failed, tests, rules } = JSON.parse(out);
  assert.deepEqual([passed, failed, tests.length], [3, 0, 3]);
  assert.deepEqual(tests[0].got.reason, 'allow-rule');
  assert.deepEqual(rules[0], { policy: 'shop/callers', rule: 0, state: 'decided' });
});

const refusals: readonly [string, string, RegExp][] = [
  [
    'an unknown field',
    'tests: [{ name: a, form: x, from: sa/a.b, to: c:1, expect: denied }]',
    /shop\.authz-test\.yaml: test "a": unknown field form/,
  ],
  ['a verdict that is none', 'tests: [{ name: a, from: sa/a.b, to: c:1, expect: maybe }]', /test "a": expect: /],
  [
    'a caller that can not be read',
    'tests: [{ name: a, from: web, to: c:1, expect: denied }]',
    /test "a": from: "web": expected pod/,
  ],
  [
    'a rule without its policy',
    'tests: [{ name: a, from: sa/a.b, to: c:1, expect: denied, because: { rule: 1 } }]',
    /test "a": because: expected one of/,
  ],
  [
    'one name twice',
    'tests: [{ name: a, from: sa/a.b, to: c:1, expect: denied }, { name: a, from: sa/a.b, to: c:1, expect: denied }]',
    /two tests are named "a"/,
  ],
  ['a suite without tests', 'tests: []', /a suite without tests proves nothing/],
  ['text that is not YAML', 'tests: [', /shop\.authz-test\.yaml:1:\d+: not YAML/],
  [
    'a file of objects that is not there',
    'objects: { files: [no.yaml] }\ntests: [{ name: a, from: sa/a.b, to: c:1, expect: denied }]',
    /no\.yaml: no such file/,
  ],
];
for (const [what, text, error] of refusals) {
  test(`${what} is refused by name with exit code 2, and nothing is tested`, async () => {
    const { out, said, status } = await run(text);
    assert.match(said, error);
    assert.equal(status, 2);
    assert.equal(out, '');
  });
}
