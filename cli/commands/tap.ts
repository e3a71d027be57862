import { type Command, InvalidArgumentError } from 'commander';
import { stringify } from 'yaml';
import type { CliContext } from '../context.ts';
import { type OutputFormat, parseOutputFormat } from '../output.ts';
import { follow, type Tapped } from '../tap/follow.ts';
import { harmless, tapLine } from '../tap/line.ts';
import { tapTarget } from '../tap/target.ts';
import { adminPort } from '../ztunnels.ts';

type Options = {
  readonly namespace?: string;
  readonly allNamespaces: boolean;
  readonly status?: string;
  readonly path?: string;
  readonly method?: string;
  readonly max?: number;
  readonly proxyAdminPort: string;
  readonly output: string;
};

const HELP = `
A request is shown when it has ended: time, status, request, how long it took (and how long the upstream), who called whom, the route,
who denied it and under which receipt. What passes no waypoint is not seen: connections are \`ambit ztunnel-config connections\`.

Examples:
  ambit tap svc/cart.shop                       requests to one service, also those that a route leads to it or from it
  ambit tap waypoint/gate.shop --status 5xx     what fails at one waypoint
  ambit tap pod/web.shop --path /items          from or to the pods of web
  ambit tap -A --max 100 -o json | jq .path     one object per line

Exit codes: 0 ended by ctrl-c or --max, 1 no waypoint to listen to, 2 wrong use.`;

export function addTap(program: Command, context: CliContext): void {
  program
    .command('tap [target]')
    .summary('live requests at waypoints, with decision and timing')
    .description(
      'Shows requests as waypoints finish them: of one service (svc/NAME.NAMESPACE), from or to a pod (pod/…), at one waypoint (waypoint/…), or at all waypoints of a namespace. Ends with ctrl-c.',
    )
    .option(
      '-n, --namespace <name>',
      "namespace of what is named without one, and to look in (default: the kubeconfig's)",
    )
    .option('-A, --all-namespaces', 'without a target: the waypoints of every namespace', false)
    .option('--status <code>', 'only these: 404, or a class such as 5xx', statusFilter)
    .option('--path <prefix>', 'only requests whose path begins so', pathFilter)
    .option('--method <method>', 'only requests with this method', (text) => text.toUpperCase())
    .option('--max <count>', 'end after so many requests', count)
    .option('--proxy-admin-port <port>', "the waypoints' admin port", '15000')
    .option('-o, --output <format>', 'short, json (an object per line) or yaml', 'short')
    .addHelpText('after', HELP)
    .action((target: string | undefined, options: Options) => tap(context, target, options));
}

async function tap(context: CliContext, text: string | undefined, options: Options): Promise<void> {
  const format = parseOutputFormat(options.output);
  const port = adminPort(options.proxyAdminPort);
  const cluster = context.cluster();
  const namespace = options.namespace ?? (await cluster.namespace());
  const target = await tapTarget(cluster, text, { namespace, isEverywhere: options.allNamespaces });
  const { status, path, method, max } = options;
  const interrupted = context.interrupted();
  const count = target.pods.length;
  context.say(`Listening to ${count} ${count === 1 ? 'pod' : 'pods'} of waypoints. ctrl-c ends it.`);
  const show = (entry: Tapped) => context.out(shown(format, entry, context.isTerminal));
  await follow({
    cluster,
    target,
    adminPort: port,
    filters: { status, path, method },
    max,
    interrupted,
    show,
    say: (line) => context.say(harmless(line)),
  });
}

function shown(format: OutputFormat, entry: Tapped, isTerminal: boolean): string {
  switch (format) {
    case 'json':
      return harmless(JSON.stringify(entry)); // in JSON, an escape is the character itself
    case 'yaml':
      return `---\n${stringify(harmless(entry)).trimEnd()}`;
    case 'short':
      return tapLine(harmless(entry), isTerminal);
    default:
      return format satisfies never;
  }
}

function statusFilter(text: string): string {
  if (/^[1-5](xx|\d\d)$/i.test(text)) return text.toLowerCase();
  throw new InvalidArgumentError('expected a status such as 404, or a class such as 5xx');
}

function pathFilter(text: string): string {
  if (text.startsWith('/')) return text;
  throw new InvalidArgumentError('a path starts with /');
}

function count(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number > 0) return number;
  throw new InvalidArgumentError('expected a whole number above 0');
}
