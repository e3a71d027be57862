/** The processes of a lab as the machine sees them, to stop and to kill. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const LABS = process.env['AMBIT_LAB_DIR'] || '/var/lib/ambit/lab';

export type Program = 'kubelet' | 'ztunnel' | 'agent' | 'controller';

const COMMAND: Readonly<Record<Program, RegExp>> = {
  kubelet: /^kubelet\b/,
  ztunnel: /\/ztunnel\/main\.[jt]s/,
  agent: /\/cni\/agent\/main\.ts/,
  controller: /\/controller\/main\.ts/,
};

export const labDirectory = (lab: string): string => join(LABS, lab);

export const supervisorOf = (lab: string): number =>
  (JSON.parse(readFileSync(join(labDirectory(lab), 'lab.json'), 'utf8')) as { pid: number }).pid;

/** The process of a program on a node; undefined while there is none. */
export function processOn(lab: string, node: string, program: Program): number | undefined {
  const kubelet = descendants(supervisorOf(lab)).find((pid) => is(pid, 'kubelet') && hostname(pid) === node);
  if (kubelet === undefined || program === 'kubelet') return kubelet;
  return descendants(kubelet).find((pid) => is(pid, program));
}

/** How many descriptors a process holds. */
export const descriptorsOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

/** Processes whose command line contains the text, whoever their parent is. */
export function processesNaming(text: string): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map(Number)
    .filter((pid) => commandOf(pid).includes(text));
}

function descendants(pid: number): number[] {
  const children = attempt(() =>
    readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
    ),
  );
  return (children ?? []).flatMap((child) => [child, ...descendants(child)]);
}

const is = (pid: number, program: Program): boolean => COMMAND[program].test(commandOf(pid));
const commandOf = (pid: number): string =>
  attempt(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')) ?? '';
const hostname = (pid: number): string | undefined =>
  attempt(() => readFileSync(`/proc/${pid}/root/etc/hostname`, 'utf8').trim());

/** A process may end at any moment while it is looked at. */
function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
