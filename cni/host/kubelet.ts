/** Which user runs kubelet: the host's rule for probes goes by the owner of the socket. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { MeshError } from '../../mesh/index.ts';

/**
 * The uid of the node's kubelet: a process named `kubelet` or `kubelite` whose command line mentions kubelet, or `k3s`.
 * @throws MeshError KUBELET_NOT_FOUND
 */
export function kubeletUid(procDir: string): number {
  for (const entry of readdirSync(procDir)) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const name = readFileSync(join(procDir, entry, 'comm'), 'utf8').trim();
      if (name !== 'kubelet' && name !== 'kubelite' && name !== 'k3s') continue;
      const command = readFileSync(join(procDir, entry, 'cmdline'), 'utf8');
      if (name === 'k3s' || command.includes('kubelet')) return statSync(join(procDir, entry)).uid;
    } catch {
      // The process has ended while we looked.
    }
  }
  throw new MeshError('KUBELET_NOT_FOUND', `no kubelet, kubelite or k3s among the processes of ${procDir}`);
}
