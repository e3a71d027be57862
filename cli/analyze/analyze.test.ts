import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { KubeObject } from '../../mesh/index.ts';
import { parseObjects } from '../model/load-files.ts';
import { ambit, memoryCluster } from '../test-support.ts';

const SHOP = `
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { istio.io/dataplane-mode: ambient } }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: cart, namespace: shop }
spec:
  template:
    metadata: { labels: { app: cart } }
    spec: { serviceAccountName: cart, containers: [{ name: cart, ports: [{ name: http, containerPort: 8080 }] }] }
`;
const TYPO = SHOP.replace('ambient }', 'ambeint }');
const ON_HOST = SHOP.replace('spec: { serviceAccountName', 'spec: { hostNetwork: true, serviceAccountName');
const NOBODY = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: p, namespace: shop }
spec: { selector: { matchLabels: { app: card } } }
`;
const STRICT = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: shop }
spec: { mtls: { mode: STRICT } }
`;
const UNSERVED = [
  'gateways',
  'gatewayclasses',
  'serviceentries',
  'workloadentries',
  'sidecars',
  'envoyfilters',
  'telemetries',
];

let folder = '';
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'ambit-analyze-'));
});
after(() => rmSync(folder, { recursive: true }));

function file(text: string): string {
  const path = join(folder, 'shop.yaml');
  writeFileSync(path, text);
  return path;
}
type Reported = { code: string; name: string; origin?: string; field?: string; object: { kind: string; name: string } };
const reported = (out: string) => JSON.parse(out) as readonly Reported[];

test('a folder without mistakes needs no cluster and succeeds', async () => {
  file(SHOP);
  const { code, out, said } = await ambit(['analyze', '-f', folder]);
  assert.deepEqual({ code, out, said }, { code: 0, out: 'Nothing found. Looked at 3 objects.', said: '' });
});

test('a slip in a label is told with file, document and fix, and fails', async () => {
  const path = file(`${TYPO}---${NOBODY}`);
  const { code, out } = await ambit(['analyze', '-f', path]);
  assert.equal(code, 1);
  assert.match(
    out,
    new RegExp(
      `error AMB0303 LabelValueUnknown: Namespace shop \\(${path}#1\\)\n  metadata.labels.*"ambeint".*\n  fix: write ambient`,
    ),
  );
  assert.match(out, /warning IST0127 .*: AuthorizationPolicy shop\/p .*#3\)/);
  assert.match(out, /1 error, 1 warning\. Looked at 4 objects\.$/);
});

test('the same for programs', async () => {
  const path = file(TYPO);
  const { out } = await ambit(['analyze', '-f', path, '-o', 'json']);
  const [one] = reported(out);
  assert.deepEqual([one?.code, one?.name, one?.origin], ['AMB0303', 'LabelValueUnknown', `${path}#1`]);
  assert.match((await ambit(['analyze', '-f', path, '-o', 'yaml'])).out, /^- code: AMB0303\n/);
});

test('what is wrong with a pod is told at the Deployment that makes it', async () => {
  const [one] = reported((await ambit(['analyze', '-f', file(ON_HOST), '-o', 'json'])).out);
  assert.deepEqual(
    [one?.code, one?.object, one?.field],
    ['AMB0301', { kind: 'Deployment', namespace: 'shop', name: 'cart' }, 'spec.template.spec.hostNetwork'],
  );
  assert.match(one?.origin ?? '', /#2$/);
});

const THRESHOLDS: readonly [string, string, number][] = [
  ['error', ON_HOST, 0],
  ['warning', ON_HOST, 1],
  ['info', SHOP, 0],
  ['error', TYPO, 1],
];
for (const [threshold, text, want] of THRESHOLDS) {
  test(`with --failure-threshold ${threshold}, exit code ${want}`, async () => {
    assert.equal((await ambit(['analyze', '-f', file(text), '--failure-threshold', threshold])).code, want);
  });
}

const SUPPRESSIONS: readonly [string, string, boolean][] = [
  ['the code everywhere', 'IST0127', true],
  ['another code', 'IST0101', false],
  ['the object as the reference names it', 'IST0127=AuthorizationPolicy p.shop', true],
  ['the object as we name it', 'IST0127=AuthorizationPolicy shop/p', true],
  ['a pattern', 'IST0127=AuthorizationPolicy *.shop', true],
  ['another object', 'IST0127=AuthorizationPolicy q.shop', false],
];
for (const [name, suppression, isGone] of SUPPRESSIONS) {
  test(`--suppress: ${name}`, async () => {
    const { out } = await ambit([
      'analyze',
      '-f',
      file(`${SHOP}---${NOBODY}`),
      '-o',
      'json',
      '--suppress',
      suppression,
    ]);
    assert.equal(reported(out).length, isGone ? 0 : 1);
  });
}

test('only findings about a namespace', async () => {
  const path = file(`${TYPO}---${NOBODY.replaceAll('shop', 'office')}`);
  const codes = async (namespace: string) =>
    reported((await ambit(['analyze', '-f', path, '-o', 'json', '-n', namespace])).out).map(({ code }) => code);
  assert.deepEqual(await codes('shop'), ['AMB0303']);
  assert.deepEqual(await codes('office'), ['IST0127']);
  assert.deepEqual(await codes('legacy'), []);
});

const WRONG: readonly [string, readonly string[], RegExp][] = [
  ['a code that does not exist', ['--suppress', 'AMB9999', '-f', '.'], /AMB9999 is no code; see ambit analyze --list/],
  ['an unknown threshold', ['--failure-threshold', 'terrible'], /Allowed choices are error, warning, info/],
  ['a namespace and all of them', ['-n', 'shop', '-A'], /-n and -A exclude each other/],
  ['a cluster beside no files', ['--with-cluster'], /--with-cluster needs files/],
  ['an unknown format', ['-o', 'xml'], /expected one of short, json, yaml/],
];
for (const [name, args, want] of WRONG) {
  test(`wrong use: ${name}`, async () => {
    const { code, said } = await ambit(['analyze', ...args]);
    assert.equal(code, 2);
    assert.match(said, want);
  });
}

test('the list of codes is that of the table', async () => {
  const { code, out } = await ambit(['analyze', '--list']);
  assert.equal(code, 0);
  assert.match(out, /^CODE +NAME +SEVERITY +FOUND WHEN\n/);
  assert.match(out, /\nAMB0401 +TunnelBlockedIngress +error +a NetworkPolicy admits callers/);
});

const pod = (
  namespace: string,
  name: string,
  ip: string,
  labels: Readonly<Record<string, string>>,
  captured = false,
): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    namespace,
    name,
    labels,
    ...(captured && { annotations: { 'ambient.istio.io/redirection': 'enabled' } }),
  },
  spec: { nodeName: 'node-1', containers: [] },
  status: { phase: 'Running', podIPs: [{ ip }] },
});
const LIVE = [
  ...parseObjects(`${SHOP}---${STRICT}`, 'x').map(({ object }) => object),
  pod('shop', 'cart', '10.1.0.1', { app: 'cart' }, true),
  pod('legacy', 'batch', '10.3.0.1', { app: 'batch' }),
  pod('istio-system', 'ztunnel-1', '10.9.0.1', { app: 'ztunnel' }),
];
const FLOW = {
  source: '10.3.0.1',
  destination: 'Kubernetes//Pod/shop/cart',
  port: 8080,
  service: '',
  verdict: 'deny',
  count: 2,
  firstSeen: '2026-01-01T00:00:00.000Z',
  lastSeen: '2026-01-02T00:00:00.000Z',
};

test('in a live mesh the ztunnels tell of plaintext callers that STRICT refuses', async () => {
  const cluster = memoryCluster(LIVE, {
    unserved: UNSERVED,
    podHttp: (request) => {
      assert.equal(request, 'istio-system/ztunnel-1:15000/flows');
      return JSON.stringify({ dropped: 0, flows: [FLOW] });
    },
  });
  const { code, out } = await ambit(['analyze'], cluster);
  assert.equal(code, 1);
  assert.match(
    out,
    /error AMB0202 StrictWithPlaintextCallers: PeerAuthentication shop\/default\n {2}legacy\/batch called cart/,
  );
  assert.match(out, /1 error\. Looked at \d+ objects and at what 1 of 1 ztunnels have seen\.$/);
});

test('a ztunnel that does not answer is named, and what is found without it is told', async () => {
  const { code, out, said } = await ambit(['analyze'], memoryCluster(LIVE, { unserved: UNSERVED }));
  assert.equal(code, 0);
  assert.match(said, /node node-1 did not say whom it has seen: connection refused/);
  assert.match(out, /at what 0 of 1 ztunnels have seen/);
});

test('a file is judged as it would stand in the cluster, and only what it brings is told', async () => {
  const cluster = memoryCluster(
    [...LIVE, ...parseObjects(NOBODY.replace('name: p', 'name: old'), 'x').map(({ object }) => object)],
    { unserved: UNSERVED },
  );
  const path = file(NOBODY);
  const { out } = await ambit(['analyze', '-f', path, '--with-cluster', '--no-flows', '-o', 'json'], cluster);
  assert.deepEqual(
    reported(out).map(({ code, object, origin }) => [code, object.name, origin]),
    [['IST0127', 'p', path]],
  );
});
