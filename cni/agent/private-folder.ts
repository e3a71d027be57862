/** Folders of sockets that only root may enter. */
import { chmodSync, mkdirSync, readdirSync, statSync } from 'node:fs';

/**
 * Makes sure that the folder is there, with mode 0700. One that others made (kubelet does, for a hostPath, with 0755) is
 * closed to others too, unless it holds folders: then it is no place of our own, such as `/run`, and stays as it is. The
 * sockets in it are 0600 and ask who calls in any case.
 */
export function privateFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const isShared = readdirSync(path, { withFileTypes: true }).some((entry) => entry.isDirectory());
  if (!isShared && (statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o700);
}
