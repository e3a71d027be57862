/** What the supervisor's own mount namespace shows instead of the machine's. */
import { mkdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { mount } from '../../core/net/index.ts';
import type { LabPaths } from '../paths.ts';

/** This process's number as the machine counts. Only right before `privateMounts`: `/proc` is the machine's until then. */
export const machinePid = (): number => Number(readlinkSync('/proc/self'));

/** The machine's whole tree, read only, for nodes to find images and programs in. */
export const machineTree = (paths: LabPaths): string => join(paths.scratch, 'machine');

/** Changes only this mount namespace, which ends with its last process: a kill -9 leaves no mount. */
export function privateMounts(paths: LabPaths): void {
  mount({ target: '/', flags: ['rec', 'private'] });
  mount({ source: 'proc', target: '/proc', type: 'proc', flags: ['nosuid', 'nodev', 'noexec'] });
  mount({ source: 'tmpfs', target: '/run', type: 'tmpfs', data: 'mode=755' });
  mkdirSync('/run/netns');
  mount({ source: 'ambit-lab', target: paths.scratch, type: 'tmpfs', data: 'mode=700' });
  const machine = machineTree(paths);
  mkdirSync(machine);
  mount({ source: '/', target: machine, flags: ['bind', 'rec'] });
  mount({ target: machine, flags: ['remount', 'bind', 'ro'] });
}
