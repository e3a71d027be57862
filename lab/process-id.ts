import { readFileSync } from 'node:fs';

/** A process that cannot be mistaken for a later one with the same number. */
export type ProcessId = {
  readonly pid: number /** clock ticks since boot, proc(5) field 22 */;
  readonly startTime: string;
};

const STATE_FIELD = 0; // of what follows the command in parentheses
const START_TIME_FIELD = 19;

function statFields(pid: number | 'self'): readonly string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined; // gone
  }
}

/** The start time of a process; undefined when there is none. */
export const startTimeOf = (pid: number | 'self'): string | undefined => statFields(pid)?.[START_TIME_FIELD];

/** Whether it still runs; one that has ended and waits for its parent does not. */
export function isRunning(id: ProcessId): boolean {
  const fields = statFields(id.pid);
  return fields !== undefined && fields[START_TIME_FIELD] === id.startTime && fields[STATE_FIELD] !== 'Z';
}
