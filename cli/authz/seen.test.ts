import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../mesh/index.ts';
import type { Cluster } from '../cluster.ts';
import { CliError } from '../errors.ts';
import { parseObjects } from '../model/load-files.ts';
import { memoryCluster, ambit as run } from '../test-support.ts';

const pod = (name: string, namespace: string, ip: string) => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${namespace}, labels: { app: ${name} }, annotations: { ambient.istio.io/redirection: enabled } }
spec: { serviceAccountName: ${name}, nodeName: node-1 }
status: { phase: Running, podIP: ${ip}, podIPs: [{ ip: ${ip} }], conditions: [{ type: Ready, status: 'True' }] }
---`;
const MESH = `${pod('web', 'shop', '10.0.0.1')}${pod('cart', 'shop', '10.0.0.2')}${pod('ledger', 'shop', '10.0.0.3')}
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: old, namespace: shop }
spec: { selector: { matchLabels: { app: cart } }, action: DENY, rules: [{ from: [{ source: { namespaces: [office] } }] }] }
`;
const ONLY_WEB = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: callers, namespace: shop }
spec: { selector: { matchLabels: { app: cart } }, action: ALLOW, rules: [{ from: [{ source: { principals: [cluster.local/ns/shop/sa/web] } }] }] }
`;

const seen = (source: string, to: string, port: number, verdict: 'allow' | 'deny', count = 3) => ({
  source: source.includes('/') ? `spiffe://cluster.local/ns/${source.replace('/', '/sa/')}` : source,
  destination: `Kubernetes//Pod/shop/${to}`,
  port,
  service: '',
  verdict,
  count,
  firstSeen: '2026-11-01T00:00:00.000Z',
  lastSeen: '2026-11-02T00:00:00.000Z',
});
const FLOWS = [
  seen('shop/web', 'cart', 8080, 'allow', 12),
  seen('shop/batch', 'cart', 8080, 'allow', 1),
  seen('office/reporter', 'cart', 8080, 'deny'),
  seen('192.0.2.7', 'cart', 9090, 'allow'),
  seen('shop/web', 'gone', 80, 'allow'),
];

type Asked = { readonly cluster?: Cluster; readonly flows?: unknown };

/** Runs `ambit authz ARGS`; `@NAME` is a file of a folder made for this run. */
async function ambit(files: Readonly<Record<string, string>>, args: readonly string[], o: Asked = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-seen-'));
  try {
    const all = { 'mesh.yaml': MESH, 'flows.json': JSON.stringify(o.flows ?? { dropped: 0, flows: FLOWS }), ...files };
    for (const [name, text] of Object.entries(all)) writeFileSync(join(folder, name), text);
    const at = (arg: string) => (arg.startsWith('@') ? join(folder, arg.slice(1)) : arg);
    const { code, out, said } = await run(['authz', ...args.map(at)], o.cluster);
    const strip = (text: string) => text.replaceAll(`${folder}/`, '');
    return { out: strip(out), said: strip(said), status: code };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
const OFFLINE = ['--flows', '@flows.json', '--base', '@mesh.yaml'];

test('a change says what of the seen connections it would cut, with the reason before and after', async () => {
  const { out, status } = await ambit({ 'new.yaml': ONLY_WEB }, ['diff', '-f', '@new.yaml', ...OFFLINE]);
  assert.equal(status, 1);
  assert.match(
    out,
    /^Would be cut:\n {2}192\.0\.2\.7 -> shop\/cart:9090, 3 times, last 2026-11-02T00:00:00\.000Z\n {4}before: allowed: no ALLOW policy applies/,
  );
  assert.match(out, /spiffe:\/\/cluster\.local\/ns\/shop\/sa\/batch -> shop\/cart:8080, once/);
  assert.match(out, /after: {2}denied: ALLOW policies apply and none of them matches; closest: shop\/callers, rule 0/);
  assert.match(out, /2 would be cut, 0 let in, 0 unclear, 2 stay as they are\. 1 not judged/);
});

test('deleting a policy says what it would let in', async () => {
  const { out, status } = await ambit({}, ['diff', '--delete', 'AuthorizationPolicy/old.shop', ...OFFLINE]);
  assert.equal(status, 1);
  assert.match(out, /^Would be let in:\n {2}spiffe:\/\/cluster\.local\/ns\/office\/sa\/reporter -> shop\/cart:8080/);
});

test('a change that concerns nothing that was seen has exit code 0', async () => {
  const other = ONLY_WEB.replace('app: cart', 'app: ledger');
  const { out, status } = await ambit({ 'new.yaml': other }, ['diff', '-f', '@new.yaml', ...OFFLINE]);
  assert.equal(status, 0);
  assert.match(out, /^Nothing that was seen would change\./);
});

test("a policy by the caller's address can not be told beside an identity whose pods are not known", async () => {
  const byAddress = ONLY_WEB.replace('principals: [cluster.local/ns/shop/sa/web]', 'ipBlocks: [10.0.0.0/8]');
  const { out } = await ambit({ 'new.yaml': byAddress }, ['diff', '-f', '@new.yaml', ...OFFLINE, '-o', 'json']);
  const effects = JSON.parse(out).changes.map((c: { flow: { source: string }; effect: string }) => [
    c.flow.source,
    c.effect,
  ]);
  // web's pod is known, and within; batch's is not.
  assert.deepEqual(effects, [
    ['192.0.2.7', 'cut'],
    ['spiffe://cluster.local/ns/shop/sa/batch', 'unclear'],
  ]);
});

test('a live mesh is asked for its objects and every ledger, and a silent node is named', async () => {
  const objects = parseObjects(MESH, 'mesh').map(({ object }) => object);
  const ztunnel = (name: string): KubeObject => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'istio-system', labels: { app: 'ztunnel' } },
    spec: { nodeName: `node-of-${name}` },
  });
  const cluster = memoryCluster([...objects, ztunnel('a'), ztunnel('b')], {
    podHttp: (request) => {
      if (request.includes('/b:')) throw new CliError('connection refused');
      return JSON.stringify({ dropped: 0, flows: FLOWS });
    },
  });
  const { out, said, status } = await ambit({ 'new.yaml': ONLY_WEB }, ['diff', '-f', '@new.yaml'], { cluster });
  assert.equal(status, 1);
  assert.match(out, /2 would be cut/);
  assert.match(said, /node node-of-b did not answer \(connection refused\): what only it has seen is missing/);

  const suggested = await ambit({}, ['suggest', 'shop'], { cluster });
  assert.match(suggested.out, /# node node-of-b did not answer/);
  assert.equal(suggested.status, 1, 'evidence is missing');
});

test('suggested policies are YAML that allows what was seen and allowed, each rule with its evidence', async () => {
  const { out, status } = await ambit({}, ['suggest', 'shop', ...OFFLINE]);
  assert.equal(status, 0);
  const policies = parseAllDocuments(out)
    .map((document) => document.toJS())
    .filter((object) => object !== null);
  assert.deepEqual(policies, [
    {
      apiVersion: 'security.istio.io/v1',
      kind: 'AuthorizationPolicy',
      metadata: { name: 'cart-callers', namespace: 'shop' },
      spec: {
        selector: { matchLabels: { app: 'cart' } },
        action: 'ALLOW',
        rules: [
          {
            from: [{ source: { principals: ['cluster.local/ns/shop/sa/batch'] } }],
            to: [{ operation: { ports: ['8080'] } }],
          },
          {
            from: [{ source: { principals: ['cluster.local/ns/shop/sa/web'] } }],
            to: [{ operation: { ports: ['8080'] } }],
          },
        ],
      },
    },
  ]);
  assert.match(
    out,
    /# spiffe:\/\/cluster\.local\/ns\/shop\/sa\/web -> shop\/cart:8080, 12 times, last .*, first 2026-11-01/,
  );
  assert.match(out, /# Not allowed by these, .*\n# {3}192\.0\.2\.7 -> shop\/cart:9090/);
  assert.match(out, /# Denied today, .*\n# {3}spiffe:\/\/cluster\.local\/ns\/office\/sa\/reporter/);
  assert.match(out, /# Nobody with an identity was seen to call these, .*\n# {3}shop\/ledger\n# {3}shop\/web/);
  assert.match(out, /# Would be cut:\n# {3}192\.0\.2\.7/);
});

test('two applications whose labels lead to one name get policies of two names', async () => {
  const twice = `${MESH}---${pod('other', 'shop', '10.0.0.9').replace('{ app: other }', '{ k8s-app: cart }')}`;
  const flows = { flows: [...FLOWS, seen('shop/web', 'other', 1, 'allow')] };
  const { out } = await ambit({ 'mesh.yaml': twice }, ['suggest', 'shop', ...OFFLINE, '-o', 'json'], { flows });
  const names = JSON.parse(out).suggestions.map((one: { policy: KubeObject }) => one.policy.metadata.name);
  assert.deepEqual(names, ['cart-callers', 'cart-callers-2']);
});

const POLICY = (name: string, action: string) => `---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${name}, namespace: shop }
spec: { selector: { matchLabels: { app: cart } }, action: ${action}, rules: [{ from: [{ source: { namespaces: [x] } }] }] }
`;

test('a suggestion never takes the name of a policy that is there, and names those that allow more', async () => {
  const mesh = `${MESH}${POLICY('cart-callers', 'DENY')}${POLICY('more', 'ALLOW')}`;
  const { out } = await ambit({ 'mesh.yaml': mesh }, ['suggest', 'shop', ...OFFLINE, '-o', 'json']);
  const { suggestions, besides } = JSON.parse(out);
  assert.equal(suggestions[0].policy.metadata.name, 'cart-callers-2');
  assert.deepEqual(besides, ['shop/more']);
});

const SUCCESSOR = MESH.replace(
  '{ name: cart, namespace: shop, labels: { app: cart },',
  '{ name: cart-7c9d-new, namespace: shop, generateName: cart-7c9d-, labels: { app: cart, pod-template-hash: 7c9d }, ownerReferences: [{ apiVersion: apps/v1, kind: ReplicaSet, name: cart-7c9d, controller: true }],',
);

test('what a pod was called for before it was replaced counts for its successor', async () => {
  const flows = {
    flows: [seen('shop/web', 'cart-5b5b8d9f4-x2x4z', 8080, 'allow'), seen('shop/web', 'gone', 80, 'allow')],
  };
  const { out } = await ambit({ 'mesh.yaml': SUCCESSOR }, ['suggest', 'shop', ...OFFLINE, '-o', 'json'], { flows });
  const { suggestions, gone } = JSON.parse(out);
  assert.deepEqual(
    suggestions[0]?.rules.map((rule: { principal: string }) => rule.principal),
    ['cluster.local/ns/shop/sa/web'],
  );
  assert.deepEqual(
    gone.map((flow: { destination: string }) => flow.destination),
    ['Kubernetes//Pod/shop/gone'],
  );
});

const CART = `
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { istio.io/dataplane-mode: ambient } }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: cart, namespace: shop }
spec:
  selector: { matchLabels: { app: cart } }
  template: { metadata: { labels: { app: cart } }, spec: { serviceAccountName: cart } }
`;

const strangers = ['cart-db-1', 'cart-db-x2x4z', 'cart-db-5b5b8d9f4-x2x4z', 'cart-debug', 'cart-job', 'cart-db'];
for (const stranger of strangers) {
  test(`what ${stranger} was called for, which is gone, opens nothing for cart`, async () => {
    const flows = { flows: [seen('shop/ops', stranger, 5432, 'allow')] };
    const { out } = await ambit({ 'mesh.yaml': SUCCESSOR }, ['suggest', 'shop', ...OFFLINE, '-o', 'json'], { flows });
    const { suggestions, gone } = JSON.parse(out);
    assert.deepEqual([suggestions, gone.length], [[], 1]);
  });
}

for (const replaced of ['cart-5b5b8d9f4-x2x4z', 'cart-29371200-x2x4z', 'cart-x2x4z', 'cart-2']) {
  test(`what ${replaced} was called for counts for the cart of a folder of manifests`, async () => {
    const flows = { flows: [seen('shop/web', replaced, 8080, 'allow')] };
    const { out } = await ambit({ 'mesh.yaml': CART }, ['suggest', 'shop', ...OFFLINE, '-o', 'json'], { flows });
    const { suggestions, gone } = JSON.parse(out);
    assert.deepEqual(suggestions[0]?.policy.spec.selector, { matchLabels: { app: 'cart' } });
    assert.deepEqual(gone, []);
  });
}

test('an endpoint of a ServiceEntry is no pod, and no policy is suggested or missed for it', async () => {
  const entry = `---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: payments, namespace: shop }
spec:
  hosts: [pay.example.com]
  ports: [{ name: https, number: 443, protocol: TLS }]
  resolution: STATIC
  endpoints: [{ address: 192.0.2.10 }]
`;
  const { out } = await ambit({ 'mesh.yaml': MESH + entry }, ['suggest', 'shop', ...OFFLINE, '-o', 'json']);
  const { unlabelled, open } = JSON.parse(out);
  assert.deepEqual([unlabelled, open], [[], ['shop/ledger', 'shop/web']]);
});

test('a pod that is only called in plaintext is told to stay open', async () => {
  const flows = { flows: [seen('192.0.2.7', 'ledger', 9000, 'allow')] };
  const { out } = await ambit({}, ['suggest', 'shop', ...OFFLINE, '-o', 'json'], { flows });
  const { open, plaintext, suggestions } = JSON.parse(out);
  assert.deepEqual([open, plaintext.length, suggestions], [['shop/cart', 'shop/ledger', 'shop/web'], 1, []]);
});

test("a policy by the caller's address is judged for both its families", async () => {
  const dual = MESH.replaceAll(
    /podIPs: \[\{ ip: 10\.0\.0\.(\d) \}\]/g,
    "podIPs: [{ ip: 10.0.0.$1 }, { ip: 'fd00::$1' }]",
  );
  const byFour = ONLY_WEB.replace('principals: [cluster.local/ns/shop/sa/web]', "ipBlocks: ['10.0.0.0/8']");
  const args = ['diff', '-f', '@new.yaml', ...OFFLINE, '-o', 'json'];
  const { out } = await ambit({ 'mesh.yaml': dual, 'new.yaml': byFour }, args);
  const web = JSON.parse(out).changes.find((one: { flow: { source: string } }) => one.flow.source.endsWith('sa/web'));
  assert.equal(web?.effect, 'unclear', 'its IPv4 address is within, its IPv6 address is not');
});

const refusals: readonly [string, readonly string[], Readonly<Record<string, string>>, RegExp][] = [
  ['nothing to apply', ['diff', ...OFFLINE], {}, /nothing would change: name what would be applied/],
  [
    'flows without their mesh',
    ['diff', '-f', '@mesh.yaml', '--flows', '@flows.json'],
    {},
    /--flows and --base go together/,
  ],
  [
    'a deletion that is not one',
    ['diff', '--delete', 'old', ...OFFLINE],
    {},
    /--delete old: expected KIND\/NAME\.NAMESPACE/,
  ],
  [
    'a deletion of what is not there',
    ['diff', '--delete', 'AuthorizationPolicy/x.shop', ...OFFLINE],
    {},
    /there is no such object/,
  ],
  [
    'flows that are none',
    ['suggest', 'shop', ...OFFLINE],
    { 'flows.json': '{"flows":[{"source":1}]}' },
    /flows\.json: not the flows of a ztunnel or a waypoint: flows\.0\.source/,
  ],
  ['a namespace that is not there', ['suggest', 'nowhere', ...OFFLINE], {}, /no pod of namespace nowhere is known/],
];
for (const [what, args, files, error] of refusals) {
  test(`${what} is refused with exit code 2 and no answer`, async () => {
    const { out, said, status } = await ambit(files, args);
    assert.match(said, error);
    assert.deepEqual([status, out], [2, '']);
  });
}
