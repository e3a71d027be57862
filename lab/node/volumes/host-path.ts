import { mkdirSync, type Stats, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { MeshError } from '../../../mesh/index.ts';

type Kind = { readonly is: (stat: Stats) => boolean; readonly create?: (path: string) => void };

/** Upstream's modes for what it creates: 0755 for directories, 0644 for files. */
const KINDS: Readonly<Record<string, Kind>> = {
  Directory: { is: (s) => s.isDirectory() },
  DirectoryOrCreate: { is: (s) => s.isDirectory(), create: (p) => void mkdirSync(p, { recursive: true, mode: 0o755 }) },
  File: { is: (s) => s.isFile() },
  FileOrCreate: {
    is: (s) => s.isFile(),
    create: (p) => {
      mkdirSync(dirname(p), { recursive: true });
      writeFileSync(p, '', { mode: 0o644 });
    },
  },
  Socket: { is: (s) => s.isSocket() },
  CharDevice: { is: (s) => s.isCharacterDevice() },
  BlockDevice: { is: (s) => s.isBlockDevice() },
};

/**
 * Checks a path of the node for a pod. Without a type nothing is checked, and a missing path is made a directory.
 * @throws MeshError HOST_PATH_INVALID
 */
export function prepareHostPath(path: string, type: string = ''): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (type === '') {
    if (stat === undefined) mkdirSync(path, { recursive: true });
    return path;
  }
  const kind = KINDS[type];
  if (kind === undefined) throw invalid(path, `unknown type "${type}"`);
  if (stat === undefined) {
    if (kind.create === undefined) throw invalid(path, `there is no such path on the node (type ${type})`);
    kind.create(path);
  } else if (!kind.is(stat)) throw invalid(path, `it is not a ${type.replace('OrCreate', '')}`);
  return path;
}

const invalid = (path: string, why: string) => new MeshError('HOST_PATH_INVALID', `hostPath ${path}: ${why}`);
