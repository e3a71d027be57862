import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MeshError } from '../mesh/index.ts';
import { MAX_NODES } from './addresses.ts';
import { Cgroup, labGroup } from './cgroups.ts';
import { down } from './down.ts';
import { type LabInfo, labRuns, readLabInfo } from './lab-info.ts';
import type { LabPaths } from './paths.ts';

export type UpOptions = {
  readonly paths: LabPaths;
  readonly nodes: number;
  /** 0: any free one. */
  readonly apiPort: number;
  readonly logLevel: string;
  readonly say: (line: string) => void;
  /** Default 60 s. */
  readonly deadlineMs?: number;
};

const DEADLINE_MS = 60_000;
const LOOK_MS = 25;
const SUPERVISOR = join(import.meta.dirname, 'main.ts');
const NODE_FLAGS = ['--disable-warning=ExperimentalWarning', '--disable-sigusr1'];

/**
 * Starts a lab and waits until its nodes are ready. What it started is taken down again when that fails.
 * @throws MeshError LAB_EXISTS, LAB_NEEDS_ROOT, LAB_OPTIONS_INVALID or LAB_FAILED
 */
export async function up(options: UpOptions): Promise<LabInfo> {
  const { paths, nodes, say } = options;
  if (process.getuid?.() !== 0)
    throw new MeshError('LAB_NEEDS_ROOT', 'the lab makes namespaces and mounts: run it as root');
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > MAX_NODES) {
    throw new MeshError('LAB_OPTIONS_INVALID', `--nodes must be 1 to ${MAX_NODES}, not ${nodes}`);
  }
  await clearTheWay(paths, say);
  mkdirSync(paths.logs, { recursive: true, mode: 0o755 });
  try {
    launch(options);
    return await ready(options);
  } catch (error) {
    const log = tail(paths.supervisorLog);
    await down(paths, () => {});
    const message = error instanceof Error ? error.message : String(error);
    throw new MeshError('LAB_FAILED', `lab "${paths.name}" did not start: ${message}${log}`, { cause: error });
  }
}

async function clearTheWay(paths: LabPaths, say: UpOptions['say']): Promise<void> {
  const before = readLabInfo(paths);
  if (before && labRuns(before)) {
    throw new MeshError(
      'LAB_EXISTS',
      `lab "${paths.name}" is running already (ambit lab down --name ${paths.name} ends it)`,
    );
  }
  if (before || new Cgroup(labGroup(paths.name)).exists()) {
    say(`removing what a killed lab "${paths.name}" has left`);
    await down(paths, () => {});
  }
  rmSync(paths.info, { force: true });
}

function launch({ paths, nodes, apiPort, logLevel }: UpOptions): void {
  const netns = openSync('/proc/self/ns/net', 'r');
  const log = openSync(paths.supervisorLog, 'a');
  try {
    const args = ['--labs', paths.labs, '--name', paths.name, '--nodes', String(nodes), '--api-port', String(apiPort)];
    const child = spawn(
      'unshare',
      [
        ...['--pid', '--fork', '--kill-child', '--mount', '--net', '--uts'],
        ...[process.execPath, ...NODE_FLAGS, SUPERVISOR, ...args, '--log-level', logLevel],
      ],
      {
        stdio: ['ignore', log, log, netns],
        detached: true,
        cwd: '/',
        env: { PATH: process.env['PATH'] ?? '', HOME: '/root' },
      },
    );
    child.on('error', () => {}); // no unshare on this machine: the wait below ends with the deadline, and says what is missing
    child.unref();
  } finally {
    closeSync(netns);
    closeSync(log);
  }
}

async function ready({ paths, say, deadlineMs = DEADLINE_MS }: UpOptions): Promise<LabInfo> {
  const until = performance.now() + deadlineMs;
  let told = '';
  for (;;) {
    const info = readLabInfo(paths);
    if (info && info.progress !== told) {
      told = info.progress;
      if (info.phase === 'starting') say(`${told} ...`);
    }
    if (info?.phase === 'ready') return info;
    if (info?.phase === 'failed') throw new MeshError('LAB_FAILED', info.progress);
    if (info && !labRuns(info)) throw new MeshError('LAB_FAILED', 'the supervisor has ended');
    if (performance.now() > until) {
      throw new MeshError(
        'LAB_FAILED',
        `not ready after ${deadlineMs / 1000} s (last: ${told || 'nothing, is util-linux installed?'})`,
      );
    }
    await sleep(LOOK_MS);
  }
}

const TAIL_LINES = 15;
/** The end of a log, for an error message. */
function tail(path: string): string {
  try {
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n').slice(-TAIL_LINES);
    return lines[0] === '' ? '' : `\n${lines.map((line) => `  | ${line}`).join('\n')}`;
  } catch {
    return ''; // it never came to writing one
  }
}

/** Names of the labs that have left something in the folder of labs. */
export function labNames(labs: string): readonly string[] {
  try {
    return readdirSync(labs, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return []; // there never was a lab
  }
}
