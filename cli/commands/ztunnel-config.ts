import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { RESOURCES } from '../../core/kube/index.ts';
import type { KubeObject } from '../../mesh/index.ts';
import type { Cluster } from '../cluster.ts';
import type { CliContext } from '../context.ts';
import { isLive } from '../enrolment.ts';
import { CliError, UsageError } from '../errors.ts';
import { DEFAULT_NAMESPACE } from '../install/bundle.ts';
import { parseOutputFormat, render } from '../output.ts';
import { type NodeDump, parseDump } from '../ztunnel-config/dump.ts';
import * as sections from '../ztunnel-config/sections.ts';

type Options = {
  readonly namespace: string;
  readonly output: string;
  readonly node?: string;
  readonly file?: string;
  readonly proxyAdminPort: string;
  readonly address?: string;
  readonly workloadNamespace?: string;
  readonly serviceNamespace?: string;
  readonly policyNamespace?: string;
  readonly workloadNode?: string;
  readonly direction?: 'inbound' | 'outbound';
};

const SECTIONS = [
  {
    name: 'workloads',
    aliases: ['workload', 'w'],
    summary: 'every workload the ztunnel knows, and how it is reached',
    section: sections.workloads,
  },
  {
    name: 'services',
    aliases: ['service', 'svc', 's'],
    summary: 'services, their addresses and healthy endpoints',
    section: sections.services,
  },
  {
    name: 'policies',
    aliases: ['policy', 'pol', 'p'],
    summary: 'the authorization policies that are enforced',
    section: sections.policies,
  },
  {
    name: 'certificates',
    aliases: ['certificate', 'certs', 'cert'],
    summary: 'certificates that ztunnels hold for their pods',
    section: sections.certificates,
  },
  { name: 'connections', aliases: ['cons'], summary: 'connections open right now', section: sections.connections },
] as const;

export function addZtunnelConfig(program: Command, context: CliContext): void {
  const group = program
    .command('ztunnel-config')
    .alias('zc')
    .summary('what the ztunnels know and do right now')
    .description('Reads the configuration that ztunnels work with, over a port-forward to their admin port.');
  for (const { name, aliases, summary, section } of SECTIONS) {
    const command = group
      .command(`${name} [pod]`)
      .aliases(aliases)
      .summary(summary)
      .description(
        `Shows ${summary}. POD is a ztunnel pod, or NAME.NAMESPACE of any other pod: then its node's ztunnel is asked and only that pod is shown.`,
      )
      .option('-n, --namespace <name>', 'namespace of the mesh', DEFAULT_NAMESPACE)
      .option('-o, --output <format>', 'short, json or yaml', 'short')
      .option('--node <name>', 'ask the ztunnel of this node')
      .option('-f, --file <path>', 'read a saved /config_dump instead of asking')
      .option('--proxy-admin-port <port>', "the ztunnel's admin port", '15000')
      .addHelpText(
        'after',
        `\nExamples:\n  ambit ztunnel-config ${name}\n  ambit ztunnel-config ${name} cart-7c9d-x2x.shop\n  ambit zc ${name} --node node-1 -o json`,
      );
    if (name === 'workloads') {
      command
        .option('--address <ip>', 'only the workload with this address')
        .option('--workload-namespace <name>', 'only workloads of this namespace')
        .option('--workload-node <name>', 'only workloads on this node');
    }
    if (name === 'services') command.option('--service-namespace <name>', 'only services of this namespace');
    if (name === 'policies') command.option('--policy-namespace <name>', 'only policies of this namespace');
    if (name === 'connections') {
      command
        .option('--workload-namespace <name>', 'only workloads of this namespace')
        .addOption(new Option('--direction <direction>', 'only these').choices(['inbound', 'outbound']));
    }
    command.action(async (pod: string | undefined, options: Options) => {
      const format = parseOutputFormat(options.output);
      const source = await readDumps(context, section.perNode, pod, options);
      const filter: sections.SectionFilter = {
        namespace: options.workloadNamespace ?? options.serviceNamespace ?? options.policyNamespace,
        address: options.address,
        workloadNode: options.workloadNode,
        direction: options.direction,
        pod: source.pod,
      };
      context.out(
        render(format, section.data(source.dumps, filter), () => section.table(source.dumps, filter), section.empty),
      );
    });
  }
}

type Source = { readonly dumps: readonly NodeDump[]; readonly pod?: string };

async function readDumps(
  context: CliContext,
  perNode: boolean,
  pod: string | undefined,
  options: Options,
): Promise<Source> {
  const given = [
    pod !== undefined && 'a pod',
    options.node !== undefined && '--node',
    options.file !== undefined && '--file',
  ].filter(Boolean);
  if (given.length > 1) throw new UsageError(`${given.join(' and ')} exclude each other`);
  if (options.file !== undefined) {
    return { dumps: [{ node: options.file, dump: parseDump(readFile(options.file), options.file) }] };
  }
  const port = Number(options.proxyAdminPort);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new UsageError(`--proxy-admin-port ${options.proxyAdminPort}: not a port`);
  const cluster = context.cluster();
  const ztunnels = (
    await cluster.list(RESOURCES.Pod, { namespace: options.namespace, labelSelector: 'app=ztunnel' })
  ).filter(isLive);
  if (ztunnels.length === 0)
    throw new CliError(
      `no ztunnel runs in namespace ${options.namespace}: is the mesh installed? Try \`ambit status\``,
    );
  const target = await choose(cluster, ztunnels, perNode, pod, options.node);
  const dumps = await Promise.all(
    target.ztunnels.map(async (ztunnel) => {
      const where = { namespace: options.namespace, name: ztunnel.metadata.name };
      return {
        node: nodeOf(ztunnel),
        dump: parseDump(await cluster.podHttp(where, port, '/config_dump'), ztunnel.metadata.name),
      };
    }),
  );
  return target.pod === undefined ? { dumps } : { dumps, pod: target.pod };
}

const nodeOf = (pod: KubeObject) => (pod['spec'] as { nodeName?: string } | undefined)?.nodeName ?? '';

async function choose(
  cluster: Cluster,
  ztunnels: readonly KubeObject[],
  perNode: boolean,
  pod: string | undefined,
  node: string | undefined,
): Promise<{ readonly ztunnels: readonly KubeObject[]; readonly pod?: string }> {
  const onNode = (name: string) => {
    const found = ztunnels.filter((ztunnel) => nodeOf(ztunnel) === name);
    if (found.length > 0) return found;
    throw new CliError(`no ztunnel runs on node ${name}; there are ztunnels on ${ztunnels.map(nodeOf).join(', ')}`);
  };
  if (node !== undefined) return { ztunnels: onNode(node) };
  if (pod === undefined) return { ztunnels: perNode ? ztunnels : ztunnels.slice(0, 1) };
  const named = ztunnels.find((ztunnel) => ztunnel.metadata.name === pod.split('.')[0]);
  if (named !== undefined) return { ztunnels: [named] };
  const [name = '', namespace = 'default'] = pod.split('.');
  const workload = await cluster.get(RESOURCES.Pod, name, namespace);
  if (workload === undefined) throw new CliError(`pod ${namespace}/${name} not found; name it as NAME.NAMESPACE`);
  return { ztunnels: onNode(nodeOf(workload)), pod: `${namespace}/${name}` };
}

function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new CliError(`--file ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
