import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import type { Cluster } from '../cluster.ts';
import { CliError } from '../errors.ts';
import { parseObjects } from '../model/load-files.ts';
import { ambit, memoryCluster } from '../test-support.ts';
import { CLASS, object, pod as waypointPod } from '../waypoint/test-waypoints.ts';

const pod = (name: string, ip: string) => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: shop, labels: { app: ${name} }, annotations: { ambient.istio.io/redirection: enabled } }
spec: { serviceAccountName: ${name}, nodeName: node-1 }
status: { phase: Running, podIP: ${ip}, podIPs: [{ ip: ${ip} }], conditions: [{ type: Ready, status: 'True' }] }
---`;
const MESH = `${pod('web', '10.0.0.1')}${pod('cart', '10.0.0.2')}
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { istio.io/dataplane-mode: ambient, istio.io/use-waypoint: gate } }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: gate, namespace: shop }
spec: { gatewayClassName: istio-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }
status: { addresses: [{ type: Hostname, value: gate.shop.svc.cluster.local }] }
---
apiVersion: v1
kind: Service
metadata: { name: cart, namespace: shop }
spec: { clusterIP: 10.96.0.1, selector: { app: cart }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
`;
const policy = (name: string, rest: string) => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${name}, namespace: shop }
spec: { targetRefs: [{ kind: Service, name: cart }], ${rest} }
`;
const NO_DELETES = policy('no-deletes', 'action: DENY, rules: [{ to: [{ operation: { methods: [DELETE] } }] }]');
const BY_HEADER = policy('by-header', 'rules: [{ when: [{ key: "request.headers[x-team]", values: [a] }] }]');

const request = (method: string, path: string, o: object = {}) => ({
  waypoint: 'shop/gate',
  source: 'spiffe://cluster.local/ns/shop/sa/web',
  destination: 'shop/cart.shop.svc.cluster.local',
  port: 80,
  method,
  paths: path.replace(/\d+/, '{*}'),
  verdict: 'allow',
  because: '',
  example: { method, path, host: 'cart' },
  count: 3,
  firstSeen: '2026-11-01T00:00:00.000Z',
  lastSeen: '2026-11-02T00:00:00.000Z',
  ...o,
});
const REQUESTS = [request('GET', '/items/17'), request('DELETE', '/items/17', { count: 1 })];
const OFFLINE = ['--flows', '@seen.json', '--base', '@mesh.yaml'];

/** Runs `ambit authz ARGS`; `@NAME` is a file of a folder made for this run. */
async function authz(args: readonly string[], files: Readonly<Record<string, string>> = {}, cluster?: Cluster) {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-requests-'));
  try {
    const all = { 'mesh.yaml': MESH, 'seen.json': JSON.stringify({ dropped: 0, requests: REQUESTS }), ...files };
    for (const [name, text] of Object.entries(all)) writeFileSync(join(folder, name), text);
    return await ambit(['authz', ...args.map((arg) => arg.replace(/^@/, `${folder}/`))], cluster);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('a change says what of the seen requests it would cut, by which rule', async () => {
  const { code, out, said } = await authz(['diff', '-f', '@new.yaml', ...OFFLINE], { 'new.yaml': NO_DELETES });
  assert.equal(code, 1, said);
  assert.equal(
    out,
    `Would be cut:
  spiffe://cluster.local/ns/shop/sa/web -> DELETE /items/{*} of shop/cart.shop.svc.cluster.local:80 at waypoint shop/gate, once, last 2026-11-02T00:00:00.000Z
    before: allowed: waypoint shop/gate has no ALLOW policy about it, and no DENY rule matches
    after:  denied: AuthorizationPolicy shop/no-deletes, rule 0, denies it at waypoint shop/gate

Connections: 0 would be cut, 0 let in, 0 unclear, 0 stay as they are.
Requests: 1 would be cut, 0 let in, 0 unclear, 1 stay as they are.`,
  );
});

test('a policy that goes lets requests in', async () => {
  const args = ['diff', '--delete', 'AuthorizationPolicy/no-deletes.shop', ...OFFLINE, '-o', 'json'];
  const { code, out } = await authz(args, { 'mesh.yaml': `${MESH}---${NO_DELETES}` });
  const { changes, requests } = JSON.parse(out);
  const told = requests.changes.map((one: { effect: string; request: { method: string } }) => [
    one.effect,
    one.request.method,
  ]);
  assert.deepEqual([code, changes, told, requests.unchanged], [1, [], [['opened', 'DELETE']], 1]);
});

test('a policy about headers can not be told of requests that were seen', async () => {
  const { code, out } = await authz(['diff', '-f', '@new.yaml', ...OFFLINE], { 'new.yaml': BY_HEADER });
  assert.equal(code, 1);
  assert.match(out, /^Can not be told, [^\n]*\n[^\n]*\n[^\n]*\n {4}after: {2}depends on headers/);
  assert.match(out, /Requests: 0 would be cut, 0 let in, 2 unclear, 0 stay/);
});

const SAVED: Readonly<Record<string, unknown>> = {
  'one answer': { requests: REQUESTS },
  'a list of answers': [{ flows: [] }, { requests: REQUESTS.slice(0, 1) }, { requests: REQUESTS.slice(1) }],
  'rows in one list': REQUESTS,
};
for (const [name, saved] of Object.entries(SAVED)) {
  test(`what was saved may be ${name}`, async () => {
    const files = { 'new.yaml': NO_DELETES, 'seen.json': JSON.stringify(saved) };
    const { out } = await authz(['diff', '-f', '@new.yaml', ...OFFLINE, '-o', 'json'], files);
    const { requests } = JSON.parse(out);
    assert.deepEqual([requests.changes.length, requests.unchanged], [1, 1]);
  });
}

test('what was saved and is of no ledger is refused', async () => {
  const files = { 'new.yaml': NO_DELETES, 'seen.json': '{"items":[]}' };
  const { code, out, said } = await authz(['diff', '-f', '@new.yaml', ...OFFLINE], files);
  assert.deepEqual([code, out], [2, '']);
  assert.match(said, /seen\.json: not the flows of a ztunnel or a waypoint: .*neither `flows` nor `requests`/);
});

const live = (podHttp: (request: string) => string) =>
  memoryCluster(
    [
      CLASS,
      ...parseObjects(MESH, 'mesh').map(({ object }) => object),
      waypointPod('shop/gate-1', 'gate', { phase: 'Running' }),
      waypointPod('shop/gate-2', 'gate', { phase: 'Running' }),
      object('Pod', 'istio-system/ztunnel', { labels: { app: 'ztunnel' }, spec: { nodeName: 'node-1' } }),
    ],
    { podHttp },
  );

test('every pod of every waypoint is asked, and what they have seen is one', async () => {
  const cluster = live((asked) =>
    JSON.stringify(asked.startsWith('shop/gate') ? { requests: REQUESTS } : { flows: [] }),
  );
  const { code, out, said } = await authz(
    ['diff', '-f', '@new.yaml', '-o', 'json'],
    { 'new.yaml': NO_DELETES },
    cluster,
  );
  const { requests, silent } = JSON.parse(out);
  assert.deepEqual([code, requests.changes[0]?.request.count, silent, said], [1, 2, [], '']);
});

test('a waypoint that does not answer is named, and nothing is taken to stay as it is', async () => {
  const cluster = live((asked) => {
    if (asked.startsWith('shop/gate-2')) throw new CliError('pod is gone');
    return JSON.stringify(asked.startsWith('shop/gate') ? { requests: REQUESTS.slice(0, 1) } : { flows: [] });
  });
  const { code, said } = await authz(['diff', '-f', '@new.yaml'], { 'new.yaml': NO_DELETES }, cluster);
  assert.equal(code, 2);
  assert.match(said, /waypoint pod shop\/gate-2 did not answer \(pod is gone\): what only it has seen is missing here/);
});

test('rules for requests come as YAML with their evidence, and what is in no rule is told', async () => {
  const mesh = MESH.replace('targetPort: 8080 }]', 'targetPort: 8080 }, { name: tcp-raw, port: 90 }]');
  const seen = [
    ...REQUESTS,
    request('POST', '/items', { verdict: 'deny' }),
    request('GET', '/old', { destination: 'shop/old.shop.svc.cluster.local' }),
  ];
  const files = { 'mesh.yaml': mesh, 'seen.json': JSON.stringify(seen) };
  const { code, out, said } = await authz(['suggest', 'shop', ...OFFLINE], files);
  assert.equal(code, 0, said);
  const policies = parseAllDocuments(out)
    .map((document) => document.toJS())
    .filter((object) => object !== null);
  assert.deepEqual(policies, [
    {
      apiVersion: 'security.istio.io/v1',
      kind: 'AuthorizationPolicy',
      metadata: { name: 'cart-requests', namespace: 'shop' },
      spec: {
        targetRefs: [{ group: '', kind: 'Service', name: 'cart' }],
        action: 'ALLOW',
        rules: [
          {
            from: [{ source: { principals: ['cluster.local/ns/shop/sa/web'] } }],
            to: [{ operation: { ports: ['80'], methods: ['DELETE', 'GET'], paths: ['/items/{*}'] } }],
          },
          { to: [{ operation: { ports: ['90'] } }] },
        ],
      },
    },
  ]);
  assert.match(
    out,
    /# spiffe:\S+\/sa\/web -> DELETE \/items\/\{\*\} of shop\/cart\.\S+:80 at waypoint shop\/gate, once, last /,
  );
  assert.match(out, /# not known to speak HTTP[^\n]*\n {4}- to:/);
  assert.match(out, /# Denied today, [^\n]*\n# {3}spiffe:\S+ -> POST \/items of /);
  assert.match(out, /# In no rule: what they called is gone, [^\n]*\n# {3}spiffe:\S+ -> GET \/old of /);
  assert.match(out, /# Requests: 1 would be cut, 0 let in, 0 unclear, 2 stay as they are\. 1 not judged/);
});

test('evidence that would end its comment does not', async () => {
  const seen = [request('GET', '/items', { lastSeen: '2026\nmetadata: { name: other }' })];
  const { out } = await authz(['suggest', 'shop', ...OFFLINE], { 'seen.json': JSON.stringify(seen) });
  assert.match(out, / {4}# spiffe:\S+ -> GET \/items of [^\n]*2026 metadata: \{ name: other \}/);
  assert.equal(out.match(/^ *metadata:/gm)?.length, 1);
});
