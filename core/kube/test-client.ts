/** A client of the fake API server, through a real kubeconfig file. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type KubeClient, kubeClient } from './client.ts';
import type { FakeApi } from './fake/index.ts';

export function clientOf(api: FakeApi, more: Parameters<FakeApi['kubeconfig']>[0] = {}): KubeClient {
  const dir = mkdtempSync(join(tmpdir(), 'ambit-kube-'));
  try {
    const path = join(dir, 'config');
    writeFileSync(path, api.kubeconfig(more));
    return kubeClient({ kubeconfig: path, env: {} });
  } finally {
    rmSync(dir, { recursive: true });
  }
}
