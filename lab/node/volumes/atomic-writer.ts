import {
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { MeshError } from '../../../mesh/index.ts';

export type FilePayload = { readonly data: Buffer; readonly mode: number };

const DATA = '..data';

/**
 * Makes a volume hold exactly these files. Readers see all of the old or all of the new: the files are in a folder with a
 * fresh name, `..data` is switched to it in one rename, and what the user sees are links through `..data`.
 * @returns false when nothing had to change.
 * @throws MeshError VOLUME_PATH_INVALID for a path that leads out of the volume.
 */
export function writeAtomically(volume: string, files: ReadonlyMap<string, FilePayload>, group?: number): boolean {
  for (const path of files.keys()) assertInside(path);
  mkdirSync(volume, { recursive: true, mode: 0o755 });
  const current = linkTarget(join(volume, DATA));
  if (current !== undefined && holds(join(volume, current), files)) return false;
  const fresh = `..${new Date().toISOString().replace(/[-:TZ]/g, '_')}${Math.random().toString(36).slice(2, 8)}`;
  for (const [path, { data, mode }] of files) {
    const file = join(volume, fresh, path);
    mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
    writeFileSync(file, data, { mode });
    if (group !== undefined) chownSync(file, 0, group);
  }
  mkdirSync(join(volume, fresh), { recursive: true });
  const next = join(volume, `${DATA}_tmp`);
  symlinkSync(fresh, next);
  renameSync(next, join(volume, DATA));
  linkTops(volume, new Set([...files.keys()].map((path) => path.split('/')[0] ?? path)));
  if (current !== undefined) rmSync(join(volume, current), { recursive: true, force: true });
  return true;
}

function assertInside(path: string): void {
  const parts = path.split('/');
  if (path === '' || path.startsWith('/') || parts.includes('..') || path.startsWith('..')) {
    throw new MeshError('VOLUME_PATH_INVALID', `"${path}" is not a path inside a volume`);
  }
}

/** The user's view: one link for each first part of a path; links to what is gone go, too. */
function linkTops(volume: string, tops: ReadonlySet<string>): void {
  for (const name of readdirSync(volume)) {
    if (!name.startsWith('..') && !tops.has(name)) rmSync(join(volume, name));
  }
  for (const name of tops) {
    if (linkTarget(join(volume, name)) === undefined) symlinkSync(join(DATA, name), join(volume, name));
  }
}

function linkTarget(path: string): string | undefined {
  try {
    return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : undefined;
  } catch {
    return undefined; // not there yet
  }
}

function holds(directory: string, files: ReadonlyMap<string, FilePayload>): boolean {
  const present = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  if (present.length !== files.size) return false;
  return [...files].every(([path, { data, mode }]) => {
    try {
      const file = join(directory, path);
      return (lstatSync(file).mode & 0o777) === (mode & 0o777) && readFileSync(file).equals(data);
    } catch {
      return false; // not there: it differs
    }
  });
}
