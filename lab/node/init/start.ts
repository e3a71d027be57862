/** Starting a process by a plan. */
import { type ChildProcess, type SpawnOptions, type StdioOptions, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { type NetnsRef, spawnInNetns } from '../../../core/net/index.ts';
import { MeshError } from '../../../mesh/index.ts';
import { type InitPlan, STARTED } from './plan.ts';

const INIT = join(import.meta.dirname, 'main.ts');
const NODE_FLAGS = ['--disable-warning=ExperimentalWarning', '--disable-sigusr1'];

export type StartOptions = {
  readonly netns?: NetnsRef;
  /** Standard input, output and error. */
  readonly stdio: readonly [StdioItem, StdioItem, StdioItem];
  /** Put before the command line: `unshare --pid --fork`, say. */
  readonly wrapper?: readonly string[];
  readonly compileCache?: string;
  /** Default 10 s. */
  readonly deadlineMs?: number;
};
type StdioItem = 'ignore' | 'pipe' | number;

const START_DEADLINE_MS = 10_000;

/**
 * Starts init with a plan and waits until it has become the program.
 * @throws MeshError START_FAILED with init's own words; nothing is left running then.
 */
export async function start(plan: InitPlan, options: StartOptions): Promise<ChildProcess> {
  const [command = '', ...args] = [...(options.wrapper ?? []), process.execPath, ...NODE_FLAGS, INIT];
  const stdio: StdioOptions = [...options.stdio, 'pipe'];
  const spawnOptions: SpawnOptions = {
    stdio,
    detached: true, // a session of its own: no signal of a terminal reaches it
    env: options.compileCache === undefined ? {} : { NODE_COMPILE_CACHE: options.compileCache },
  };
  const child = options.netns
    ? spawnInNetns(options.netns, command, args, spawnOptions)
    : spawn(command, args, spawnOptions);
  const { promise: failed, reject } = Promise.withResolvers<never>();
  child.once('error', reject);
  try {
    const said = await Promise.race([talk(child.stdio[3] as Duplex, plan, options.deadlineMs), failed]);
    if (said !== '') throw new MeshError('START_FAILED', said);
    return child;
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  } finally {
    child.off('error', reject);
  }
}

async function talk(pipe: Duplex, plan: InitPlan, deadlineMs: number = START_DEADLINE_MS): Promise<string> {
  const timer = setTimeout(() => {
    pipe.destroy(new MeshError('START_FAILED', `${plan.command[0]}: not started within ${deadlineMs} ms`));
  }, deadlineMs);
  try {
    pipe.end(JSON.stringify(plan));
    let said = '';
    for await (const chunk of pipe) {
      said += String(chunk);
      if (said === STARTED) return ''; // a wrapper may keep its end open for as long as it lives
    }
    return said || 'init ended without a word';
  } finally {
    clearTimeout(timer);
  }
}
