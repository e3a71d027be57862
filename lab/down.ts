import { existsSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { MeshError } from '../mesh/index.ts';
import { Cgroup, labGroup, signal } from './cgroups.ts';
import { labRuns, readLabInfo } from './lab-info.ts';
import type { LabPaths } from './paths.ts';

const DEADLINE_MS = 15_000;
const LOOK_MS = 10;

/**
 * Ends a lab and removes every trace: processes (with them go namespaces and mounts), control groups, files. Also after
 * anything of it was killed. `was-gone`: there was nothing.
 * @throws MeshError LAB_NOT_REMOVED naming what is left.
 */
export async function down(paths: LabPaths, say: (line: string) => void): Promise<'removed' | 'was-gone'> {
  const info = readLabInfo(paths);
  const group = new Cgroup(labGroup(paths.name));
  if (info === undefined && !group.exists() && !existsSync(paths.state)) return 'was-gone';
  if (info && labRuns(info)) {
    say(`ending lab "${paths.name}" (process ${info.pid})`);
    signal(info.pid, 'SIGKILL'); // first of its PID namespace: the kernel ends all others with it
  }
  await until(
    () => {
      group.kill();
      return group.remove() && (info === undefined || !labRuns(info));
    },
    () => `processes ${group.processes().join(', ')} of lab "${paths.name}" do not end`,
  );
  const mounts = mountsBelow(paths.state);
  if (mounts.length > 0) throw new MeshError('LAB_NOT_REMOVED', `still mounted: ${mounts.join(', ')}`);
  rmSync(paths.state, { recursive: true, force: true });
  try {
    rmdirSync(paths.labs); // the last lab takes the folder along
  } catch {
    // other labs, or images that somebody added
  }
  return 'removed';
}

/** Mounts that this process sees in the lab's folder; the lab makes none there, and nothing may be deleted through one. */
function mountsBelow(directory: string): readonly string[] {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path === directory || path.startsWith(`${directory}/`));
}

async function until(holds: () => boolean, problem: () => string): Promise<void> {
  const end = performance.now() + DEADLINE_MS;
  while (!holds()) {
    if (performance.now() > end) throw new MeshError('LAB_NOT_REMOVED', problem());
    await sleep(LOOK_MS);
  }
}
