import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { FakeApi } from '../core/kube/fake/index.ts';
import { RESOURCES } from '../core/kube/index.ts';
import { endWithUs, ScratchDir } from '../test/support/leftovers.ts';
import { until } from './test-mesh.ts';

/** The program as a container runs it. */
async function program(prepare: (api: FakeApi) => void = () => {}) {
  const api = await FakeApi.start();
  prepare(api);
  const scratch = new ScratchDir('ambit-controller');
  const dir = scratch.path;
  writeFileSync(join(dir, 'config'), api.kubeconfig());
  const ports = {
    AMBIT_GRPC_PORT: '0',
    AMBIT_WEBHOOK_PORT: '0',
    AMBIT_READY_PORT: '0',
    AMBIT_MONITORING_PORT: '0',
    AMBIT_DEBUG_PORT: '0',
  };
  const child: ChildProcess = spawn(
    'sh',
    [join(import.meta.dirname, '../scripts/node.sh'), join(import.meta.dirname, 'main.ts')],
    {
      env: { PATH: process.env['PATH'], KUBECONFIG: join(dir, 'config'), ROOT_CA_DIR: dir, POD_NAME: 'me', ...ports },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  endWithUs(child);
  let output = '';
  child.stdout?.on('data', (chunk) => {
    output += chunk;
  });
  const exited = once(child, 'exit');
  return {
    api,
    child,
    exited,
    output: () => output,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
      await api[Symbol.asyncDispose]();
      scratch[Symbol.dispose]();
    },
  };
}

test('SIGTERM drains: leases are given back and the program ends with 0', async () => {
  await using p = await program();
  await until(() => p.output().includes('\tserving\t'), 'serving');
  const lease = () =>
    p.api.get(RESOURCES.Lease, 'istio-system/istio-status-leader')?.['spec'] as { holderIdentity?: string } | undefined;
  await until(() => lease()?.holderIdentity === 'me', 'leading');
  p.child.kill('SIGTERM');
  assert.deepEqual(await p.exited, [0, null]);
  assert.equal(lease()?.holderIdentity, '');
});

test('SIGTERM ends a program whose caches still wait for the API server', async () => {
  await using p = await program((api) => {
    api.intercept = (request) => (request.path.endsWith('/pods') ? { status: 500, body: {} } : undefined);
  });
  await until(() => p.output().includes('watch failed'), 'a failed list');
  p.child.kill('SIGTERM');
  assert.deepEqual(await p.exited, [0, null]);
});
