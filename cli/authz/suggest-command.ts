import type { Command } from 'commander';
import { diffFlows, diffRequests, reached, suggestForRequests, suggestPolicies } from '../../mesh/index.ts';
import { type CliContext, gather } from '../context.ts';
import { CliError, NoAnswer } from '../errors.ts';
import { DEFAULT_NAMESPACE } from '../install/bundle.ts';
import { parseOutputFormat, show } from '../output.ts';
import { FLOWS_OPTION, modelFrom, readSeen, type SeenOptions, silentNote } from './seen.ts';
import { describeSuggestions } from './suggest-report.ts';

type Options = SeenOptions & { readonly output: string };

const NO_ANSWER = 2;

const HELP = `
One ALLOW policy for each application of the namespace that was called, a rule for each caller with the ports it used; and one for each
service behind a waypoint that was asked, a rule for each caller with the methods and paths it used. What waypoints see as /items/17 and
/items/18 is the path template /items/{*}. The answer is YAML: review it, try it (istio.io/dry-run), apply it. Nothing is applied by this command.

Exit codes: 0 done, 1 done without the evidence of a node or waypoint that did not answer, 2 no answer: wrong use, or nothing to read.

Examples:
  ambit authz suggest shop > policies.yaml
  ambit authz suggest shop -o json | jq '(.suggestions + .requests.suggestions)[].policy'
  ambit authz suggest shop --flows ztunnel.json --flows waypoint.json --base manifests/           # without a cluster`;

export function addAuthzSuggest(group: Command, context: CliContext): void {
  group
    .command('suggest <namespace>')
    .summary('least-privilege policies, from what was seen')
    .description(
      'Writes AuthorizationPolicies that allow what ztunnels and waypoints have seen and allowed, and no more, each rule with its evidence.',
    )
    .option('--flows <file>', FLOWS_OPTION, gather)
    .option('--base <path>', 'with --flows: the objects of that mesh; repeatable', gather)
    .option('-n, --mesh-namespace <name>', 'namespace of the mesh', DEFAULT_NAMESPACE)
    .option('-o, --output <format>', 'short (YAML with comments), json or yaml', 'short')
    .addHelpText('after', HELP)
    .action((namespace: string, options: Options) =>
      NoAnswer.insteadOf(async () => {
        const format = parseOutputFormat(options.output);
        const { objects, flows, requests, silent } = await readSeen(context, options);
        const before = modelFrom(objects, options.meshNamespace);
        if (![...before.view.workloads()].some((workload) => workload.namespace === namespace)) {
          throw new CliError(`no pod of namespace ${namespace} is known: is that its name?`);
        }
        const found = {
          ...suggestPolicies(before, namespace, flows),
          requests: suggestForRequests(before, namespace, requests),
        };
        const policies = [...found.suggestions, ...found.requests.suggestions].map(({ policy }) => policy);
        const after = modelFrom([...objects, ...policies], options.meshNamespace);
        const own = flows.filter((flow) => reached(before, flow)?.namespace === namespace);
        // Those of other services are none of theirs, and stay as they are.
        const diff = { ...diffFlows(before, after, own), requests: diffRequests(before, after, requests) };
        const notes = silentNote(silent);
        context.out(show(format, { ...found, diff, silent }, () => describeSuggestions(namespace, found, diff, notes)));
        for (const note of notes) context.say(note);
        if (silent.length > 0) context.setExitCode(1);
      }, NO_ANSWER),
    );
}
