/**
 * Makes what is shipped as JavaScript:
 * - `dist/cni-plugin.js`: the CNI plugin as one file without dependencies, which the node agent copies onto the host beside the
 *   Node that runs it;
 * - `dist/ztunnel/`: the ztunnel, which every node carries: without the modules it does not use, and without the machinery that
 *   strips types in each of its threads, it needs a third less memory;
 * - `dist/waypoint/`: the waypoint, likewise.
 */
import { mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type BuildOptions, build } from 'esbuild';

const root = join(import.meta.dirname, '..');
const plugin = join(root, 'dist', 'cni-plugin.js');
const ztunnel = join(root, 'dist', 'ztunnel');
const waypoint = join(root, 'dist', 'waypoint');

const COMMON = {
  bundle: true,
  platform: 'node',
  target: 'node26',
  treeShaking: true,
  minifySyntax: true,
  logLevel: 'warning',
} as const satisfies BuildOptions;

await build({
  ...COMMON,
  entryPoints: [join(root, 'cni', 'plugin', 'main.ts')],
  outfile: plugin,
  format: 'cjs', // a lone .js file is CommonJS: no second look at its syntax at every start
  legalComments: 'inline',
});

const PROXIES = [
  {
    outdir: ztunnel,
    entryPoints: [join(root, 'ztunnel', 'main.ts'), join(root, 'ztunnel', 'threads', 'worker-main.ts')],
  },
  {
    outdir: waypoint,
    entryPoints: [join(root, 'waypoint', 'main.ts'), join(root, 'waypoint', 'threads', 'worker-main.ts')],
  },
];

for (const { outdir, entryPoints } of PROXIES) {
  rmSync(outdir, { recursive: true, force: true }); // names of shared parts change with their content
  mkdirSync(outdir, { recursive: true });
  await build({
    ...COMMON,
    entryPoints,
    outdir,
    entryNames: '[name]',
    format: 'esm',
    minifyWhitespace: true, // each thread holds the text; names stay, for traces
    splitting: true, // the threads share what they share, and load no more
    mainFields: ['module', 'main'],
    legalComments: 'eof',
    // What is CommonJS asks for Node's own modules this way.
    banner: {
      js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);",
    },
  });
}

if (process.argv.includes('--verbose')) {
  for (const file of [plugin, join(ztunnel, 'main.js')]) console.log(`${file}: ${statSync(file).size} bytes`);
}
