import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { CertificateAuthority, inspectCertificate } from '../core/identity/index.ts';
import { RESOURCES } from '../core/kube/index.ts';
import { loadRoot } from './authority/root.ts';
import { Serving, servingNames } from './authority/serving.ts';
import { CA_ROOT_SECRET, startMesh, until } from './test-mesh.ts';

const NOW = new Date('2026-03-01T12:00:00Z');
const DAY_MS = 86_400_000;

const dataOf = (object: unknown): Record<string, string> =>
  ((object ?? {}) as { data?: Record<string, string> }).data ?? {};

test('the first controller makes the root, and the next ones use it', async () => {
  await using first = await startMesh();
  const secret = first.api.get(CA_ROOT_SECRET.type, CA_ROOT_SECRET.key);
  assert.equal(secret?.['type'], 'istio.io/ca-root');
  assert.equal(Buffer.from(dataOf(secret)['root-cert.pem'] ?? '', 'base64').toString(), first.controller.rootPem);
  assert.ok(secret);
  await using second = await startMesh({}, (api) => void api.put(secret));
  assert.equal(second.controller.rootPem, first.controller.rootPem);
});

test('of two replicas that start at once one root is made, and both have it', async () => {
  const theirs = await CertificateAuthority.selfSigned({ trustDomain: 'cluster.local', now: new Date() });
  let asked = 0;
  await using mesh = await startMesh({}, (api) => {
    const before = api.intercept;
    api.intercept = (request) => {
      // The other replica creates the Secret between our look and our creation.
      if (request.method === 'GET' && request.path.endsWith('/secrets/istio-ca-secret') && asked++ === 0) {
        api.put({
          apiVersion: 'v1',
          kind: 'Secret',
          metadata: { name: 'istio-ca-secret', namespace: 'istio-system' },
          data: theirs.toSecretData(),
        });
        return { status: 404, body: { code: 404, reason: 'NotFound' } };
      }
      return before?.(request);
    };
  });
  assert.equal(mesh.controller.rootPem, theirs.rootPem);
});

test('a Secret that can not be used stops the start, and is not replaced', async () => {
  const broken = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'istio-ca-secret', namespace: 'istio-system' },
    data: { 'ca-cert.pem': Buffer.from('garbage').toString('base64') },
  };
  await assert.rejects(
    startMesh({}, (api) => void api.put(broken)),
    /Secret istio-system\/istio-ca-secret: .*ca-key\.pem is missing/,
  );
});

test('a plugged-in authority counts before the Secret, and an incomplete one stops the start', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'ambit-cacerts-'));
  const client = { find: async () => undefined, create: async () => assert.fail(), get: async () => assert.fail() };
  const load = (rootCaDir: string) =>
    loadRoot({ client, namespace: 'istio-system', trustDomain: 'cluster.local', rootCaDir, now: NOW });
  try {
    const ca = await CertificateAuthority.selfSigned({ trustDomain: 'corp', now: NOW });
    const files = { 'ca-cert.pem': ca.certPem, 'root-cert.pem': ca.rootPem };
    const key = Buffer.from(ca.toSecretData()['ca-key.pem'] ?? '', 'base64');
    for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
    await assert.rejects(load(dir), /ca-key\.pem is missing/);
    writeFileSync(join(dir, 'ca-key.pem'), key);
    const loaded = await load(dir);
    assert.deepEqual([loaded.from, loaded.authority.rootPem], ['plugged-in', ca.rootPem]);
    rmSync(join(dir, 'root-cert.pem'));
    await assert.rejects(load(dir), /root-cert\.pem is missing/);
    mkdirSync(join(dir, 'root-cert.pem'));
    await assert.rejects(load(dir), /can't read/);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('every namespace but a few has the root, also new ones, and an edited or deleted copy is restored', async () => {
  await using mesh = await startMesh();
  const copy = (namespace: string) =>
    dataOf(mesh.api.get(RESOURCES.ConfigMap, `${namespace}/istio-ca-root-cert`))['root-cert.pem'];
  const root = mesh.controller.rootPem;
  await until(() => copy('default') === root && copy('istio-system') === root, 'copies');
  mesh.api.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'new' } });
  await until(() => copy('new') === root, 'copy in the new namespace');
  mesh.api.remove(RESOURCES.ConfigMap, 'new/istio-ca-root-cert');
  await until(() => copy('new') === root, 'restored after deletion');
  const metadata = { name: 'istio-ca-root-cert', namespace: 'new' };
  mesh.api.put({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { 'root-cert.pem': 'evil', mine: 'kept' } });
  await until(() => copy('new') === root, 'restored after an edit');
  assert.equal(copy('kube-public'), undefined);
});

test('clients see a TLS 1.3 certificate for the names of the service, and TLS 1.2 is refused', async () => {
  await using mesh = await startMesh({ REVISION: 'canary', ISTIOD_CUSTOM_HOST: 'mesh.example' });
  const handshake = (options: object) => {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const socket = connect({
      port: mesh.controller.ports.grpc,
      host: '127.0.0.1',
      ca: mesh.controller.rootPem,
      servername: 'istiod-canary.istio-system.svc',
      ALPNProtocols: ['h2'],
      ...options,
    });
    socket.once('secureConnect', () => {
      resolve(`${socket.getProtocol()} ${socket.getPeerCertificate().subjectaltname}`);
      socket.destroy();
    });
    socket.once('error', reject);
    return promise;
  };
  const seen = await handshake({});
  assert.match(seen, /^TLSv1\.3 /);
  for (const name of ['istiod', 'istiod-remote', 'istio-pilot', 'istiod-canary']) {
    assert.ok(seen.includes(`DNS:${name}.istio-system.svc`), name);
  }
  assert.ok(seen.includes('DNS:mesh.example'));
  await assert.rejects(handshake({ maxVersion: 'TLSv1.2' }));
  await assert.rejects(handshake({ servername: 'other.istio-system.svc' }));
});

test('the serving certificate is renewed at half its life, not before', async () => {
  const authority = await CertificateAuthority.selfSigned({ trustDomain: 'cluster.local', now: NOW });
  const names = servingNames({ namespace: 'istio-system', revision: 'default', customHosts: [] });
  assert.deepEqual(names, [
    'istiod.istio-system.svc',
    'istiod-remote.istio-system.svc',
    'istio-pilot.istio-system.svc',
  ]);
  const serving = await Serving.create(() => authority, names, NOW);
  const first = serving.certificate.serial;
  assert.equal(await serving.renewIfDue(new Date(NOW.getTime() + 44.9 * DAY_MS)), 'fresh');
  assert.equal(serving.certificate.serial, first);
  assert.equal(await serving.renewIfDue(new Date(NOW.getTime() + 45 * DAY_MS)), 'renewed');
  const facts = inspectCertificate(serving.certificate.certPem);
  assert.notEqual(facts.serial, first);
  assert.deepEqual(facts.dnsNames, names);
});

test('a copy that could not be written is tried again', async () => {
  let refusals = 1;
  await using mesh = await startMesh({}, (api) => {
    const before = api.intercept;
    api.intercept = (request) =>
      request.method === 'POST' && request.path === '/api/v1/namespaces/default/configmaps' && refusals-- > 0
        ? { status: 500, body: {} }
        : before?.(request);
  });
  await mesh.logged('write failed, will be tried again');
  const copy = () => mesh.api.get(RESOURCES.ConfigMap, 'default/istio-ca-root-cert');
  await until(() => copy() !== undefined, 'second try');
});
