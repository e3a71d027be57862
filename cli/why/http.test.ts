import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ambit } from '../test-support.ts';

const MESH = `
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { istio.io/dataplane-mode: ambient, istio.io/use-waypoint: gate } }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: gate, namespace: shop }
spec: { gatewayClassName: istio-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }
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
spec: { selector: { app: cart }, ports: [{ name: http, port: 8080 }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: items, namespace: shop }
spec:
  parentRefs: [{ group: "", kind: Service, name: cart }]
  rules: [{ name: all, backendRefs: [{ name: cart, port: 8080 }] }]
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: { name: staff, namespace: shop }
spec: { targetRefs: [{ group: "", kind: Service, name: cart }], jwtRules: [{ issuer: https://issuer.example }] }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: admin, namespace: shop }
spec:
  targetRefs: [{ group: "", kind: Service, name: cart }]
  rules:
    - to: [{ operation: { methods: [GET], paths: [/items] } }]
    - to: [{ operation: { paths: [/admin*] } }]
      when: [{ key: "request.auth.claims[groups]", values: [admin] }]
`;

async function inFolder(args: readonly string[], files: Readonly<Record<string, string>> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-why-http-'));
  try {
    for (const [name, text] of Object.entries({ 'mesh.yaml': MESH, ...files })) writeFileSync(join(folder, name), text);
    return await ambit(args.map((arg) => arg.replace('DIR', folder)));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const why = (...args: readonly string[]) =>
  inFolder(['why', 'pod/web.shop', 'svc/cart.shop:8080', '-f', 'DIR/mesh.yaml', ...args]);

const answers: readonly [string, readonly string[], number, RegExp][] = [
  ['without a request', [], 2, /say which request: --method GET --path \//],
  ['a request that a rule allows', ['--path', '/items'], 0, /rule 0, allows it at waypoint shop\/gate/],
  ['another method', ['--method', 'post', '--path', '/items'], 1, /wants methods GET, and this is POST/],
  ['without a token', ['--path', '/admin/x'], 1, /AuthorizationPolicy shop\/admin/],
  [
    'with a claim',
    ['--path', '/admin/x', '--claim', 'sub=alice', '--claim', 'groups=["admin","user"]'],
    0,
    /rule 1, allows/,
  ],
  [
    'with another',
    ['--method', 'POST', '--path', '/admin/x', '--claim', 'sub=alice', '--claim', 'groups=user'],
    1,
    /request\.auth\.claims\[groups\] admin, and this is user/,
  ],
  ['the route is told', ['--path', '/items'], 0, /route {7}rule all sends all to cart\.shop/],
  ['a claim that is none', ['--claim', 'alice'], 3, /--claim "alice": expected NAME=VALUE/],
  ['a claim that begins like JSON', ['--claim', 'groups=[admin'], 3, /begins like JSON and is none/],
  ['a header that is none', ['--header', 'x'], 3, /expected NAME: VALUE/],
];
for (const [name, args, code, says] of answers) {
  test(`why, behind a waypoint: ${name}`, async () => {
    const answer = await why(...args);
    assert.equal(answer.code, code, answer.said);
    assert.match(`${answer.out}${answer.said}`, says);
  });
}

const byHeader = (name: string) => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: by-header, namespace: shop }
spec:
  targetRefs: [{ group: "", kind: Service, name: cart }]
  rules: [{ when: [{ key: "request.headers[${name}]", values: [blue] }] }]
`;
for (const name of ['x-team', 'constructor', '__proto__', 'hasOwnProperty']) {
  test(`why, behind a waypoint: a rule by a header that is called ${name} is asked about every line of it`, async () => {
    const ask = (...headers: readonly string[]) =>
      inFolder(
        ['why', 'pod/web.shop', 'svc/cart.shop:8080', '-f', 'DIR', ...headers.flatMap((line) => ['--header', line])],
        { 'more.yaml': byHeader(name) },
      );
    const asked = [await ask(`${name}: blue`), await ask(`${name}: red`), await ask(`${name}: blue`, `${name}=red`)];
    assert.deepEqual(
      asked.map(({ code }) => code),
      [0, 1, 1],
      asked.map(({ out, said }) => out + said).join('\n'),
    );
  });
}

test('machines get what the waypoint decides and where it sends to', async () => {
  const { out } = await why('--path', '/items', '-o', 'json');
  const { cases } = JSON.parse(out) as { readonly cases: readonly { readonly http: object; readonly route: object }[] };
  assert.deepEqual(cases[0]?.http, {
    waypoint: 'shop/gate',
    verdict: 'allow',
    because: { policy: 'shop/admin', rule: 0 },
    considered: ['shop/admin'],
    matched: [{ policy: 'shop/admin', rule: 0 }],
  });
  assert.deepEqual(cases[0]?.route, {
    name: 'all',
    backend: { service: 'shop/cart.shop.svc.cluster.local', port: 8080, share: 1 },
  });
});

const SUITE = `
objects: { files: [mesh.yaml] }
tests:
  - name: items can be read
    from: pod/web.shop
    to: svc/cart.shop:8080
    request: { method: GET, path: /items }
    expect: allowed
    because: { policy: shop/admin, rule: 0 }
  - name: admin is for admins
    from: pod/web.shop
    to: svc/cart.shop:8080
    request: { path: /admin, claims: { sub: alice, groups: [user] } }
    expect: denied
    because: { policy: shop/admin }
  - name: a strange token is refused
    from: pod/web.shop
    to: svc/cart.shop:8080
    request: { path: /items, claims: { iss: other } }
    expect: denied
    because: { reason: token-refused }
`;

test('policy tests ask waypoints, and name the rules of theirs that no test tries', async () => {
  const { code, out } = await inFolder(['authz', 'test', 'DIR/l7.authz-test.yaml'], { 'l7.authz-test.yaml': SUITE });
  assert.equal(code, 0, out);
  assert.match(out, /3 passed/);
  assert.match(out, /No test touches:\n {2}shop\/admin spec\.rules\[1\]/);
});
