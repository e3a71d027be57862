/** Files on the host, written so that nobody ever reads half of one. */
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

const temporaryName = (path: string) => `${path}.tmp.${randomBytes(4).toString('hex')}`;

/** Replaces a file in one step. */
export function writeAtomically(path: string, text: string, mode: number): void {
  const temporary = temporaryName(path);
  try {
    writeFileSync(temporary, text, { mode });
    chmodSync(temporary, mode); // whatever the umask says
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** Copies a file in one step, with its time, by which `isCopy` knows it again. Leftovers of interrupted copies go first. */
export function copyAtomically(from: string, to: string, mode: number): void {
  mkdirSync(dirname(to), { recursive: true, mode: 0o755 });
  removeTemporaries(to);
  const temporary = temporaryName(to);
  try {
    copyFileSync(from, temporary);
    chmodSync(temporary, mode);
    const { atime, mtime } = statSync(from);
    utimesSync(temporary, atime, mtime);
    renameSync(temporary, to);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** Whether `to` looks like an untouched copy of `from`: the Node binary is too large to compare at every look. */
export function isCopy(from: string, to: string): boolean {
  try {
    const [a, b] = [statSync(from), statSync(to)];
    return b.isFile() && a.size === b.size && Math.abs(a.mtimeMs - b.mtimeMs) < 1_000;
  } catch {
    return false;
  }
}

function removeTemporaries(path: string): void {
  try {
    for (const name of readdirSync(dirname(path))) {
      if (name.startsWith(`${basename(path)}.tmp.`)) rmSync(join(dirname(path), name), { force: true });
    }
  } catch {
    // The folder does not exist yet, so nothing is left in it.
  }
}

export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined; // absent and unreadable are the same to who wants its text
  }
}
