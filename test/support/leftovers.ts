/** What a test must not leave behind, also when its process is ended before the test could clean up. */
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const remaining = new Set<() => void>();
process.once('exit', () => {
  for (const cleanUp of [...remaining].reverse()) cleanUp(); // what came last goes first, as with `using`
});
// The test runner ends a file that takes too long this way, and a signal alone runs no exit handler.
process.once('SIGTERM', () => process.exit(143));

/** Runs at the end of the process, unless it is disposed before; may not throw. */
export function atExit(cleanUp: () => void): Disposable {
  remaining.add(cleanUp);
  return { [Symbol.dispose]: () => void remaining.delete(cleanUp) };
}

/** The process ends with ours at the latest. */
export function endWithUs(child: ChildProcess): void {
  const kept = atExit(() => child.kill('SIGKILL'));
  child.once('exit', () => kept[Symbol.dispose]());
}

/** A new directory, which is gone with all that is in it when it is disposed, or with the process. */
export class ScratchDir implements Disposable {
  readonly path: string;
  readonly #kept: Disposable;

  /** `name` begins its name, to tell whose it is. */
  constructor(name: string) {
    const path = mkdtempSync(join(tmpdir(), `${name}-`));
    this.path = path;
    this.#kept = atExit(() => rmSync(path, { recursive: true, force: true }));
  }

  [Symbol.dispose](): void {
    this.#kept[Symbol.dispose]();
    rmSync(this.path, { recursive: true, force: true });
  }
}
