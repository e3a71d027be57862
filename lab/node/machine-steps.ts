/** The machine's programs in a root of our own: what nodes, and images with `"base": "machine"`, have of the machine. */
import { existsSync, lstatSync } from 'node:fs';
import { join } from 'node:path';
import type { Step } from './init/plan.ts';

/** Machine files that programs on a node need; nothing else of the machine's /etc is there. */
const ETC_FILES = [
  'passwd',
  'group',
  'shadow',
  'nsswitch.conf',
  'ld.so.cache',
  'ld.so.conf',
  'protocols',
  'services',
  'localtime',
  'os-release',
];
const ETC_DIRECTORIES = ['ssl', 'ca-certificates', 'alternatives', 'ld.so.conf.d', 'iproute2', 'terminfo'];
const USR_LINKS = ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'];

/** A bind of a machine path at the same path, read only. */
const show = (machine: string, path: string, point: 'directory' | 'file'): Step => ({
  do: 'mount',
  mount: { source: join(machine, path), target: path, flags: ['bind', 'rec', 'ro'] },
  point,
});

/** `/usr`, and what leads to it: the programs of the machine, in a root that is otherwise empty. */
export function machinePrograms(machine: string): readonly Step[] {
  const steps: Step[] = [show(machine, '/usr', 'directory')];
  for (const name of USR_LINKS) {
    const path = join(machine, name);
    if (!existsSync(path)) continue;
    if (lstatSync(path).isSymbolicLink()) steps.push({ do: 'symlink', path: `/${name}`, to: `usr/${name}` });
    else steps.push(show(machine, `/${name}`, 'directory'));
  }
  return steps;
}

export function machineEtc(machine: string): readonly Step[] {
  return [
    { do: 'mkdir', path: '/etc' },
    ...ETC_FILES.filter((name) => existsSync(join(machine, 'etc', name))).map((name): Step => {
      return { do: 'copy', path: `/etc/${name}`, from: join(machine, 'etc', name) };
    }),
    ...ETC_DIRECTORIES.filter((name) => existsSync(join(machine, 'etc', name))).map((name) => {
      return show(machine, `/etc/${name}`, 'directory');
    }),
  ];
}
