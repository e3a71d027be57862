import { type Command, Option } from 'commander';
import { type Finding, findings, reaches, SEVERITIES, type Severity } from '../../mesh/index.ts';
import { type Loaded, loadFolder, loadLive } from '../analyze/load.ts';
import { codeList, codeTable, located, report } from '../analyze/report.ts';
import { parseSuppression } from '../analyze/suppress.ts';
import { type CliContext, gather } from '../context.ts';
import { UsageError } from '../errors.ts';
import { readLedgers } from '../flows.ts';
import { DEFAULT_NAMESPACE } from '../install/bundle.ts';
import { type OutputFormat, parseOutputFormat, render } from '../output.ts';

type Options = {
  readonly file?: readonly string[];
  readonly withCluster: boolean;
  readonly namespace?: string;
  readonly allNamespaces: boolean;
  readonly output: string;
  readonly suppress: readonly string[];
  readonly failureThreshold: Severity;
  readonly outputThreshold: Severity;
  readonly meshNamespace: string;
  readonly flows: boolean;
  readonly list: boolean;
};

const EXAMPLES = `
Examples:
  ambit analyze                                  what is wrong in the mesh that runs
  ambit analyze -n shop -o json
  ambit analyze -f manifests/                    a folder, without any cluster: for CI
  helm template shop | ambit analyze -f -
  ambit analyze -f new.yaml --with-cluster       what new.yaml would bring, before it is applied
  ambit analyze --suppress AMB0502 --suppress 'IST0127=AuthorizationPolicy *.legacy'
  ambit analyze --list                           every code and when it is found

An object mutes findings about itself with the annotation galley.istio.io/analyze-suppress: CODE,CODE (or "*").
In a live mesh the ztunnels are asked whom they have seen; nodes that do not answer are named.

Exit codes: 0 nothing as bad as --failure-threshold, 1 something is, or the mesh could not be read, 2 wrong use.`;

export function addAnalyze(program: Command, context: CliContext): void {
  program
    .command('analyze')
    .summary('what is wrong with the mesh, or would be with a folder of manifests, and how to mend it')
    .description(
      [
        'Looks for mistakes that the API accepts and that bite later: selectors that match nothing, policies without effect, slips in labels,',
        'NetworkPolicies that block the tunnel, STRICT with callers outside the mesh, policies, routes and DestinationRules that no waypoint',
        'follows. Each finding has a code, the object and field, and a fix.',
      ].join(' '),
    )
    .option('-f, --file <path...>', 'analyse these files and folders (YAML or JSON; - reads stdin), not the cluster')
    .option('-k, --with-cluster', 'analyse the files as if they were applied to the cluster', false)
    .option('-n, --namespace <name>', 'only findings about this namespace and what is in it')
    .option('-A, --all-namespaces', 'findings about every namespace (the default)', false)
    .option('-o, --output <format>', 'short, json or yaml', 'short')
    .option('-S, --suppress <code>', 'leave findings out: CODE, or CODE=KIND NAME.NAMESPACE (repeatable)', gather, [])
    .addOption(
      new Option('--failure-threshold <severity>', 'exit with 1 from this severity on')
        .choices(SEVERITIES)
        .default('error'),
    )
    .addOption(
      new Option('--output-threshold <severity>', 'show findings from this severity on')
        .choices(SEVERITIES)
        .default('info'),
    )
    .option('--mesh-namespace <name>', 'namespace of the mesh', DEFAULT_NAMESPACE)
    .option('--no-flows', 'do not ask the ztunnels whom they have seen')
    .option('--list', 'list every code and when it is found', false)
    .addHelpText('after', EXAMPLES)
    .action(async (options: Options) => {
      const format = parseOutputFormat(options.output);
      if (options.list) {
        context.out(render(format, codeList(), codeTable, ''));
        return;
      }
      await analyze(context, options, format);
    });
}

async function analyze(context: CliContext, options: Options, format: OutputFormat): Promise<void> {
  const { file: files = [], namespace } = options;
  if (namespace !== undefined && options.allNamespaces) throw new UsageError('-n and -A exclude each other');
  if (options.withCluster && files.length === 0) throw new UsageError('--with-cluster needs files: -f PATH');
  const suppressions = options.suppress.map(parseSuppression);
  const { loaded, found, looked } = await look(context, options, files);
  const shown = found
    .filter((one) => namespace === undefined || isAbout(one, namespace))
    .filter((one) => files.length === 0 || !options.withCluster || comesFrom(one, loaded))
    .filter((one) => !suppressions.some((suppresses) => suppresses(one)))
    .map((one) => located(one, loaded));
  context.out(
    report(
      format,
      shown.filter(({ severity }) => reaches(severity, options.outputThreshold)),
      looked,
    ),
  );
  if (shown.some(({ severity }) => reaches(severity, options.failureThreshold))) context.setExitCode(1);
}

async function look(context: CliContext, options: Options, files: readonly string[]) {
  if (files.length > 0 && !options.withCluster) {
    const loaded = loadFolder(files, options.meshNamespace);
    return { loaded, found: findings(loaded.model), looked: `Looked at ${loaded.model.objects.length} objects.` };
  }
  const cluster = context.cluster();
  const loaded = await loadLive(cluster, options.meshNamespace, { files, say: context.say });
  const count = loaded.model.objects.length;
  if (!options.flows) return { loaded, found: findings(loaded.model), looked: `Looked at ${count} objects.` };
  const { flows, asked, silent } = await readLedgers(cluster, options.meshNamespace);
  for (const { node, reason } of silent) context.say(`node ${node} did not say whom it has seen: ${reason}`);
  const nodes = asked.length - silent.length;
  const looked = `Looked at ${count} objects and at what ${nodes} of ${asked.length} ztunnels have seen.`;
  return { loaded, found: findings(loaded.model, flows), looked };
}

function isAbout({ object }: Finding, namespace: string): boolean {
  return object.kind === 'Namespace' ? object.name === namespace : object.namespace === namespace;
}

/** Whether an object of the files is what it is about, or plays a part in it. */
function comesFrom({ object, related = [] }: Finding, { originOf }: Loaded): boolean {
  return [object, ...related].some((ref) => originOf(ref) !== undefined);
}
