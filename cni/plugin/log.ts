/** Where a one-shot process leaves its log: standard error, a small rolling file, and the agent. */
import { appendFileSync, existsSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { sendLogs } from './agent-client.ts';

const MAX_FILE_BYTES = 10 << 20;
const RANK = { debug: 0, info: 1, warn: 2, error: 3 } as const;
export type Level = keyof typeof RANK;

export class PluginLog {
  readonly #runDir: string;
  readonly #threshold: number;
  readonly #lines: string[] = [];

  constructor(runDir: string, level: string) {
    this.#runDir = runDir;
    this.#threshold = Object.hasOwn(RANK, level) ? RANK[level as Level] : RANK.info;
  }

  write(level: Level, msg: string, fields: Readonly<Record<string, string>> = {}): void {
    if (RANK[level] < this.#threshold) return;
    const line = JSON.stringify({ level, time: new Date().toISOString(), msg, ...fields });
    process.stderr.write(`${line}\n`);
    this.#lines.push(line);
  }

  /** Everything that was written goes to the file and to the agent. Never fails: a log must not keep a pod from starting. */
  async flush(): Promise<void> {
    if (this.#lines.length === 0) return;
    const path = join(this.#runDir, 'istio-cni.log');
    try {
      if (existsSync(path) && statSync(path).size > MAX_FILE_BYTES) renameSync(path, `${path}.1`);
      appendFileSync(path, `${this.#lines.join('\n')}\n`, { mode: 0o600 });
    } catch {
      // No run directory, or a full disk: standard error has the lines, and the runtime keeps them.
    }
    if (existsSync(join(this.#runDir, 'log.sock'))) await sendLogs(this.#runDir, this.#lines);
  }
}
