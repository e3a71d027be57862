import { CliError } from './errors.ts';

export type WaitOptions = {
  readonly deadlineMs: number;
  readonly intervalMs?: number;
  /** Told whenever what is missing changes, so that a person sees progress. */
  readonly progress: (line: string) => void;
};

/**
 * Asks again until nothing is missing. `missing` says in words what is still to come.
 * Throws CliError with the last of these words at the deadline.
 */
export async function waitUntil(
  what: string,
  missing: () => Promise<readonly string[]>,
  { deadlineMs, intervalMs = 250, progress }: WaitOptions,
): Promise<void> {
  const end = performance.now() + deadlineMs;
  let said = '';
  for (;;) {
    const open = await missing();
    if (open.length === 0) return;
    const line = open.join('; ');
    if (line !== said) progress(`${what}: ${line}`);
    said = line;
    if (performance.now() >= end) {
      throw new CliError(`${what}: gave up after ${Math.round(deadlineMs / 1000)} s: ${line}`);
    }
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  }
}
