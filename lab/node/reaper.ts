/** The duty of PID 1: ended processes whose parents are gone are ours to take leave of. */
import type { ChildProcess } from 'node:child_process';
import { channel } from 'node:diagnostics_channel';
import { reapOrphans } from '../../core/net/index.ts';

/** From now on, for the life of the process. Node itself waits only for the children that it started. */
export function startReaper(): void {
  const own = new Set<ChildProcess>();
  const reap = () => {
    const pids = new Set([...own].map(({ pid }) => pid));
    reapOrphans((pid) => pids.has(pid));
  };
  channel('child_process').subscribe((message) => {
    const { process: child } = message as { readonly process: ChildProcess };
    own.add(child);
    child.once('exit', () => {
      own.delete(child);
      reap(); // it may have stood before others in the line
    });
    child.once('error', () => own.delete(child));
  });
  process.on('SIGCHLD', reap);
}
