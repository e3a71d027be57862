import { lstatSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

const MAX_LINKS = 40; // as the kernel's own limit, ELOOP

/**
 * The path outside that `path` means for a process whose root directory is `root`: an absolute link such as
 * `/var/run -> /run` stays inside. What does not exist is taken as it is written.
 * @throws Error on a loop of links.
 */
export function resolveInRoot(root: string, path: string): string {
  const todo = path.split('/').filter((part) => part !== '');
  let done: string[] = [];
  let links = 0;
  for (let part = todo.shift(); part !== undefined; part = todo.shift()) {
    if (part === '.') continue;
    if (part === '..') {
      done.pop();
      continue;
    }
    const target = linkAt(join(root, ...done, part));
    if (target === undefined) {
      done.push(part);
      continue;
    }
    if (++links > MAX_LINKS) throw new Error(`too many symbolic links: ${path}`);
    if (target.startsWith('/')) done = [];
    todo.unshift(...target.split('/').filter((p) => p !== ''));
  }
  return join(root, ...done);
}

function linkAt(path: string): string | undefined {
  try {
    return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : undefined;
  } catch {
    return undefined; // not there: it will be made
  }
}
