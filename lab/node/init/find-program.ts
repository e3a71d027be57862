import { accessSync, closeSync, constants, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Where the program is, found as a shell would, seen from the root directory and working directory of the caller.
 * @throws Error that says what is wrong with it.
 */
export function findProgram(name: string, path: string = DEFAULT_PATH): string {
  if (name.includes('/')) {
    const why = whyNot(name);
    if (why !== undefined) throw new Error(`cannot run ${name}: ${why}`);
    return name;
  }
  for (const directory of path.split(':')) {
    const candidate = join(directory === '' ? '.' : directory, name);
    if (whyNot(candidate) === undefined) return candidate;
  }
  throw new Error(`cannot run ${name}: executable file not found in $PATH (${path})`);
}

function whyNot(path: string): string | undefined {
  try {
    if (!statSync(path).isFile()) return 'not a file';
  } catch {
    return 'no such file in the image';
  }
  try {
    accessSync(path, constants.X_OK);
  } catch {
    return 'permission denied (is it executable?)';
  }
  // `process.execve` ends the process without a word to the caller when the kernel refuses, so this is told before.
  return hasKnownFormat(path) ? undefined : 'neither a program of this machine nor a script that begins with #!';
}

function hasKnownFormat(path: string): boolean {
  const head = Buffer.alloc(4);
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return true; // executable but not readable: only the kernel can tell
  }
  try {
    readSync(fd, head, 0, head.length, 0);
  } finally {
    closeSync(fd);
  }
  return head.toString('latin1').startsWith('#!') || head.toString('latin1') === '\x7fELF';
}
