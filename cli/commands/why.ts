import type { Command } from 'commander';
import {
  type HttpQuestion,
  type MeshModel,
  type Parsed,
  type Prediction,
  parseCallee,
  parseCaller,
  predict,
  type Verdict,
} from '../../mesh/index.ts';
import { type CliContext, gather } from '../context.ts';
import { NoAnswer, UsageError } from '../errors.ts';
import { DEFAULT_NAMESPACE } from '../install/bundle.ts';
import { meshModel } from '../model/mesh-model.ts';
import { parseOutputFormat, show } from '../output.ts';
import { differences, nodesOnPath } from '../why/compare.ts';
import { networkNotes } from '../why/network.ts';
import { reportReceipt } from '../why/receipt-report.ts';
import { findReceipt, RECEIPT_ID } from '../why/receipts.ts';
import { report } from '../why/report.ts';
import { parseDump } from '../ztunnel-config/dump.ts';
import { adminPort, mustAskZtunnels, type Ztunnels } from '../ztunnels.ts';

type Options = {
  readonly file?: readonly string[];
  readonly method?: string;
  readonly path?: string;
  readonly header?: readonly string[];
  readonly claim?: readonly string[];
  readonly receipt?: string;
  readonly compare: boolean;
  readonly namespace: string;
  readonly proxyAdminPort: string;
  readonly output: string;
};

const EXIT_CODES: Readonly<Record<Verdict, number>> = { allowed: 0, denied: 1, unknown: 2 };

const HELP = `
FROM   pod/NAME.NAMESPACE   a pod, or all pods of the Deployment (or the like) of that name
       sa/NAME.NAMESPACE    all pods that run as this service account; if there are none, one that would
       IP                   whoever has this address, in the mesh or outside
TO     svc/NAME.NAMESPACE:PORT, pod/NAME.NAMESPACE:PORT, HOST:PORT, IP:PORT ([IPv6]:PORT)
       Every address and endpoint that might be chosen is looked at.

Without -f the objects of the cluster are read. With -f nothing is contacted: a folder is completed to what a cluster would
make of it (pods out of Deployments and the like, addresses, enrolment by labels).

Behind a waypoint, --method, --path, --header and --claim say what is sent; its policies and routes are asked about that. Every backend
that may be chosen is looked at. Without them, and where they matter, the answer is: unknown.

Exit codes: 0 allowed, 1 denied, 2 unknown (it depends, on the request too, or something named does not exist),
            3 no answer: wrong use, a file or a cluster that can not be read. Nothing is on standard output then.

Examples:
  ambit why pod/web.shop svc/cart.shop:8080
  ambit why sa/reporter.office cart.shop:8080 -f manifests/
  kustomize build overlays/prod | ambit why sa/web.shop svc/cart.shop:8080 -f -
  ambit why 192.0.2.7 svc/cart.shop:8080 -o json | jq .verdict
  ambit why pod/web.shop svc/cart.shop:8080 --method GET --path /items --header 'x-team: blue'
  ambit why pod/web.shop svc/cart.shop:8080 --path /admin --claim sub=alice --claim 'groups=["admin"]'
  ambit why pod/web.shop svc/cart.shop:8080 --compare
  ambit why --receipt 01JZ0V8Q6M3W7R9X2K4T5N1B8C`;

/** Adds the command. It has an exit code of its own for wrong use, so that it can not be taken for an answer. */
export function addWhy(program: Command, context: CliContext): void {
  program
    .command('why [from] [to]')
    .summary('may FROM reach TO, and why (or why not)')
    .description(
      [
        'Predicts what becomes of a connection from FROM to TO, hop by hop, with the code that controller and ztunnels decide with: name,',
        'service, endpoint, enrolment, waypoint, identity, encryption, policy, route. A denial says which policy and rule it was, or what came',
        'closest to allowing it, and what to do next. With --receipt, explains a denial that happened: its id is in the log of the proxy,',
        'and in what an authenticated caller is told.',
      ].join(' '),
    )
    .option(
      '-f, --file <path>',
      'YAML or JSON instead of a cluster: file, folder, or - for standard input; repeatable',
      gather,
    )
    .option('--method <method>', 'HTTP method, for a waypoint on the path (default: GET)')
    .option('--path <path>', 'HTTP path with its query, for a waypoint on the path (default: /)')
    .option(
      '--header <name: value>',
      'HTTP header, for a waypoint on the path; NAME=VALUE is good, too; repeatable, also with one name for several lines',
      gather,
    )
    .option(
      '--claim <name=value>',
      'claim of a token that is good, for a waypoint on the path; lists as JSON; repeatable',
      gather,
    )
    .option('--receipt <id>', 'explain the denial with this receipt instead')
    .option('--compare', 'also ask the ztunnels on the path whether they hold what this is predicted with', false)
    .option('-n, --namespace <name>', 'namespace of the mesh', DEFAULT_NAMESPACE)
    .option('--proxy-admin-port <port>', "the ztunnels' admin port", '15000')
    .option('-o, --output <format>', 'short, json or yaml', 'short')
    .addHelpText('after', HELP)
    .action((from: string | undefined, to: string | undefined, options: Options) =>
      NoAnswer.insteadOf(async () => {
        const verdict = await (options.receipt === undefined
          ? whyPath(context, from, to, options)
          : whyReceipt(context, options.receipt, [from, to], options));
        context.setExitCode(EXIT_CODES[verdict]);
      }),
    );
}

async function whyPath(
  context: CliContext,
  from: string | undefined,
  to: string | undefined,
  options: Options,
): Promise<Verdict> {
  if (from === undefined || to === undefined) {
    throw new UsageError('FROM and TO are missing, as in: ambit why pod/web.shop svc/cart.shop:8080');
  }
  if (options.compare && options.file !== undefined)
    throw new UsageError('--compare asks the ztunnels: it does not go with --file');
  const format = parseOutputFormat(options.output);
  const http = httpOf(options);
  const question = { from: must(parseCaller(from), 'FROM'), to: must(parseCallee(to), 'TO'), ...(http && { http }) };
  const model = await meshModel(options.file ?? [], context.cluster, options.namespace);
  const bare = predict(model, question);
  const predicted = { ...bare, notes: [...bare.notes, ...networkNotes(model, bare)] };
  const prediction = options.compare ? await compared(ztunnelsOf(context, options), model, predicted) : predicted;
  context.out(show(format, prediction, () => report(prediction)));
  return prediction.verdict;
}

/** With a note for whatever the ztunnels on the path hold otherwise. */
async function compared(ztunnels: Ztunnels, model: MeshModel, prediction: Prediction): Promise<Prediction> {
  const nodes = nodesOnPath(model, prediction);
  if (nodes.length === 0) return prediction;
  const { answers, silent } = await mustAskZtunnels(ztunnels, { path: '/config_dump', read: parseDump, nodes });
  const dumps = answers.map(({ node, value }) => ({ node, dump: value }));
  const found = [
    ...differences(model, prediction, dumps),
    ...silent.map(({ node, reason }) => `the ztunnel of node ${node} did not answer: ${reason}`),
  ];
  const agree = `the ztunnels on the path (${nodes.join(', ')}) hold what this was predicted with`;
  return { ...prediction, notes: [...prediction.notes, ...(found.length === 0 ? [agree] : found)] };
}

function ztunnelsOf(context: CliContext, { namespace, proxyAdminPort }: Options): Ztunnels {
  const port = adminPort(proxyAdminPort);
  return { cluster: context.cluster(), namespace, adminPort: port };
}

async function whyReceipt(
  context: CliContext,
  id: string,
  others: readonly (string | undefined)[],
  options: Options,
): Promise<Verdict> {
  if (others.some((other) => other !== undefined)) throw new UsageError('--receipt takes the place of FROM and TO');
  if (options.file !== undefined) throw new UsageError('--receipt asks the ztunnels: it does not go with --file');
  if (!RECEIPT_ID.test(id))
    throw new UsageError(`--receipt ${id}: not the id of a receipt, which has 26 letters and digits`);
  const format = parseOutputFormat(options.output);
  const found = await findReceipt(ztunnelsOf(context, options), id);
  context.out(show(format, found, () => reportReceipt(id, found)));
  if (found.receipt === undefined) return 'unknown';
  for (const { node, reason } of found.silent) context.say(`node ${node} did not answer: ${reason}`);
  for (const { waypoint, reason } of found.waypoints?.silent ?? []) {
    context.say(`waypoint ${waypoint} did not answer: ${reason}`);
  }
  return found.receipt.verdict === 'dry-run-deny' ? 'allowed' : 'denied';
}

function httpOf({ method, path, header, claim }: Options): HttpQuestion | undefined {
  if ([method, path, header, claim].every((option) => option === undefined)) return undefined;
  if (path !== undefined && !path.startsWith('/')) throw new UsageError(`--path ${path}: a path starts with /`);
  const headers = new Map<string, string | readonly string[]>();
  for (const line of header ?? []) {
    const at = line.search(/[:=]/);
    if (at < 1) throw new UsageError(`--header ${JSON.stringify(line)}: expected NAME: VALUE`);
    const name = line.slice(0, at).trim().toLowerCase();
    const [value, before] = [line.slice(at + 1).trim(), headers.get(name)];
    headers.set(name, before === undefined ? value : [before, value].flat());
  }
  return {
    ...(method !== undefined && { method: method.toUpperCase() }),
    ...(path !== undefined && { path }),
    ...(header !== undefined && { headers: Object.fromEntries(headers) }),
    ...(claim !== undefined && { claims: Object.fromEntries(claim.map(claimOf)) }),
  };
}

/** Lists and objects are written as JSON; all else is text. */
function claimOf(text: string): [string, unknown] {
  const equals = text.indexOf('=');
  if (equals < 1) throw new UsageError(`--claim ${JSON.stringify(text)}: expected NAME=VALUE`);
  const [name, value] = [text.slice(0, equals), text.slice(equals + 1)];
  if (!/^[[{]/.test(value)) return [name, value];
  try {
    return [name, JSON.parse(value)];
  } catch {
    throw new UsageError(`--claim ${name}: begins like JSON and is none: ${value}`);
  }
}

function must<T>(parsed: Parsed<T>, what: string): T {
  if (!parsed.ok) throw new UsageError(`${what} ${parsed.problem}`);
  return parsed.value;
}
