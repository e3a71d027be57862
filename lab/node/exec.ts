/** Commands inside a running container: exec probes, hooks, `kubectl exec`. */
import type { ChildProcess } from 'node:child_process';
import type { NetnsRef } from '../../core/net/index.ts';
import { ended } from '../run.ts';
import type { InitPlan } from './init/plan.ts';
import { type StartOptions, start } from './init/start.ts';
import { NODE } from './layout.ts';

/** What must be known of a container to run something else in it. */
export type ExecTarget = { readonly plan: InitPlan; readonly pid: number; readonly netns: NetnsRef | undefined };

export function execPlan(
  target: ExecTarget,
  command: readonly [string, ...string[]],
  env: Readonly<Record<string, string>> = {},
): InitPlan {
  return { ...target.plan, place: { kind: 'of', pid: target.pid }, command, env: { ...target.plan.env, ...env } };
}

/** @throws MeshError START_FAILED */
export function startExec(
  plan: InitPlan,
  netns: NetnsRef | undefined,
  stdio: StartOptions['stdio'],
): Promise<ChildProcess> {
  return start(plan, { ...(netns && { netns }), stdio, compileCache: NODE.compileCache });
}

/** Output of a probe beyond this is of no use to anybody. */
const MAX_OUTPUT_BYTES = 10 * 1024;

export async function execAndWait(
  target: ExecTarget,
  command: readonly string[],
  signal: AbortSignal,
): Promise<{ readonly code: number; readonly output: string }> {
  const [program, ...args] = command;
  if (program === undefined) return { code: 1, output: 'no command' };
  const child = await startExec(execPlan(target, [program, ...args]), target.netns, ['ignore', 'pipe', 'pipe']);
  const kill = () => child.kill('SIGKILL');
  signal.addEventListener('abort', kill, { once: true });
  if (signal.aborted) kill();
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      if (output.length < MAX_OUTPUT_BYTES) output += chunk.toString();
    });
  }
  try {
    const over = child.exitCode !== null || child.signalCode !== null;
    const [code] = over ? [child.exitCode] : await ended(child);
    signal.throwIfAborted();
    return { code: code ?? 137, output };
  } finally {
    signal.removeEventListener('abort', kill);
  }
}
