/**
 * Who may import whom. Folders are boxes of the picture in ARCHITECTURE.md; the arrows between them are this table, and
 * an import that is not in it is an error with a reason.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';

const COMPONENT = ['mesh', 'core'] as const;
const mayImport: Readonly<Record<string, readonly string[]>> = {
  mesh: [],
  core: ['mesh'],
  ztunnel: COMPONENT,
  waypoint: COMPONENT,
  controller: COMPONENT,
  cni: COMPONENT,
  cli: COMPONENT,
  lab: COMPONENT,
  samples: ['core', 'mesh'],
  scripts: ['core', 'mesh'],
  test: ['mesh', 'core', 'ztunnel', 'waypoint', 'controller', 'cni', 'cli', 'lab', 'samples', 'scripts'],
  bench: ['mesh', 'core', 'ztunnel', 'waypoint', 'controller', 'cni', 'cli', 'lab', 'samples', 'test'],
};

/** Inside core the arrows matter most: the lower a part, the less it knows. */
const coreMayImport: Readonly<Record<string, readonly string[]>> = {
  net: [],
  config: [],
  time: [],
  hostnames: [],
  telemetry: ['config'],
  identity: [],
  h2: ['net'],
  hbone: ['h2', 'identity', 'net', 'telemetry'],
  http: ['h2', 'hbone', 'net', 'time'],
  xds: ['identity', 'telemetry', 'net'],
  zds: ['net'],
  threads: ['hbone', 'net', 'telemetry'],
  certificates: ['hbone', 'identity', 'telemetry', 'time'],
  kube: ['config', 'telemetry'],
};

/** Packages with I/O in them; `mesh` may use none of these, and no `node:` module at all. */
const PURE_PACKAGES = new Set(['ipaddr.js', 'zod', 'yaml']);

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\b[^'"]*?from\s*['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)|(?:^|\n)\s*import\s*['"]([^'"]+)['"]/g;

function* sources(root: string, dir: string): Generator<string> {
  for (const entry of readdirSync(join(root, dir), { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) yield* sources(root, path);
    else if (entry.name.endsWith('.ts')) yield path;
  }
}

const isTest = (path: string) => path.endsWith('.test.ts');

/** Every import that the tables forbid, as lines `file: reason`. */
export function checkImports(root: string): string[] {
  const problems: string[] = [];
  for (const box of Object.keys(mayImport)) {
    let files: string[];
    try {
      files = [...sources(root, box)];
    } catch {
      continue; // a box that does not exist yet has no arrows
    }
    for (const file of files) {
      if (isTest(file)) continue;
      for (const match of readFileSync(join(root, file), 'utf8').matchAll(IMPORT)) {
        const target = match[1] ?? match[2] ?? match[3] ?? '';
        const problem = judge(box, file, target, root);
        if (problem) problems.push(`${file}: ${problem}`);
      }
    }
  }
  return problems;
}

function judge(box: string, file: string, target: string, root: string): string | undefined {
  if (!target.startsWith('.')) {
    if (box === 'mesh' && !PURE_PACKAGES.has(target)) return `mesh is pure and may not import ${target}`;
    return undefined;
  }
  const to = relative(root, resolve(root, dirname(file), target)).split(sep);
  const toBox = to[0] ?? '';
  if (toBox !== box && toBox in mayImport && !mayImport[box]?.includes(toBox)) {
    return `${box} may not import ${toBox} (${target})`;
  }
  const from = file.split(sep);
  if (toBox === 'core') {
    const part = to[1] ?? '';
    const fromPart = box === 'core' ? from[1] : undefined;
    if (fromPart !== undefined && fromPart !== part && !coreMayImport[fromPart]?.includes(part)) {
      return `core/${fromPart} may not import core/${part}`;
    }
    if (fromPart !== part && to.length > 2 && to[to.length - 1] !== 'index.ts') {
      return `imports past the wall of core/${part}: use core/${part}/index.ts`;
    }
  }
  if (toBox === 'mesh' && box !== 'mesh' && to.slice(1).join('/') !== 'index.ts') {
    return 'imports past the wall of mesh: use mesh/index.ts';
  }
  return undefined;
}
