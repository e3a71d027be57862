/** The users' own images: a table of names and folders, one for all labs of the machine. */
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import * as z from 'zod';
import { MeshError } from '../../mesh/index.ts';

const FILE = 'images.json';
const schema = z.record(z.string(), z.strictObject({ dir: z.string() }));
export type ImageEntry = { readonly dir: string };

/** As container registries have it: lower case parts, a host with a port may be first. */
const NAME = /^[a-z0-9]+([._:-]+[a-z0-9]+)*(\/[a-z0-9]+([._-]+[a-z0-9]+)*)*$/;

/** @throws MeshError IMAGE_TABLE_INVALID */
export function readImageTable(labs: string): ReadonlyMap<string, ImageEntry> {
  const path = join(labs, FILE);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return new Map(); // nobody has added one
  }
  try {
    return new Map(Object.entries(schema.parse(JSON.parse(text))));
  } catch (cause) {
    throw new MeshError('IMAGE_TABLE_INVALID', `${path} cannot be read: ${String(cause)}`, { cause });
  }
}

/** Adds or replaces; a lab that runs sees it at its next container start. @throws MeshError IMAGE_INVALID */
export function addImage(labs: string, name: string, directory: string): void {
  const dir = resolve(directory);
  if (!NAME.test(name) || /:[^/]*$/.test(name)) {
    throw new MeshError('IMAGE_INVALID', `"${name}" is not a name for an image (lower case, and without a tag)`);
  }
  if (!statSync(dir, { throwIfNoEntry: false })?.isDirectory()) {
    throw new MeshError('IMAGE_INVALID', `${dir} is not a folder`);
  }
  write(labs, new Map([...readImageTable(labs), [name, { dir }]]));
}

/** False: there was none of that name. */
export function removeImage(labs: string, name: string): boolean {
  const rest = new Map(readImageTable(labs));
  if (!rest.delete(name)) return false;
  write(labs, rest);
  return true;
}

function write(labs: string, table: ReadonlyMap<string, ImageEntry>): void {
  const path = join(labs, FILE);
  if (table.size === 0) {
    rmSync(path, { force: true });
    return;
  }
  mkdirSync(labs, { recursive: true });
  writeFileSync(`${path}.next`, `${JSON.stringify(Object.fromEntries(table), undefined, 2)}\n`);
  renameSync(`${path}.next`, path);
}
