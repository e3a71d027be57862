/** Images: folders found by the name that a pod's spec gives. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { MeshError } from '../../mesh/index.ts';
import { readImageTable } from './table.ts';

const schema = z.strictObject({
  /** `machine`: the machine's `/usr` and the checkout at `/opt/ambit` are there, too. */
  base: z.enum(['machine', 'none']).default('none'),
  command: z.array(z.string()).default([]),
  env: z.record(z.string(), z.string()).default({}),
  workingDir: z.string().default('/'),
  user: z.number().int().nonnegative().default(0),
});

export type Image = Readonly<z.infer<typeof schema>> & {
  readonly name: string;
  /** What the container finds at its root; undefined: nothing but the base. */
  readonly root: string | undefined;
};

const BUILT_IN = ['ambit/ztunnel', 'ambit/waypoint', 'ambit/controller', 'ambit/cni', 'ambit/samples'] as const;
export const builtInImages: readonly string[] = BUILT_IN;

/** `registry/ambit/ztunnel:dev@sha256:…` without tag and digest: the lab has one of each name. */
export const imageName = (reference: string): string => (reference.split('@')[0] ?? '').replace(/:[^:/]*$/, '');

/**
 * Finds an image. `machine` is where the machine's tree is seen from here.
 * @throws MeshError IMAGE_UNKNOWN or IMAGE_INVALID, saying what to do.
 */
export function findImage(reference: string, labs: string, machine: string): Image {
  const name = imageName(reference);
  if (builtInImages.includes(name)) {
    return { ...readImageFile(join(import.meta.dirname, name, 'image.json')), name, root: undefined };
  }
  const entry = readImageTable(join(machine, labs)).get(name);
  if (entry === undefined) {
    throw new MeshError(
      'IMAGE_UNKNOWN',
      `the lab has no image "${name}"; add a folder with: ambit lab image add ${name} DIR (built in: ${BUILT_IN.join(', ')})`,
    );
  }
  const root = join(machine, entry.dir);
  return { ...readImageFile(join(root, 'image.json')), name, root };
}

/** `image.json` is optional: a folder with a static program is an image. */
function readImageFile(path: string): z.infer<typeof schema> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return schema.parse({});
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    const why = cause instanceof z.ZodError ? z.prettifyError(cause) : String(cause);
    throw new MeshError('IMAGE_INVALID', `${path}: ${why}`, { cause });
  }
}
