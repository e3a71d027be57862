import type { Command } from 'commander';
import { RESOURCES } from '../../core/kube/index.ts';
import type { Cluster } from '../cluster.ts';
import type { CliContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import { ifServed } from '../if-served.ts';
import { parseOutputFormat, show } from '../output.ts';
import { type Waypoint, waypointsIn } from './gateways.ts';
import { removalWarning } from './removal.ts';
import { waypointUsers } from './users.ts';

type Options = {
  readonly all: boolean;
  readonly namespace?: string;
  readonly revision?: string;
  readonly output: string;
};

const HELP = `
Who still asks for a waypoint that goes is named. Traffic to them goes on without it; where L7 policies are about it, it is denied.

Examples:
  ambit waypoint delete waypoint -n shop
  ambit waypoint delete --all -n shop
  ambit waypoint delete --all --revision canary -n shop

Exit codes: 0 done (also when it was not there), 1 failed, 2 wrong use.`;

export function addWaypointDelete(group: Command, context: CliContext): void {
  group
    .command('delete [name...]')
    .summary('remove waypoints')
    .description(
      'Deletes the Gateways of waypoints; their pods go with them. Gateways of other classes are left alone.',
    )
    .option('--all', 'every waypoint of the namespace', false)
    .option('-n, --namespace <name>', "namespace of the waypoints (default: the kubeconfig's)")
    .option('-r, --revision <name>', 'only waypoints of this revision')
    .option('-o, --output <format>', 'short, json or yaml', 'short')
    .addHelpText('after', HELP)
    .action((names: readonly string[], options: Options) => remove(context, names, options));
}

async function remove(context: CliContext, names: readonly string[], options: Options): Promise<void> {
  const format = parseOutputFormat(options.output);
  if (options.all && names.length > 0) throw new UsageError('--all and names exclude each other');
  if (!options.all && names.length === 0) throw new UsageError('name the waypoints to delete, or say --all');
  const cluster = context.cluster();
  const namespace = options.namespace ?? (await cluster.namespace());
  const there = (await waypointsIn(cluster, namespace)).filter(
    ({ revision }) => options.revision === undefined || revision === options.revision,
  );
  const going = options.all ? there : there.filter(({ name }) => names.includes(name));
  const missing = names.filter((name) => !there.some((waypoint) => waypoint.name === name));
  const warnings = await warningsOf(cluster, going);
  for (const warning of warnings) context.say(`⚠️  ${warning}`);
  for (const { name } of going) {
    await cluster.delete(RESOURCES.Gateway, name, namespace);
    if (format === 'short') context.out(`waypoint ${namespace}/${name} deleted`);
  }
  for (const name of missing) context.say(`waypoint ${namespace}/${name} not found`);
  const data = { namespace, deleted: going.map(({ name }) => name), missing, warnings };
  if (format !== 'short') context.out(show(format, data, () => ''));
  else if (options.all && going.length === 0) context.out('No waypoints found.');
}

async function warningsOf(cluster: Cluster, going: readonly Waypoint[]): Promise<readonly string[]> {
  if (going.length === 0) return [];
  const [users, policies] = await Promise.all([
    waypointUsers(cluster),
    ifServed(cluster.list(RESOURCES.AuthorizationPolicy)),
  ]);
  return going.flatMap((one) => removalWarning(one, users.get(`${one.namespace}/${one.name}`) ?? [], policies) ?? []);
}
