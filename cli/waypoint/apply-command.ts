import { type Command, Option } from 'commander';
import { stringify } from 'yaml';
import { RESOURCES } from '../../core/kube/index.ts';
import type { Cluster } from '../cluster.ts';
import { type CliContext, duration } from '../context.ts';
import { namespaceLabels } from '../enroll/steps.ts';
import { DATAPLANE_LABEL } from '../enrolment.ts';
import { CliError, UsageError } from '../errors.ts';
import { parseOutputFormat, show } from '../output.ts';
import { isAmbient, otherWaypoint, strayWishes, useWaypoint } from './enrol-namespace.ts';
import { classOf, mustHaveMesh, waypointsIn } from './gateways.ts';
import {
  DEFAULT_NAME,
  TRAFFIC_TYPES,
  USE_WAYPOINT,
  WAYPOINT_CLASS,
  waypointGateway,
  waypointName,
} from './manifest.ts';
import { waitForWaypoint } from './progress.ts';
import { waypointUsers } from './users.ts';

/** As in the reference. */
export const DEFAULT_WAIT_MS = 90_000;

type Order = { readonly name: string; readonly namespace?: string; readonly for?: string; readonly revision?: string };
type Options = Order & {
  readonly enrollNamespace: boolean;
  readonly overwrite: boolean;
  readonly wait: boolean;
  readonly waypointTimeout: number;
  readonly output: string;
};

const HELP = `
Examples:
  ambit waypoint apply -n shop --wait                          a waypoint for services; returns when it serves
  ambit waypoint apply -n shop --enroll-namespace --wait       and everything in shop uses it
  ambit waypoint apply -n shop --name gate --for workload      for traffic to the addresses of pods
  kubectl label service cart -n shop istio.io/use-waypoint=gate    one service uses it

With --enroll-namespace and --wait the namespace is labelled only when the waypoint serves. A namespace that uses another
waypoint is left as it is, and no waypoint is made, unless --overwrite is given.

Exit codes: 0 done, 1 it failed, did not become ready in time, or the namespace uses another waypoint, 2 wrong use.`;

function ordering(command: Command): Command {
  return command
    .option('--name <name>', 'name of the waypoint', DEFAULT_NAME)
    .addOption(
      new Option(
        '--for <type>',
        'traffic it serves: to services (where nothing is said), to workloads, all or none',
      ).choices(TRAFFIC_TYPES),
    )
    .option('-r, --revision <name>', 'revision of the control plane that runs it');
}

export function addWaypointApply(group: Command, context: CliContext): void {
  ordering(group.command('apply'))
    .summary('make a waypoint, or change it')
    .description('Applies the Gateway of a waypoint; the controller makes its pods. Doing it twice is harmless.')
    .option('-n, --namespace <name>', "namespace of the waypoint (default: the kubeconfig's)")
    .option('--enroll-namespace', 'let everything in the namespace use it', false)
    .option('--overwrite', 'with --enroll-namespace: also when the namespace uses another waypoint', false)
    .option('-w, --wait', 'return when it serves', false)
    .option('--waypoint-timeout <duration>', 'how long to wait', duration, DEFAULT_WAIT_MS)
    .option('-o, --output <format>', 'short, json or yaml', 'short')
    .addHelpText('after', HELP)
    .action((options: Options) => apply(context, options));
}

export function addWaypointGenerate(group: Command, context: CliContext): void {
  ordering(group.command('generate'))
    .summary('print the Gateway of a waypoint, and change nothing')
    .description('Prints what `ambit waypoint apply` would apply. The namespace is in it only when -n says one.')
    .option('-n, --namespace <name>', 'namespace to write into it')
    .option('-o, --output <format>', 'yaml or json', 'yaml')
    .addHelpText(
      'after',
      '\nExamples:\n  ambit waypoint generate -n shop > waypoint.yaml\n  ambit waypoint generate --for all --name gate | kubectl apply -n shop -f -',
    )
    .action((options: Order & { readonly output: string }) => {
      const gateway = waypointGateway(orderOf(options, options.namespace));
      context.out(show(parseOutputFormat(options.output), gateway, () => stringify(gateway).trimEnd()));
    });
}

const orderOf = (options: Order, namespace: string | undefined) => ({
  name: waypointName(options.name),
  namespace,
  traffic: options.for,
  revision: options.revision,
});

async function apply(context: CliContext, options: Options): Promise<void> {
  const format = parseOutputFormat(options.output);
  const name = waypointName(options.name);
  if (options.overwrite && !options.enrollNamespace) throw new UsageError('--overwrite goes with --enroll-namespace');
  const cluster = context.cluster();
  const namespace = options.namespace ?? (await cluster.namespace());
  const warnings: string[] = [];
  const warn = (text: string) => {
    warnings.push(text);
    context.say(`⚠️  ${text}`);
  };
  const did: string[] = [];
  const done = (line: string) => {
    did.push(line);
    if (format === 'short') context.out(`✅ ${line}`);
  };
  await mayApply(cluster, namespace, name);
  const labels = await namespaceLabels(cluster, namespace);
  if (!isAmbient(labels)) {
    warn(
      `namespace ${namespace} is not in the mesh, so its own pods do not go through waypoints: \`ambit enroll ${namespace}\`, or kubectl label namespace ${namespace} ${DATAPLANE_LABEL}=ambient`,
    );
  }
  const other = options.enrollNamespace ? otherWaypoint(labels, namespace, name) : undefined;
  const result = { namespace, name, warnings };
  if (other !== undefined && !options.overwrite) {
    warn(
      `namespace ${namespace} has the label ${USE_WAYPOINT}: ${other} already; nothing was changed. To go on: --overwrite`,
    );
    if (format !== 'short') context.out(show(format, { ...result, applied: false, enrolled: false }, () => ''));
    context.setExitCode(1);
    return;
  }
  await cluster.apply(waypointGateway(orderOf(options, namespace)));
  done(`waypoint ${namespace}/${name} applied`);
  if (options.wait) {
    const waiting = { deadlineMs: options.waypointTimeout, progress: context.say };
    await waitForWaypoint(cluster, { namespace, name }, waiting);
    done(`waypoint ${namespace}/${name} is ready!`);
  }
  if (options.enrollNamespace) {
    await useWaypoint(cluster, namespace, name);
    done(`namespace ${namespace} labeled with "${USE_WAYPOINT}: ${name}"`);
    for (const stray of await strayWishes(cluster, namespace)) warn(stray);
  } else if (!(await waypointUsers(cluster)).has(`${namespace}/${name}`)) {
    context.say(
      `Nobody uses it yet. A service does with: kubectl label service NAME -n ${namespace} ${USE_WAYPOINT}=${name}; all of the namespace: --enroll-namespace`,
    );
  }
  if (format !== 'short') {
    const state = { applied: true, ...(options.wait && { ready: true }), enrolled: options.enrollNamespace };
    context.out(show(format, { ...result, ...state }, () => ''));
  }
}

/** A Gateway of another class is somebody's door: it is not made into a waypoint. */
async function mayApply(cluster: Cluster, namespace: string, name: string): Promise<void> {
  await waypointsIn(cluster, namespace); // throws where there is no Gateway API
  await mustHaveMesh(cluster);
  const held = await cluster.get(RESOURCES.Gateway, name, namespace);
  if (held !== undefined && classOf(held) !== WAYPOINT_CLASS) {
    throw new CliError(
      `Gateway ${namespace}/${name} exists and is of class ${classOf(held)}, no waypoint: choose another name with --name`,
    );
  }
}
