/** The program behind `ambit lab`. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { stringify } from 'yaml';
import { NetnsRef } from '../core/net/index.ts';
import { MeshError } from '../mesh/index.ts';
import { nodesOf } from './addresses.ts';
import { currentKubectl } from './api/index.ts';
import { runCapture } from './capture/index.ts';
import { down } from './down.ts';
import { builtInImages } from './images/image.ts';
import { addImage, readImageTable, removeImage } from './images/table.ts';
import { labRuns, readLabInfo } from './lab-info.ts';
import { type LabPaths, labPaths, labsDirectory } from './paths.ts';
import { type LabStatus, status } from './status.ts';
import { labNames, up } from './up.ts';

const HELP = `
Examples:
  ambit lab up --nodes 2
  export KUBECONFIG=$(ambit lab kubeconfig)
  ambit lab kubectl get nodes
  ambit lab capture --node node-1 --count 20
  ambit lab image add hello ./my-static-program
  ambit lab down

State is in /var/lib/ambit/lab/NAME; AMBIT_LAB_DIR names another folder for all labs.`;

const labs = labsDirectory(process.env);
const say = (line: string) => void process.stderr.write(`${line}\n`);
const print = (line: string) => void process.stdout.write(`${line}\n`);
const whole = (text: string) => {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('not a whole number');
  return Number(text);
};
const name = () => new Option('--name <name>', 'which lab').default('lab');
const output = () => new Option('-o, --output <format>', 'for programs').choices(['json', 'yaml']);
type Named = { readonly name: string };
type Output = { readonly output?: 'json' | 'yaml' };

const program = new Command('ambit lab')
  .description('A Kubernetes-like cluster on this machine, without Docker: nodes and pods are namespaces.')
  .addHelpText('after', HELP)
  .enablePositionalOptions()
  .exitOverride();

program
  .command('up')
  .description('start a lab and wait until its nodes are ready')
  .addOption(name())
  .option('--nodes <count>', 'how many nodes', whole, 2)
  .option('--api-port <port>', 'port of the API on 127.0.0.1; 0 takes a free one', whole, 0)
  .option('--log-level <level>', 'what supervisor and nodes write to their logs', 'info')
  .action(async (o: Named & { readonly nodes: number; readonly apiPort: number; readonly logLevel: string }) => {
    const began = performance.now();
    const paths = labPaths(labs, o.name);
    const info = await up({ paths, nodes: o.nodes, apiPort: o.apiPort, logLevel: o.logLevel, say });
    say(`lab "${o.name}" is ready: ${info.nodes} nodes, ${((performance.now() - began) / 1000).toFixed(1)} s`);
    say(`export KUBECONFIG=${paths.kubeconfig}`);
  });

program
  .command('down')
  .description('end a lab and remove every trace of it')
  .addOption(name())
  .option('--all', 'every lab of this machine')
  .action(async (o: Named & { readonly all?: true }) => {
    for (const lab of o.all ? labNames(labs) : [o.name]) {
      const result = await down(labPaths(labs, lab), say);
      say(result === 'removed' ? `lab "${lab}" is gone` : `there is no lab "${lab}"`);
    }
  });

program
  .command('status')
  .description('what a lab is and does; exit code 1 when it does not run')
  .addOption(name())
  .addOption(output())
  .action(async (o: Named & Output) => {
    const seen = await status(labPaths(labs, o.name));
    print(o.output === undefined ? describe(seen) : format(seen, o.output));
    if (seen.state !== 'running') process.exitCode = 1;
  });

program
  .command('kubeconfig')
  .description("print the path of a lab's kubeconfig")
  .addOption(name())
  .action((o: Named) => print(running(o.name).kubeconfig));

const image = program.command('image').description('the images that pods can name: folders of this machine');
image
  .command('add')
  .argument('<name>', 'as pods write it, without a tag')
  .argument('<dir>', 'what the container finds at its root; an image.json in it may set command, env and base')
  .description('make a folder an image')
  .action((imageName: string, dir: string) => {
    addImage(labs, imageName, dir);
    say(`pods can use image "${imageName}" now`);
  });
image
  .command('list')
  .description('every image')
  .addOption(output())
  .action((o: Output) => {
    const own = [...readImageTable(labs)].map(([imageName, { dir }]) => ({ name: imageName, dir }));
    const all = [...builtInImages.map((builtIn) => ({ name: builtIn, dir: 'built in' })), ...own];
    print(o.output === undefined ? all.map((i) => `${i.name.padEnd(28)} ${i.dir}`).join('\n') : format(all, o.output));
  });
image
  .command('remove')
  .argument('<name>')
  .description('forget an image; the folder stays')
  .action((imageName: string) => {
    if (!removeImage(labs, imageName))
      throw new MeshError('IMAGE_UNKNOWN', `there is no image "${imageName}" to remove`);
    say(`image "${imageName}" is forgotten`);
  });

program
  .command('kubectl')
  .argument('[arguments...]')
  .description('the real kubectl against a lab: one from PATH, or fetched at first use')
  .addOption(name())
  .passThroughOptions()
  .action(async (args: readonly string[], o: Named) => {
    const { kubeconfig } = running(o.name);
    const kubectl = await currentKubectl({ env: process.env, onProgress: say });
    const env = Object.entries({ ...process.env, KUBECONFIG: kubeconfig }).filter(([, value]) => value !== undefined);
    process.execve?.(kubectl, [kubectl, ...args], Object.fromEntries(env));
  });

program
  .command('capture')
  .description('show TCP packets on a link: addresses, flags, and whether the payload is TLS or plaintext')
  .addOption(name())
  .option('--node <node>', 'whose interface; default: the switch between the nodes')
  .option('--interface <name>', 'default: eth0 of a node, lab0 of the switch')
  .option('--count <packets>', 'end after so many', whole)
  .option('--write <file>', 'a pcap file with every frame')
  .action(async (o: Named & CaptureOptions) => capture(running(o.name), o));

type CaptureOptions = {
  readonly node?: string;
  readonly interface?: string;
  readonly count?: number;
  readonly write?: string;
};

async function capture(paths: LabPaths, o: CaptureOptions): Promise<void> {
  const info = readLabInfo(paths);
  if (info === undefined) throw noLab(paths.name);
  const node = nodesOf(info.nodes).find((candidate) => candidate.name === o.node);
  if (o.node !== undefined && node === undefined) {
    throw new MeshError(
      'LAB_OPTIONS_INVALID',
      `lab "${paths.name}" has no node "${o.node}" (node-1 to node-${info.nodes})`,
    );
  }
  // A node's link seen from the switch: it stays there when the node is started again.
  const at = node ? (o.interface ?? 'eth0') : (o.interface ?? 'lab0');
  const path = node ? `/proc/${info.pid}/root/run/netns/${node.name}` : `/proc/${info.pid}/ns/net`;
  using netns = NetnsRef.open(path);
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort()).once('SIGTERM', () => stop.abort());
  const { count, write } = o;
  const { dropped } = await runCapture({ netns, interface: at, count, write, line: print, signal: stop.signal });
  if (dropped > 0) say(`the kernel dropped ${dropped} packets`);
}

function running(lab: string): LabPaths {
  const paths = labPaths(labs, lab);
  const info = readLabInfo(paths);
  if (info === undefined || !labRuns(info)) throw noLab(lab);
  return paths;
}

const noLab = (lab: string) => new MeshError('LAB_ABSENT', `lab "${lab}" does not run (ambit lab up --name ${lab})`);
const format = (value: unknown, as: 'json' | 'yaml') =>
  (as === 'json' ? JSON.stringify(value, undefined, 2) : stringify(value)).trimEnd();

function describe(seen: LabStatus): string {
  if (seen.state === 'absent') return `lab "${seen.name}" does not exist`;
  if (seen.state === 'dead')
    return `lab "${seen.name}" was killed; ambit lab down --name ${seen.name} removes what is left`;
  return [
    `lab         ${seen.name} (${seen.state}, process ${seen.pid})`,
    `API         ${seen.api}`,
    `kubeconfig  ${seen.kubeconfig}`,
    ...(seen.problem === undefined ? [] : [`problem     ${seen.problem}`]),
    ...(seen.nodes ?? []).map((node) =>
      [
        node.name.padEnd(11),
        (node.ready ? 'Ready' : 'NotReady').padEnd(9),
        node.addresses.join(' ').padEnd(28),
        `${node.pods.running} of ${node.pods.total} pods running`,
      ].join(' '),
    ),
  ].join('\n');
}

try {
  await program.parseAsync(process.argv);
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else {
    say(`ambit lab: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
