import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { generateKeyAndCsr, inspectCertificate, pemBlocks, toPem } from '../core/identity/index.ts';
import { Reviews } from './authority/caller.ts';
import { type PodSpec, refusal, startMesh, type TestMesh, type TokenFacts, until, ztunnelOn } from './test-mesh.ts';

const SLEEP = 'spiffe://cluster.local/ns/default/sa/sleep';
const HOUR_S = 3_600;

async function csr(identity = SLEEP): Promise<string> {
  return (await generateKeyAndCsr(identity)).csrPem;
}

test('a node proxy gets the certificate of an enrolled pod on its node, and the issuance is logged with node, pod and serial', async () => {
  await using mesh = await startMesh();
  ztunnelOn(mesh, 'node-1');
  mesh.pod({ name: 'sleep-1', serviceAccount: 'sleep' });
  const chain = await mesh
    .ca({})
    .createCertificate(await csr('spiffe://cluster.local/ns/kube-system/sa/admin'), SLEEP, HOUR_S);
  const facts = inspectCertificate(chain[0] ?? '');
  assert.deepEqual(facts.uris, [SLEEP]); // whatever the request says inside
  assert.equal(facts.notAfter.getTime() - facts.notBefore.getTime(), (HOUR_S + 120) * 1000);
  assert.equal(chain.at(-1), mesh.controller.rootPem);
  await mesh.logged(`serial=${JSON.stringify(facts.serial)}`);
  const line = mesh.logs.find((l) => l.includes('certificate issued')) ?? '';
  assert.match(line, /node="?node-1"?/);
  assert.match(line, /pod="?istio-system\/ztunnel-ztunnel"?/);
  assert.match(line, /forPod="?default\/sleep-1"?/);
});

test('a workload gets a certificate for itself alone', async () => {
  await using mesh = await startMesh();
  mesh.tokens.set('waypoint', { namespace: 'default', serviceAccount: 'waypoint' });
  const own = mesh.ca({ token: 'waypoint', impersonate: false });
  const chain = await own.createCertificate(await csr(), SLEEP, HOUR_S);
  assert.deepEqual(inspectCertificate(chain[0] ?? '').uris, ['spiffe://cluster.local/ns/default/sa/waypoint']);
  mesh.pod({ name: 'sleep-1', serviceAccount: 'sleep' });
  const other = await refusal(mesh.ca({ token: 'waypoint' }).createCertificate(await csr(), SLEEP, HOUR_S));
  assert.equal(other.code, status.UNAUTHENTICATED);
});

type Row = {
  readonly pods?: readonly PodSpec[];
  readonly token?: Partial<TokenFacts>;
  readonly identity?: string;
  readonly clusterId?: string;
  readonly reason: RegExp;
};

const REFUSED_IMPERSONATION: Readonly<Record<string, Row>> = {
  'no pod of that account is on the node': {
    pods: [{ name: 'sleep-1', serviceAccount: 'sleep', node: 'node-2' }],
    reason: /no pod of default\/sleep is on node node-1/,
  },
  'only a pod of another account is on the node': {
    pods: [{ name: 'other', serviceAccount: 'other' }],
    reason: /no pod of default\/sleep is on node node-1/,
  },
  'a pod of the same account name is in another namespace': {
    pods: [{ name: 'sleep-1', serviceAccount: 'sleep', namespace: 'istio-system' }],
    reason: /no pod of default\/sleep/,
  },
  'the pod is not in the mesh': {
    pods: [{ name: 'sleep-1', serviceAccount: 'sleep', redirection: undefined }],
    reason: /pod default\/sleep-1 on node node-1 is not in the mesh/,
  },
  'the pod has an unknown redirection': {
    pods: [{ name: 'sleep-1', serviceAccount: 'sleep', redirection: 'disabled' }],
    reason: /is not in the mesh/,
  },
  'the pod has failed': {
    pods: [{ name: 'sleep-1', serviceAccount: 'sleep', phase: 'Failed' }],
    reason: /pod default\/sleep-1 on node node-1 has ended/,
  },
  'the pod has succeeded': {
    pods: [{ name: 'sleep-1', serviceAccount: 'sleep', phase: 'Succeeded' }],
    reason: /has ended/,
  },
  'the trust domain is foreign': {
    identity: 'spiffe://evil.example/ns/default/sa/sleep',
    reason: /evil\.example is not ours/,
  },
  'the identity is malformed': {
    identity: 'spiffe://cluster.local/ns/default/sa/sleep/',
    reason: /not a workload identity/,
  },
  'the token is of a ztunnel pod that was replaced': {
    token: { pod: { name: 'ztunnel-ztunnel', uid: 'an-older-one' } },
    reason: /its UID differs/,
  },
  'the token is of a pod that does not exist': {
    token: { pod: { name: 'ztunnel-gone', uid: 'uid-ztunnel' } },
    reason: /pod istio-system\/ztunnel-gone does not exist/,
  },
  'the token is bound to no pod': { token: { pod: undefined } as never, reason: /not bound to a pod/ },
  'the account is not trusted': {
    token: { serviceAccount: 'default' },
    reason: /istio-system\/default is not a trusted node account/,
  },
  'the trusted name is in another namespace': {
    token: { namespace: 'default' },
    reason: /default\/ztunnel is not a trusted node account/,
  },
  'the caller names no cluster': { clusterId: '', reason: /does not say which cluster/ },
};

for (const [name, row] of Object.entries(REFUSED_IMPERSONATION)) {
  test(`the certificate of another is refused when ${name}`, async () => {
    await using mesh = await startMesh();
    ztunnelOn(mesh, 'node-1');
    mesh.tokens.set('ztunnel', { ...mesh.tokens.get('ztunnel'), ...row.token });
    for (const pod of row.pods ?? [{ name: 'sleep-1', serviceAccount: 'sleep' }]) mesh.pod(pod);
    const client = mesh.ca({ clusterId: row.clusterId ?? 'Kubernetes' });
    const refused = await refusal(client.createCertificate(await csr(), row.identity ?? SLEEP, HOUR_S));
    assert.deepEqual(refused, {
      code: status.UNAUTHENTICATED,
      details: 'request impersonation authentication failure',
    });
    await mesh.logged(row.reason);
  });
}

const REFUSED_CALLERS: Readonly<
  Record<string, { token?: Partial<TokenFacts> | undefined; clusterId?: string; reason: RegExp }>
> = {
  'a token that the API server does not know': { reason: /token not accepted: unknown token/ },
  'a token for another audience': {
    token: { audiences: ['https://kubernetes.default.svc'] },
    reason: /another audience/,
  },
  'a review that names no audience': { token: { audiences: [] }, reason: /another audience/ },
  'a token of a person': {
    token: { username: 'jane', groups: ['system:authenticated'] },
    reason: /not of a service account/,
  },
  'a user name with five parts': {
    token: { username: 'system:serviceaccount:istio-system:ztunnel:x' },
    reason: /is not of a service account/,
  },
  'a review that says no': { token: { authenticated: false }, reason: /not accepted/ },
  'an unknown cluster': { token: {}, clusterId: 'elsewhere', reason: /unknown cluster .*elsewhere/ },
};

test('a caller that can not be proven is refused, whatever it asks for', async (t) => {
  await using mesh = await startMesh();
  ztunnelOn(mesh, 'node-1', 'good');
  const good = mesh.tokens.get('good');
  mesh.pod({ name: 'sleep-1', serviceAccount: 'sleep' });
  for (const [name, row] of Object.entries(REFUSED_CALLERS)) {
    await t.test(name, async () => {
      mesh.tokens.delete('t');
      if (row.token !== undefined) mesh.tokens.set('t', { ...good, ...row.token });
      const client = mesh.ca({ token: 't', clusterId: row.clusterId ?? 'Kubernetes' });
      const refused = await refusal(client.createCertificate(await csr(), SLEEP, HOUR_S));
      assert.deepEqual(refused, { code: status.UNAUTHENTICATED, details: 'request authenticate failure' });
      await mesh.logged(row.reason);
    });
  }
  await t.test('an API server that does not answer', async () => {
    mesh.api.intercept = () => ({ status: 500, body: {} });
    const refused = await refusal(mesh.ca({ token: 'good' }).createCertificate(await csr(), SLEEP, HOUR_S));
    assert.equal(refused.code, status.UNAUTHENTICATED);
    await mesh.logged(/token review failed/);
  });
});

test('what is wrong with a request is told, and nothing is signed', async (t) => {
  await using mesh = await startMesh();
  ztunnelOn(mesh, 'node-1');
  mesh.pod({ name: 'sleep-1', serviceAccount: 'sleep' });
  const good = await csr();
  const der = Buffer.from(pemBlocks(good)[0]?.der ?? []);
  der[der.length - 1] = (der.at(-1) ?? 0) ^ 1;
  const rows: Record<string, [string, number, RegExp]> = {
    'a signature that does not verify': [toPem('CERTIFICATE REQUEST', der), HOUR_S, /signature does not verify/],
    'no request at all': ['hello', HOUR_S, /it is not PEM/],
    'a life of 59 seconds': [good, 59, /59 s is less than 60 s/],
    'a life of more than 90 days': [good, 90 * 86_400 + 1, /more than the maximum/],
  };
  for (const [name, [pem, ttl, reason]] of Object.entries(rows)) {
    await t.test(name, async () => {
      const refused = await refusal(mesh.ca({}).createCertificate(pem, SLEEP, ttl));
      assert.equal(refused.code, status.INVALID_ARGUMENT);
      assert.match(refused.details, reason);
    });
  }
  assert.ok(!mesh.logs.some((line) => line.includes('certificate issued')));
});

test('the shortest, the longest and the default life are granted', async () => {
  await using mesh = await startMesh();
  ztunnelOn(mesh, 'node-1');
  mesh.pod({ name: 'sleep-1', serviceAccount: 'sleep' });
  for (const [asked, given] of [
    [60, 60],
    [90 * 86_400, 90 * 86_400],
    [0, 86_400],
  ] as const) {
    const [leaf = ''] = await mesh.ca({}).createCertificate(await csr(), SLEEP, asked);
    const { notBefore, notAfter } = inspectCertificate(leaf);
    assert.equal(notAfter.getTime() - notBefore.getTime(), (given + 120) * 1000);
  }
});

test('a pod that reaches us a moment after its node asks for it is waited for', async () => {
  await using mesh = await startMesh({ AMBIT_INFORMER_LAG: '4s' });
  ztunnelOn(mesh, 'node-1');
  const waiting = mesh.ca({}).createCertificate(await csr(), SLEEP, HOUR_S);
  await until(() => mesh.api.requests.some((r) => r.path.endsWith('/tokenreviews')), 'token review');
  mesh.pod({ name: 'sleep-1', serviceAccount: 'sleep', redirection: undefined });
  mesh.pod({ name: 'sleep-1', serviceAccount: 'sleep', redirection: 'pending' });
  assert.deepEqual(inspectCertificate((await waiting)[0] ?? '').uris, [SLEEP]);
});

test('a changed trust domain is the one that counts', async () => {
  await using mesh = await startMesh({}, (api) => meshConfig(api, 'trustDomain: corp.example'));
  ztunnelOn(mesh, 'node-1');
  mesh.pod({ name: 'sleep-1', serviceAccount: 'sleep' });
  const corp = 'spiffe://corp.example/ns/default/sa/sleep';
  const chain = await mesh.ca({}).createCertificate(await csr(), corp, HOUR_S);
  assert.deepEqual(inspectCertificate(chain[0] ?? '').uris, [corp]);
  meshConfig(mesh.api, 'trustDomain: other.example');
  await mesh.logged('mesh configuration changed');
  const refused = await refusal(mesh.ca({}).createCertificate(await csr(), corp, HOUR_S));
  assert.equal(refused.code, status.UNAUTHENTICATED);
  meshConfig(mesh.api, 'trustDomain: [');
  await mesh.logged('the last good one stays in force');
});

function meshConfig(api: TestMesh['api'], mesh: string): void {
  api.put({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'istio', namespace: 'istio-system' },
    data: { mesh },
  });
}

test('a flood of callers is sent away before it floods the API server, and one address leaves room for the others', async () => {
  const reviews = new Reviews();
  const { promise, resolve } = Promise.withResolvers<void>();
  const flood = (peer: string, many: number) =>
    Array.from({ length: many }, (_, i) => reviews.run(`${peer}:${40_000 + i}`, () => promise));
  const isFull = (peer: string) =>
    assert.rejects(
      reviews.run(peer, async () => {}),
      { code: status.RESOURCE_EXHAUSTED },
    );
  const running = flood('10.0.0.1', 32);
  await isFull('10.0.0.1:1');
  await reviews.run('10.0.0.2:1', async () => {});
  for (const peer of ['10.0.0.2', 'fd00::1', 'fd00::2']) running.push(...flood(peer, 32));
  await isFull('10.0.0.9:1');
  resolve();
  await Promise.all(running);
  await reviews.run('10.0.0.1:1', async () => {});
});
