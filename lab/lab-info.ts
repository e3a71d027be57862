import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import * as z from 'zod';
import type { LabPaths } from './paths.ts';
import { isRunning, type ProcessId } from './process-id.ts';

const schema = z.object({
  name: z.string(),
  /** The supervisor as the machine sees it. */
  pid: z.number().int().positive(),
  startTime: z.string(),
  phase: z.enum(['starting', 'ready', 'failed']),
  /** What went on last, for whoever waits. */
  progress: z.string(),
  apiPort: z.number().int().nonnegative(),
  nodes: z.number().int().positive(),
  startedAt: z.string(),
});

/** What a running lab says about itself in `lab.json`. */
export type LabInfo = Readonly<z.infer<typeof schema>>;

/** Undefined when there is no lab, or only what a killed one has left half written. */
export function readLabInfo(paths: LabPaths): LabInfo | undefined {
  let text: string;
  try {
    text = readFileSync(paths.info, 'utf8');
  } catch {
    return undefined;
  }
  return schema.parse(JSON.parse(text));
}

/** Readers see the old file or the new one, never half of it. */
export function writeLabInfo(paths: LabPaths, info: LabInfo): void {
  const next = `${paths.info}.next`;
  writeFileSync(next, `${JSON.stringify(info, undefined, 2)}\n`);
  renameSync(next, paths.info);
}

const supervisorOf = (info: LabInfo): ProcessId => ({ pid: info.pid, startTime: info.startTime });
export const labRuns = (info: LabInfo): boolean => isRunning(supervisorOf(info));
