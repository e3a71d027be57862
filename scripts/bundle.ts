/**
 * Makes `dist/cni-plugin.js`: the CNI plugin as one file without dependencies, which the node agent copies onto the host
 * beside the Node that runs it.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..');
const outfile = join(root, 'dist', 'cni-plugin.js');

await build({
  entryPoints: [join(root, 'cni', 'plugin', 'main.ts')],
  outfile,
  bundle: true,
  platform: 'node',
  target: 'node26',
  format: 'cjs', // a lone .js file is CommonJS: no second look at its syntax at every start
  treeShaking: true,
  minifySyntax: true,
  legalComments: 'inline',
  logLevel: 'warning',
});
if (process.argv.includes('--verbose')) console.log(`${outfile}: ${statSync(outfile).size} bytes`);
