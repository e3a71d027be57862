/**
 * The first program of every node, container and exec: makes the place described by its plan and becomes the program
 * that is meant to run there. It keeps its process id, so its parent waits for the real program.
 */
import {
  chmodSync,
  copyFileSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import {
  boundCapabilities,
  closeOnExec,
  enterNamespace,
  mount,
  pivotRoot,
  restoreSignals,
  setHostname,
  setNoNewPrivileges,
  takeTerminal,
  unshare,
} from '../../../core/net/index.ts';
import { findProgram } from './find-program.ts';
import { type Credentials, type InitPlan, PLAN_FD, STARTED, type Step } from './plan.ts';
import { resolveInRoot } from './resolve.ts';

function run(plan: InitPlan): never {
  if (plan.terminal === true) takeTerminal(0);
  for (const cgroup of plan.cgroups) writeFileSync(`${cgroup}/cgroup.procs`, '0'); // 0: the writer itself
  if (plan.place.kind === 'of') enter(plan.place.pid);
  else create(plan.place);
  mkdirSync(plan.cwd, { recursive: true });
  process.chdir(plan.cwd);
  become(plan.credentials);
  const program = findProgram(plan.command[0], plan.env['PATH']);
  restoreSignals();
  writeSync(PLAN_FD, STARTED);
  if (process.execve === undefined) throw new Error('this Node cannot become another program');
  return process.execve(program, [...plan.command], plan.env);
}

function create(place: Extract<InitPlan['place'], { kind: 'new' }>): void {
  unshare(['mount', 'uts']);
  setHostname(place.hostname);
  // Mounts of the node still arrive here (volumes with HostToContainer need them), ours do not go there.
  mount({ target: '/', flags: ['rec', 'slave'] });
  for (const step of place.steps) take(step, place.root);
  pivotRoot(place.root);
  if (place.shared === true) mount({ target: '/', flags: ['rec', 'shared'] }); // not before: a shared root does not pivot
}

function enter(pid: number): void {
  const namespaces = (['mount', 'uts'] as const).map((kind) => {
    return { kind, fd: openSync(`/proc/${pid}/ns/${kind === 'mount' ? 'mnt' : kind}`, 'r') };
  });
  for (const { kind, fd } of namespaces) enterNamespace(fd, kind);
  process.chdir('/');
}

function take(step: Step, root: string): void {
  switch (step.do) {
    case 'mount':
      mountStep(step, root);
      return;
    case 'mkdir': {
      const path = resolveInRoot(root, step.path);
      mkdirSync(path, { recursive: true });
      if (step.mode !== undefined) chmodSync(path, step.mode); // mkdir's own mode is cut by the umask
      return;
    }
    case 'symlink':
      if (!isThere(join(root, step.path))) symlinkSync(step.to, join(root, step.path));
      return;
    case 'copy':
      copyFileSync(step.from, resolveInRoot(root, step.path));
      return;
    case 'write':
      writeFileSync(resolveInRoot(root, step.path), step.text);
      return;
    default:
      step satisfies never;
  }
}

/** An image may bring what the plan would make. */
const isThere = (path: string) => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

function mountStep(step: Extract<Step, { do: 'mount' }>, root: string): void {
  const target = resolveInRoot(root, step.mount.target);
  if (step.point === 'directory') mkdirSync(target, { recursive: true });
  if (step.point === 'file') {
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, '', { flag: 'a' });
  }
  const flags = step.mount.flags ?? [];
  mount({ ...step.mount, target });
  // A bind ignores the other flags; they take effect when it is mounted once more.
  if (flags.includes('bind') && flags.includes('ro')) mount({ target, flags: ['remount', 'bind', 'ro'] });
}

function become(who: Credentials): void {
  if (who.capabilities !== undefined) boundCapabilities(new Set(who.capabilities));
  process.setgroups?.([...who.groups]);
  process.setgid?.(who.gid);
  process.setuid?.(who.uid);
  if (who.noNewPrivileges) setNoNewPrivileges();
}

try {
  closeOnExec(PLAN_FD);
  run(JSON.parse(readFileSync(PLAN_FD, 'utf8')) as InitPlan);
} catch (error) {
  writeSync(PLAN_FD, error instanceof Error ? error.message : String(error));
  process.exitCode = 127;
}
