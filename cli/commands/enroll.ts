import type { Command } from 'commander';
import { enrolmentRisks, type Finding, leavingRisks } from '../../mesh/index.ts';
import { type Loaded, loadFolder, loadLive } from '../analyze/load.ts';
import { located, paragraph, summary } from '../analyze/report.ts';
import { type CliContext, duration } from '../context.ts';
import { liveEvidence } from '../enroll/evidence.ts';
import { labelNamespace, namespaceLabels, type PodCounts, refusePlaintext, waitForPods } from '../enroll/steps.ts';
import { DATAPLANE_LABEL } from '../enrolment.ts';
import { CliError, UsageError } from '../errors.ts';
import { DEFAULT_NAMESPACE } from '../install/bundle.ts';
import { type OutputFormat, parseOutputFormat, show } from '../output.ts';

type Options = {
  readonly file?: readonly string[];
  readonly check: boolean;
  readonly strict: boolean;
  readonly undo: boolean;
  readonly yes: boolean;
  readonly dryRun: boolean;
  readonly wait: boolean;
  readonly timeout: number;
  readonly meshNamespace: string;
  readonly output: string;
};

const EXIT_CODES = `Exit codes: 0 done (with --check: nothing would break), 1 something would break, was not confirmed or failed, 2 wrong use.`;

const HELP = `
The check looks at the mesh as it would be: NetworkPolicies that do not let the tunnel through (port 15008), pods that can not join
(on the network of their host, with sidecars), ports that collide, policies that begin to be enforced, UDP, nodes without a ready agent
or ztunnel. With --strict also: callers outside the mesh, from the objects and from what the ztunnels have seen, and connections
that are open. Who calls pods that are not in the mesh yet, nobody can see: enrol first, and look again with --check --strict.

Examples:
  ambit enroll shop --check                   what would break; changes nothing
  ambit enroll shop                           checks, labels the namespace, waits until its pods are in the mesh
  ambit enroll shop --check --strict          and if it refused plaintext?
  ambit enroll shop --strict                  enrols, and then refuses plaintext (PeerAuthentication STRICT)
  ambit enroll shop --check -f manifests/     the same from a folder, without a cluster
  ambit unenroll shop                         out again; pods are not restarted and keep talking, in plaintext

${EXIT_CODES}`;

export function addEnroll(program: Command, context: CliContext): void {
  common(program.command('enroll <namespace>'))
    .summary('bring the pods of a namespace into the mesh, after a look at what that would break')
    .description(
      [
        'Checks what would break, labels the namespace, and waits until every pod of it is in the mesh. No pod is restarted. When the check',
        'finds errors or warnings nothing is changed, unless --yes says that they were read.',
      ].join(' '),
    )
    .option('--check', 'only look; change nothing', false)
    .option('--strict', 'also refuse callers outside the mesh, or check what that would break', false)
    .option('--undo', 'the way back: ambit unenroll', false)
    .option('-f, --file <path...>', 'with --check: look at these files and folders, not at the cluster')
    .addHelpText('after', HELP)
    .action((namespace: string, options: Options) =>
      options.undo ? unenroll(context, namespace, options) : enroll(context, namespace, options),
    );
  common(program.command('unenroll <namespace>'))
    .summary('take the pods of a namespace out of the mesh')
    .description(
      [
        'Takes the label away and waits until every pod has left the mesh. Pods are not restarted and keep talking, in plaintext and without',
        'identity. When policies would no longer be enforced, or others would refuse these pods, it says so and wants --yes.',
      ].join(' '),
    )
    .addHelpText('after', `\nExamples:\n  ambit unenroll shop\n  ambit unenroll shop --dry-run\n\n${EXIT_CODES}`)
    .action((namespace: string, options: Options) => unenroll(context, namespace, options));
}

function common(command: Command): Command {
  return command
    .option('-y, --yes', 'go on in spite of errors and warnings', false)
    .option('--dry-run', 'say what would be done, and change nothing', false)
    .option('--no-wait', 'return as soon as the label is changed')
    .option('--timeout <duration>', 'how long to wait for the pods', duration, 120_000)
    .option('--mesh-namespace <name>', 'namespace of the mesh', DEFAULT_NAMESPACE)
    .option('-o, --output <format>', 'short, json or yaml', 'short');
}

async function enroll(context: CliContext, namespace: string, options: Options): Promise<void> {
  const format = parseOutputFormat(options.output);
  if (options.file !== undefined && !options.check)
    throw new UsageError('-f goes with --check: a folder can not be enrolled');
  const { loaded, risks } = await look(context, namespace, options);
  const stated = options.strict ? 'in the mesh and STRICT' : 'in the mesh';
  const tell = teller(context, format, namespace, loaded, risks);
  if (options.check) {
    const breaks = risks.some(({ severity }) => severity === 'error');
    tell({
      changed: false,
      verdict: breaks
        ? `Something would break with ${namespace} ${stated}.`
        : `Nothing that is known would break with ${namespace} ${stated}.`,
    });
    if (breaks) context.setExitCode(1);
    return;
  }
  const plan = [
    `label namespace ${namespace} ${DATAPLANE_LABEL}=ambient`,
    ...(options.strict ? [`PeerAuthentication STRICT in namespace ${namespace}`] : []),
  ];
  if (!mayGoOn(context, options, risks, plan, tell)) return;
  const cluster = context.cluster();
  await labelNamespace(cluster, namespace, 'ambient');
  context.say(`namespace ${namespace} is labelled ${DATAPLANE_LABEL}=ambient`);
  const pods = options.wait ? await waitForPods(cluster, namespace, waiting(context, options)) : undefined;
  if (options.strict) {
    context.say(`PeerAuthentication ${namespace}/${await refusePlaintext(cluster, namespace)}: STRICT`);
  }
  const counted =
    pods === undefined
      ? ''
      : `: ${pods.enrolled} ${pods.enrolled === 1 ? 'pod is' : 'pods are'} in it, ${pods.outside} ${pods.outside === 1 ? 'stays' : 'stay'} outside`;
  tell({ changed: true, verdict: `Namespace ${namespace} is ${stated}${counted}.`, pods });
}

async function unenroll(context: CliContext, namespace: string, options: Options): Promise<void> {
  const format = parseOutputFormat(options.output);
  if (options.strict || options.check)
    throw new UsageError('--undo goes with neither --check nor --strict; try --dry-run');
  const cluster = context.cluster();
  await namespaceLabels(cluster, namespace);
  const loaded = await loadLive(cluster, options.meshNamespace, { files: [], say: context.say });
  const risks = leavingRisks(loaded.model, namespace);
  const tell = teller(context, format, namespace, loaded, risks);
  const plan = [`take label ${DATAPLANE_LABEL} from namespace ${namespace}`];
  if (!mayGoOn(context, options, risks, plan, tell)) return;
  await labelNamespace(cluster, namespace, null);
  context.say(`namespace ${namespace}: label ${DATAPLANE_LABEL} removed`);
  const pods = options.wait ? await waitForPods(cluster, namespace, waiting(context, options)) : undefined;
  const left = pods?.enrolled ? `; ${pods.enrolled} pods stay in it by labels of their own` : '';
  tell({ changed: true, verdict: `Namespace ${namespace} is out of the mesh${left}.`, pods });
}

async function look(context: CliContext, namespace: string, options: Options) {
  const step = { namespace, strict: options.strict };
  if (options.file !== undefined) {
    const loaded = loadFolder(options.file, options.meshNamespace);
    if (!loaded.model.objects.some(({ metadata }) => metadata.namespace === namespace)) {
      throw new CliError(`${options.file.join(', ')}: nothing there is in namespace ${namespace}`);
    }
    return { loaded, risks: enrolmentRisks(loaded.model, step, { flows: [], open: [], isLive: false }) };
  }
  const cluster = context.cluster();
  await namespaceLabels(cluster, namespace);
  const loaded = await loadLive(cluster, options.meshNamespace, { files: [], say: context.say });
  const evidence = await liveEvidence(cluster, options.meshNamespace, context.say);
  return { loaded, risks: enrolmentRisks(loaded.model, step, evidence) };
}

type Told = { readonly changed: boolean; readonly verdict: string; readonly pods?: PodCounts | undefined };

function teller(
  context: CliContext,
  format: OutputFormat,
  namespace: string,
  loaded: Loaded,
  risks: readonly Finding[],
): (told: Told) => void {
  const findings = risks.map((one) => located(one, loaded));
  return ({ changed, verdict, pods }) =>
    context.out(
      show(format, { namespace, changed, verdict, findings, ...(pods && { pods }) }, () => {
        const counted = findings.length === 0 ? [] : [summary(findings)];
        return [...findings.map(paragraph), [...counted, verdict].join(' ')].join('\n\n');
      }),
    );
}

/** Says what stands in the way, or what would be done, when that is all. */
function mayGoOn(
  context: CliContext,
  options: Options,
  risks: readonly Finding[],
  plan: readonly string[],
  tell: (told: Told) => void,
): boolean {
  const needsYes = !options.yes && risks.some(({ severity }) => severity !== 'info');
  if (options.dryRun) {
    tell({
      changed: false,
      verdict: `Would ${plan.join(', and ')}${needsYes ? ' (with --yes)' : ''}. Nothing was changed.`,
    });
    return false;
  }
  if (!needsYes) return true;
  tell({ changed: false, verdict: 'Nothing was changed. To go on all the same: --yes' });
  context.setExitCode(1);
  return false;
}

const waiting = (context: CliContext, options: Options) => ({ deadlineMs: options.timeout, progress: context.say });
