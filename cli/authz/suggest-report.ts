/** Suggested policies as YAML to be reviewed: every rule with its evidence, and at the end what they would cut. */
import { stringify } from 'yaml';
import type {
  KubeObject,
  RequestSuggestions,
  SuggestedRequestRule,
  SuggestedRule,
  Suggestions,
} from '../../mesh/index.ts';
import { describeDiff, describeFlow, describeRequest, type SeenDiff } from './diff-report.ts';

export function describeSuggestions(
  namespace: string,
  found: Suggestions & { readonly requests: RequestSuggestions },
  diff: SeenDiff,
  notes: readonly string[],
): string {
  const head = [
    `Suggested for namespace ${namespace}: what was seen, and no more. Review it: what is rare may not have been seen yet.`,
    ...notes,
  ];
  const callers = found.plaintext.map(describeFlow);
  const remarks = [
    ...section(
      'Not allowed by these, though allowed today: callers without an identity. Enrol them, or add their addresses:',
      callers,
    ),
    ...section('Denied today, and no evidence for a rule:', [
      ...found.denied.map(describeFlow),
      ...found.requests.denied.map(describeRequest),
    ]),
    ...section(
      'Nobody with an identity was seen to call these, so they are left open. To close them: a policy without rules:',
      found.open,
    ),
    ...section('In no rule: what they reached is gone, and nothing has taken its place:', found.gone.map(describeFlow)),
    ...section(
      'In no rule: what they called is gone, or no Service and no ServiceEntry of one host, or no policy could name what they asked:',
      found.requests.unruled.map(describeRequest),
    ),
    ...section('There already, and allowing more than is suggested: review or delete them:', found.besides),
    ...section('No label tells these pods from others, so no policy can select them:', found.unlabelled),
    'What these would change:',
    ...describeDiff(diff).split('\n'),
  ];
  const policies = [
    ...found.suggestions.map(({ policy, rules }) => describePolicy(policy, rules.map(evidence))),
    ...found.requests.suggestions.map(({ policy, rules }) => describePolicy(policy, rules.map(evidenceOfRequests))),
  ];
  return [comment(head), ...policies, comment(remarks)].join('\n---\n');
}

/** `evidence` of each rule, in lines. */
function describePolicy(policy: KubeObject, evidences: readonly (readonly string[])[]): string {
  const { spec, ...rest } = policy as KubeObject & { readonly spec: { readonly rules: readonly unknown[] } };
  const { rules, ...selection } = spec;
  const lines = [stringify(rest).trimEnd(), 'spec:', indent(stringify(selection).trimEnd(), 2), '  rules:'];
  for (const [index, rule] of rules.entries()) {
    lines.push(indent(comment(evidences[index] ?? []), 4), indent(stringify([rule]).trimEnd(), 4));
  }
  return lines.join('\n');
}

function evidence({ flows }: SuggestedRule): readonly string[] {
  return flows.map((flow) => `${describeFlow(flow)}, first ${flow.firstSeen}`);
}

function evidenceOfRequests({ principal, requests }: SuggestedRequestRule): readonly string[] {
  return principal === undefined
    ? [
        'not known to speak HTTP, so no rule about requests can be for these ports: whoever calls them is left to the policies of the pods',
      ]
    : requests.map((request) => `${describeRequest(request)}, first ${request.firstSeen}`);
}

function section(title: string, items: readonly string[]): readonly string[] {
  return items.length === 0 ? [] : [title, ...items.map((item) => `  ${item}`), ''];
}

/** What is said of it must not end the comment: the rest would be a policy. */
const comment = (lines: readonly string[]) =>
  lines.map((line) => `# ${line.replaceAll(NOT_ONE_LINE, ' ')}`.trimEnd()).join('\n');
const NOT_ONE_LINE = /[\p{Cc}\u2028\u2029]/gu;
const indent = (text: string, by: number) => text.replaceAll(/^/gm, ' '.repeat(by));
