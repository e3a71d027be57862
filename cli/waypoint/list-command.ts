import type { Command } from 'commander';
import type { Cluster } from '../cluster.ts';
import { type CliContext, duration } from '../context.ts';
import { CliError } from '../errors.ts';
import { parseOutputFormat, render } from '../output.ts';
import { DEFAULT_WAIT_MS } from './apply-command.ts';
import { conditionOf, isProgrammed, type Waypoint, waypointsIn } from './gateways.ts';
import { waitForWaypoint } from './progress.ts';

type ListOptions = { readonly namespace?: string; readonly allNamespaces: boolean; readonly output: string };
type StatusOptions = ListOptions & { readonly wait: boolean; readonly waypointTimeout: number };

const EMPTY = 'No waypoints found.';

function listing(command: Command): Command {
  return command
    .option('-n, --namespace <name>', "namespace to look in (default: the kubeconfig's)")
    .option('-A, --all-namespaces', 'look in every namespace', false)
    .option('-o, --output <format>', 'short, json or yaml', 'short');
}

export function addWaypointList(group: Command, context: CliContext): void {
  listing(group.command('list'))
    .summary('waypoints, what they serve, and whether they are programmed')
    .description(
      'Lists waypoints. TRAFFIC TYPE is what counts: a waypoint that says nothing serves traffic to services.',
    )
    .addHelpText('after', '\nExamples:\n  ambit waypoint list\n  ambit waypoint list -A -o json')
    .action(async (options: ListOptions) => {
      const format = parseOutputFormat(options.output);
      const found = await selected(context.cluster(), options);
      const data = found.map((one) => ({
        namespace: one.namespace,
        name: one.name,
        revision: one.revision,
        trafficType: one.trafficType,
        programmed: isProgrammed(one.object),
      }));
      const table = () => ({
        header: [...spaced(options, 'NAMESPACE'), 'NAME', 'REVISION', 'TRAFFIC TYPE', 'PROGRAMMED'],
        rows: found.map((one) => [
          ...spaced(options, one.namespace),
          one.name,
          one.revision,
          one.trafficType,
          isProgrammed(one.object) ? 'True' : 'False',
        ]),
      });
      context.out(render(format, data, table, EMPTY));
    });
}

export function addWaypointStatus(group: Command, context: CliContext): void {
  listing(group.command('status [name...]'))
    .summary('whether waypoints serve, and if not, why')
    .description(
      'Waits until the waypoints are ready, or the time is up, and shows what the controller says of each. Exit code 1 when one is not ready.',
    )
    .option('-w, --wait', 'wait for those that are not ready (the default)', true)
    .option('--no-wait', 'only look')
    .option('--waypoint-timeout <duration>', 'how long to wait', duration, DEFAULT_WAIT_MS)
    .addHelpText(
      'after',
      '\nExamples:\n  ambit waypoint status -n shop\n  ambit waypoint status gate -n shop --no-wait\n  ambit waypoint status -A -o json',
    )
    .action((names: readonly string[], options: StatusOptions) => status(context, names, options));
}

async function status(context: CliContext, names: readonly string[], options: StatusOptions): Promise<void> {
  const format = parseOutputFormat(options.output);
  const cluster = context.cluster();
  const before = named(await selected(cluster, options), names);
  const problems = options.wait ? await waited(context, cluster, before, options.waypointTimeout) : [];
  const found = options.wait ? named(await selected(cluster, options), names) : before;
  const rows = found.map((one) => ({ ...placeOf(one), ...said(one) }));
  const table = () => ({
    header: [...spaced(options, 'NAMESPACE'), 'NAME', 'STATUS', 'TYPE', 'REASON', 'MESSAGE'],
    rows: rows.map((row) => [
      ...spaced(options, row.namespace),
      row.name,
      row.status,
      row.type,
      row.reason,
      row.message,
    ]),
  });
  context.out(render(format, rows, table, EMPTY));
  for (const problem of problems) context.say(problem);
  if (problems.length > 0 || rows.some((row) => row.status !== 'True')) context.setExitCode(1);
}

/** One after the other they share the time: all of them wait for the same controller. */
async function waited(
  context: CliContext,
  cluster: Cluster,
  waypoints: readonly Waypoint[],
  timeoutMs: number,
): Promise<readonly string[]> {
  const end = performance.now() + timeoutMs;
  const problems: string[] = [];
  for (const waypoint of waypoints) {
    const deadlineMs = Math.max(0, end - performance.now());
    try {
      await waitForWaypoint(cluster, placeOf(waypoint), { deadlineMs, progress: context.say });
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      problems.push(error.message);
    }
  }
  return problems;
}

function said({ object }: Waypoint) {
  const {
    status = 'Unknown',
    reason = 'Pending',
    message = 'the controller has said nothing yet',
  } = conditionOf(object, 'Programmed') ?? {};
  return { status, type: 'Programmed', reason, message };
}

async function selected(cluster: Cluster, { namespace, allNamespaces }: ListOptions): Promise<readonly Waypoint[]> {
  return waypointsIn(cluster, allNamespaces ? undefined : (namespace ?? (await cluster.namespace())));
}

/** Throws CliError for a name that is not there. */
function named(waypoints: readonly Waypoint[], names: readonly string[]): readonly Waypoint[] {
  const absent = names.filter((name) => !waypoints.some((waypoint) => waypoint.name === name));
  if (absent.length > 0) {
    const there = waypoints.map(({ name }) => name).join(', ') || 'none';
    throw new CliError(`no waypoint ${absent.join(', ')}; there is ${there}`);
  }
  return names.length === 0 ? waypoints : waypoints.filter(({ name }) => names.includes(name));
}

const placeOf = ({ namespace, name }: Waypoint) => ({ namespace, name });
const spaced = ({ allNamespaces }: ListOptions, text: string) => (allNamespaces ? [text] : []);
