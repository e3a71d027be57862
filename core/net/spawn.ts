/** Processes that live in another network namespace. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import type { NetnsRef } from './netns.ts';

/** Starts a process inside a namespace: it is forked from this thread while the thread is in there, and inherits it. */
export function spawnInNetns(
  netns: NetnsRef,
  command: string,
  args: readonly string[],
  options: SpawnOptions = {},
): ChildProcess {
  return netns.run(() => spawn(command, [...args], options));
}
