import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { CertificateAuthority } from '../../core/identity/index.ts';
import { FakeApi } from '../../core/kube/fake/index.ts';

const root = join(import.meta.dirname, '..', '..');

/** The plugin as an agent installs it, an API over TLS, and an agent that answers as told. */
async function stage(answer: { status: number; body: string } | 'silent' | 'absent') {
  const dir = mkdtempSync(join(tmpdir(), 'amb-plugin-'));
  mkdirSync(join(dir, 'istio-cni.d'));
  copyFileSync(join(root, 'cni', 'plugin', 'launcher.sh'), join(dir, 'istio-cni'));
  copyFileSync(join(root, 'dist', 'cni-plugin.js'), join(dir, 'istio-cni.d', 'plugin.js'));
  symlinkSync(process.execPath, join(dir, 'istio-cni.d', 'node'));
  execFileSync('chmod', ['755', join(dir, 'istio-cni')]);
  const ca = await CertificateAuthority.selfSigned({ trustDomain: 'test', now: new Date() });
  const serving = await ca.issueServing({ dnsNames: ['localhost'], ttlSeconds: 3600, now: new Date() });
  const api = await FakeApi.start({ tls: { key: serving.keyPem, cert: serving.certPem } });
  api.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels: { mode: 'ambient' } } });
  api.put({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web', namespace: 'shop' } });
  const config = JSON.parse(api.kubeconfig({ ca: ca.rootPem }));
  config.clusters[0].cluster.server = api.url.replace('127.0.0.1', 'localhost');
  writeFileSync(join(dir, 'istio-cni-kubeconfig'), JSON.stringify(config));
  const events: unknown[] = [];
  const logs: string[] = [];
  const collect = (path: string, take: (body: string) => void) =>
    createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => (body += chunk));
      request.on('end', () => {
        take(body);
        if (answer === 'silent' && request.url === '/cmdadd') return;
        const { status, body: text } = typeof answer === 'object' ? answer : { status: 200, body: '' };
        response.writeHead(request.url === '/log' ? 200 : status).end(text);
      });
    }).listen(join(dir, path));
  const agent = answer === 'absent' ? undefined : collect('pluginevent.sock', (body) => events.push(JSON.parse(body)));
  const log = collect('log.sock', (body) => logs.push(...JSON.parse(body)));
  return {
    dir,
    api,
    events,
    logs,
    async [Symbol.asyncDispose]() {
      await api[Symbol.asyncDispose]();
      for (const server of [agent, log]) {
        server?.closeAllConnections();
        server?.close();
      }
      rmSync(dir, { recursive: true });
    },
  };
}

/** Runs the launcher with exactly this environment. */
async function cni(dir: string, env: Record<string, string>, stdin: string) {
  const child = spawn(join(dir, 'istio-cni'), [], { env, stdio: 'pipe' });
  const out = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => (out.stdout += chunk));
  child.stderr.on('data', (chunk) => (out.stderr += chunk));
  child.stdin.end(stdin);
  const code = await new Promise((done) => child.once('close', done));
  return { code, ...out };
}

const env = (command: string) => ({
  CNI_COMMAND: command,
  CNI_NETNS: '/var/run/netns/x',
  CNI_ARGS: 'K8S_POD_NAME=web;K8S_POD_NAMESPACE=shop',
});
const conf = (dir: string, more: object = {}) =>
  JSON.stringify({
    cniVersion: '1.0.0',
    name: 'net',
    type: 'istio-cni',
    cni_agent_run_dir: dir,
    ambient_enabled: true,
    enablement_selectors: [{ namespaceSelector: { matchLabels: { mode: 'ambient' } } }],
    prevResult: { cniVersion: '1.0.0', ips: [{ address: '10.1.2.3/24' }], interfaces: [] },
    ...more,
  });

before(() => {
  execFileSync(process.execPath, ['--disable-warning=ExperimentalWarning', join(root, 'scripts', 'bundle.ts')]);
});

test('without any environment but what the runtime sets, a pod of the mesh is announced and its result passed on', async () => {
  await using s = await stage({ status: 200, body: '' });
  const { code, stdout, stderr } = await cni(s.dir, env('ADD'), conf(s.dir));
  assert.equal(code, 0, stdout + stderr);
  assert.deepEqual(JSON.parse(stdout), { cniVersion: '1.0.0', ips: [{ address: '10.1.2.3/24' }], interfaces: [] });
  assert.equal(s.events.length, 1);
  assert.match(s.logs.join(), /pod may start/);
  assert.deepEqual(
    s.api.requests.map((request) => request.authorization),
    ['Bearer secret', 'Bearer secret'],
  );
});

test("the agent's refusal is the CNI error, with the agent's words", async () => {
  await using s = await stage({ status: 500, body: 'no ztunnel connection' });
  const { code, stdout } = await cni(s.dir, env('ADD'), conf(s.dir));
  assert.equal(code, 1);
  const error = JSON.parse(stdout);
  assert.equal(error.code, 100);
  assert.match(error.msg, /no ztunnel connection/);
});

test('an eligible pod does not start without the agent', async () => {
  await using s = await stage('absent');
  const { code, stdout } = await cni(s.dir, env('ADD'), conf(s.dir));
  assert.equal(code, 1);
  assert.match(JSON.parse(stdout).msg, /does not answer .*ENOENT/);
});

test('without a kubeconfig no pod starts but those that are not the mesh’s in any case', async () => {
  await using s = await stage({ status: 200, body: '' });
  rmSync(join(s.dir, 'istio-cni-kubeconfig'));
  assert.equal((await cni(s.dir, env('ADD'), conf(s.dir))).code, 1);
  assert.equal((await cni(s.dir, env('ADD'), conf(s.dir, { exclude_namespaces: ['shop'] }))).code, 0);
});

test('an API server with another certificate is not believed', async () => {
  await using s = await stage({ status: 200, body: '' });
  const other = await CertificateAuthority.selfSigned({ trustDomain: 'other', now: new Date() });
  writeFileSync(join(s.dir, 'istio-cni-kubeconfig'), s.api.kubeconfig({ ca: other.rootPem }));
  const { code, stdout } = await cni(s.dir, env('ADD'), conf(s.dir));
  assert.equal(code, 1);
  assert.match(JSON.parse(stdout).msg, /certificate/);
  assert.equal(s.events.length, 0);
});

test('every other command does what the specification says, with any input', async () => {
  await using s = await stage({ status: 200, body: '' });
  for (const command of ['DEL', 'CHECK', 'GC', 'STATUS']) {
    assert.deepEqual(await cni(s.dir, env(command), 'nonsense'), { code: 0, stdout: '', stderr: '' });
  }
  const version = JSON.parse((await cni(s.dir, env('VERSION'), '{"cniVersion":"1.0.0"}')).stdout);
  assert.equal(version.cniVersion, '1.0.0');
  assert.ok(version.supportedVersions.includes('1.1.0'));
  const unknown = await cni(s.dir, env('FOO'), '');
  assert.deepEqual([unknown.code, JSON.parse(unknown.stdout).code], [1, 4]);
});

test('a configuration that is not one is a CNI error on standard output', async () => {
  await using s = await stage({ status: 200, body: '' });
  const { code, stdout } = await cni(s.dir, env('ADD'), '{');
  assert.deepEqual([code, JSON.parse(stdout).code], [1, 6]);
});
