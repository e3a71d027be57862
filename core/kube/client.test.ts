import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { KubeObject } from '../../mesh/index.ts';
import { CertificateAuthority } from '../identity/index.ts';
import { FakeApi } from './fake/index.ts';
import { connectionSource, KubeError, kubeClient, RESOURCES } from './index.ts';
import { clientOf } from './test-client.ts';

const configMap = (name: string, data: Record<string, string>): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'default' },
  data,
});

const kubeError = (code: number, reason: string) => (error: unknown) =>
  error instanceof KubeError && error.code === code && error.reason === reason;

test('an object is created, read, replaced, patched, applied and deleted', async () => {
  await using api = await FakeApi.start();
  await using client = clientOf(api);
  const made = await client.create(configMap('c', { a: '1' }));
  await assert.rejects(client.create(configMap('c', {})), kubeError(409, 'AlreadyExists'));
  const stale = await client.get(RESOURCES.ConfigMap, 'c', 'default');
  assert.equal(stale.metadata.uid, made.metadata.uid);
  const replaced = await client.replace({ ...stale, data: { a: '2' } });
  assert.deepEqual(replaced['data'], { a: '2' });
  await assert.rejects(client.replace({ ...stale, data: { a: '3' } }), kubeError(409, 'Conflict'));
  const at = { name: 'c', namespace: 'default' };
  await client.patch(RESOURCES.ConfigMap, at, 'merge', { data: { b: '3', a: null } }, { fieldManager: 'me' });
  const applied = await client.apply(configMap('c', { d: '4' }), { fieldManager: 'me', force: true });
  assert.deepEqual(applied['data'], { b: '3', d: '4' });
  const patch = api.requests.findLast((r) => r.contentType === 'application/merge-patch+json');
  assert.equal(patch?.query.get('fieldManager'), 'me');
  const apply = api.requests.findLast((r) => r.contentType === 'application/apply-patch+yaml');
  assert.equal(apply?.query.get('force'), 'true');
  assert.equal(await client.delete(RESOURCES.ConfigMap, 'c', 'default', { uid: made.metadata.uid ?? '' }), 'deleted');
  assert.equal(await client.delete(RESOURCES.ConfigMap, 'c', 'default'), 'was-gone');
  assert.equal(await client.find(RESOURCES.ConfigMap, 'c', 'default'), undefined);
  await assert.rejects(client.get(RESOURCES.ConfigMap, 'c', 'default'), kubeError(404, 'NotFound'));
});

test('the status path changes only the status', async () => {
  await using api = await FakeApi.start();
  await using client = clientOf(api);
  const policy = {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: 'p', namespace: 'default' },
    spec: { action: 'DENY' },
  };
  api.put(policy);
  await client.apply(
    { ...policy, spec: { action: 'ALLOW' }, status: { x: 1 } },
    { fieldManager: 'm', subresource: 'status' },
  );
  const now = await client.get(RESOURCES.AuthorizationPolicy, 'p', 'default');
  assert.deepEqual([now['spec'], now['status']], [{ action: 'DENY' }, { x: 1 }]);
});

test('a kind outside our table is found by discovery, once', async () => {
  await using api = await FakeApi.start();
  let discoveries = 0;
  api.intercept = (request) => {
    if (request.path === '/apis/example.com/v1') {
      discoveries += 1;
      const resources = [
        { name: 'things/status', kind: 'Thing', namespaced: true },
        { name: 'things', kind: 'Thing', namespaced: true },
      ];
      return { status: 200, body: { resources } };
    }
    if (request.path === '/apis/example.com/v1/namespaces/n/things') return { status: 201, body: request.body };
    return undefined;
  };
  await using client = clientOf(api);
  const thing = { apiVersion: 'example.com/v1', kind: 'Thing', metadata: { name: 't', namespace: 'n' } };
  await client.create(thing);
  await client.create(thing);
  assert.equal(discoveries, 1);
  await assert.rejects(client.create({ ...thing, kind: 'Nothing' }), kubeError(404, 'NotFound'));
});

test('an overloaded server is asked again after the time it names', async () => {
  await using api = await FakeApi.start();
  let refusals = 2;
  api.intercept = () => (refusals-- > 0 ? { status: 429, body: {}, headers: { 'retry-after': '0' } } : undefined);
  await using client = clientOf(api);
  await client.create(configMap('c', {}));
  assert.equal(api.requests.length, 3);
});

test('a refused token is read again from its file, once', async () => {
  await using api = await FakeApi.start();
  const dir = mkdtempSync(join(tmpdir(), 'ambit-kube-'));
  try {
    const tokenFile = join(dir, 'token');
    writeFileSync(tokenFile, 'old\n');
    writeFileSync(join(dir, 'config'), api.kubeconfig({ tokenFile }));
    await using client = kubeClient({ env: { KUBECONFIG: join(dir, 'config') } });
    api.intercept = (r) =>
      r.authorization === 'Bearer new'
        ? undefined
        : { status: 401, body: { reason: 'Unauthorized', message: 'who?', code: 401 } };
    await assert.rejects(client.list(RESOURCES.Pod), kubeError(401, 'Unauthorized'));
    assert.equal(api.requests.length, 2);
    writeFileSync(tokenFile, 'new\n');
    assert.deepEqual((await client.list(RESOURCES.Pod)).items, []);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('the server certificate is verified against the CA of the kubeconfig', async () => {
  const now = new Date();
  const ca = await CertificateAuthority.selfSigned({ trustDomain: 'cluster.local', now });
  const serving = await ca.issueServing({ dnsNames: ['kubernetes.default.svc'], ttlSeconds: 3600, now });
  await using api = await FakeApi.start({ tls: { key: serving.keyPem, cert: serving.certPem } });
  await using good = clientOf(api, { ca: ca.rootPem, serverName: 'kubernetes.default.svc' });
  assert.deepEqual((await good.list(RESOURCES.Pod)).items, []);
  const stranger = await CertificateAuthority.selfSigned({ trustDomain: 'cluster.local', now });
  await using bad = clientOf(api, { ca: stranger.rootPem, serverName: 'kubernetes.default.svc' });
  await assert.rejects(bad.list(RESOURCES.Pod), kubeError(0, 'Unreachable'));
  await using wrongName = clientOf(api, { ca: ca.rootPem, serverName: 'other.default.svc' });
  await assert.rejects(wrongName.list(RESOURCES.Pod), kubeError(0, 'Unreachable'));
});

test('inside a pod the service account files lead to the server, and a rotated CA is taken up', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'ambit-kube-'));
  try {
    writeFileSync(join(dir, 'token'), 'pod-token');
    writeFileSync(join(dir, 'namespace'), 'istio-system');
    writeFileSync(join(dir, 'ca.crt'), 'first');
    let time = 0;
    const env = { KUBERNETES_SERVICE_HOST: 'fd00:96::1', KUBERNETES_SERVICE_PORT: '443' };
    const source = connectionSource({ env, serviceAccountDir: dir, now: () => time });
    const first = await source.current();
    assert.equal(first.server, 'https://[fd00:96::1]:443');
    assert.equal(first.authorization, 'Bearer pod-token');
    assert.equal(first.namespace, 'istio-system');
    time = 29_999;
    writeFileSync(join(dir, 'ca.crt'), 'second');
    assert.equal((await source.current()).tls, first.tls);
    time = 30_000;
    assert.equal((await source.current()).tls.ca, 'second');
    rmSync(join(dir, 'token'));
    time = 60_000;
    assert.equal((await source.current()).authorization, 'Bearer pod-token');
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('a broken kubeconfig is one clear error', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'ambit-kube-'));
  const rows: Record<string, [string, RegExp]> = {
    'no YAML': ['{', /config: /],
    'a list where clusters should be named': ['clusters: 5', /clusters/],
    'no current context': ['clusters: []', /current-context is not set/],
    'a context that does not exist': ['current-context: x', /context "x" does not exist/],
    'a cluster that does not exist': [
      'current-context: x\ncontexts: [{name: x, context: {cluster: y, user: z}}]',
      /cluster "y" does not exist/,
    ],
  };
  try {
    for (const [name, [text, reason]] of Object.entries(rows)) {
      await t.test(name, () => {
        writeFileSync(join(dir, 'config'), text);
        assert.throws(() => kubeClient({ kubeconfig: join(dir, 'config'), env: {} }), reason);
      });
    }
    await t.test('no file', () => {
      assert.throws(() => kubeClient({ kubeconfig: join(dir, 'none'), env: {} }), /ENOENT/);
      assert.throws(() => kubeClient({ env: {} }), /no Kubernetes API/);
    });
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('a user who logs in by a plugin gets the token that it prints', async () => {
  const now = new Date();
  const ca = await CertificateAuthority.selfSigned({ trustDomain: 'cluster.local', now });
  const serving = await ca.issueServing({ dnsNames: ['kubernetes.default.svc'], ttlSeconds: 3600, now });
  await using api = await FakeApi.start({ tls: { key: serving.keyPem, cert: serving.certPem } });
  const dir = mkdtempSync(join(tmpdir(), 'ambit-kube-'));
  try {
    const answer = {
      kind: 'ExecCredential',
      apiVersion: 'client.authentication.k8s.io/v1',
      status: { token: 'printed' },
    };
    writeFileSync(join(dir, 'answer'), JSON.stringify(answer));
    const config = JSON.parse(api.kubeconfig({ ca: ca.rootPem, serverName: 'kubernetes.default.svc' }));
    const exec = {
      apiVersion: answer.apiVersion,
      command: 'cat',
      args: [join(dir, 'answer')],
      interactiveMode: 'Never',
    };
    config.users[0].user = { exec };
    writeFileSync(join(dir, 'config'), JSON.stringify(config));
    await using client = kubeClient({ kubeconfig: join(dir, 'config'), env: {} });
    await client.list(RESOURCES.Pod);
    await client.list(RESOURCES.Pod);
    assert.deepEqual(
      api.requests.map((r) => r.authorization),
      ['Bearer printed', 'Bearer printed'],
    );
    config.users[0].user.exec.command = 'false';
    writeFileSync(join(dir, 'config'), JSON.stringify(config));
    await using broken = kubeClient({ kubeconfig: join(dir, 'config'), env: {} });
    await assert.rejects(broken.list(RESOURCES.Pod), kubeError(401, 'Unauthorized'));
  } finally {
    rmSync(dir, { recursive: true });
  }
});
