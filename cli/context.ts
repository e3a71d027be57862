import { InvalidArgumentError } from 'commander';
import type { Cluster } from './cluster.ts';

/** What a command gets from the shell around it. Answers go to `out`, everything said on the way to `say`. */
export type CliContext = {
  readonly out: (text: string) => void;
  readonly say: (line: string) => void;
  /** Connects when first asked. Throws CliError when no cluster is configured. */
  readonly cluster: () => Cluster;
  /** Aborts when somebody presses ctrl-c, which from the first call on is the command's to heed; a second one ends the process. */
  readonly interrupted: () => AbortSignal;
  /** Whether `out` is a terminal, where colours help. */
  readonly isTerminal: boolean;
  readonly setExitCode: (code: number) => void;
};

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** Reads `90s`, `5m`, `1h`, `250ms` as milliseconds, for commander. */
export function duration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  if (match === null) throw new InvalidArgumentError('expected a duration such as 90s or 5m');
  return Number(match[1]) * (UNITS[match[2] ?? 's'] ?? 1);
}

/** For options that may be repeated, for commander. */
export function gather(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}
