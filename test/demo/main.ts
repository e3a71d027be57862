/**
 * The main job, end to end, on this machine: two nodes, pods that talk in the clear, a label, and from then on the same pods,
 * untouched, through mutual-TLS tunnels under policies that kubectl manages. Every step shows its evidence; the first
 * expectation that fails ends the run with a non-zero exit.
 *
 *   npm run demo                 everything, then the lab is taken down
 *   npm run demo -- --keep       the lab stays up, and the end says how to go on by hand
 */
import { parseArgs } from 'node:util';
import { currentKubectl } from '../../lab/api/index.ts';
import { run } from '../support/shell.ts';
import { World } from '../support/world.ts';
import { play } from './play.ts';
import { Script } from './script.ts';

const { values } = parseArgs({
  options: { keep: { type: 'boolean', default: false }, name: { type: 'string', default: 'demo' } },
});
const script = new Script((text) => process.stdout.write(text), process.stdout.isTTY === true);

if (process.getuid?.() !== 0) {
  console.error('demo: network namespaces need root: run it as root, or with sudo');
  process.exit(1);
}

const kubectl = await currentKubectl({ env: process.env, onProgress: (line) => console.log(line) });
using world = new World(values.name, kubectl);
let failed = false;
try {
  await play(world, script);
  console.log(`\nThe demo is complete: ${script.summary()}.`);
} catch (error) {
  failed = true;
  console.error(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}`);
}
if (values.keep) {
  console.log(`
The lab is still up. To go on by hand:
  export KUBECONFIG=$(npx ambit lab kubeconfig --name ${values.name})
  alias kubectl=${kubectl}
  kubectl get pods -A
  npx ambit status
  kubectl exec -n shop deploy/web -- /opt/ambit/samples/call http://cart.shop:8080/
To end it: npx ambit lab down --name ${values.name}`);
} else {
  const down = await run('sh', [
    '-c',
    `"$0" lab down --name ${values.name}`,
    new URL('../../bin/ambit', import.meta.url).pathname,
  ]);
  if (down.code !== 0) {
    failed = true;
    console.error(`the lab could not be taken down:\n${down.stdout}${down.stderr}`);
  }
}
process.exitCode = failed ? 1 : 0;
