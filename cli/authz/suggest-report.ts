/** Suggested policies as YAML to be reviewed: every rule with its evidence, and at the end what they would cut. */
import { stringify } from 'yaml';
import type { SuggestedRule, Suggestion, Suggestions } from '../../mesh/index.ts';
import { describeDiff, describeFlow, type SeenDiff } from './diff-report.ts';

export function describeSuggestions(
  namespace: string,
  found: Suggestions,
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
    ...section('Denied today, and no evidence for a rule:', found.denied.map(describeFlow)),
    ...section(
      'Nobody with an identity was seen to call these, so they are left open. To close them: a policy without rules:',
      found.open,
    ),
    ...section('In no rule: what they reached is gone, and nothing has taken its place:', found.gone.map(describeFlow)),
    ...section('There already, and allowing more than is suggested: review or delete them:', found.besides),
    ...section('No label tells these pods from others, so no policy can select them:', found.unlabelled),
    'What these would change:',
    ...describeDiff(diff).split('\n'),
  ];
  const policies = found.suggestions.map(describeSuggestion);
  return [comment(head), ...policies, comment(remarks)].join('\n---\n');
}

function describeSuggestion({ policy, rules }: Suggestion): string {
  const { spec, ...rest } = policy as Suggestion['policy'] & { readonly spec: { readonly rules: readonly unknown[] } };
  const { rules: written, ...selection } = spec;
  const lines = [stringify(rest).trimEnd(), 'spec:', indent(stringify(selection).trimEnd(), 2), '  rules:'];
  for (const [index, rule] of rules.entries()) {
    lines.push(...evidence(rule).map((line) => `    # ${line}`), indent(stringify([written[index]]).trimEnd(), 4));
  }
  return lines.join('\n');
}

function evidence({ flows }: SuggestedRule): readonly string[] {
  return flows.map((flow) => `${describeFlow(flow)}, first ${flow.firstSeen}`);
}

function section(title: string, items: readonly string[]): readonly string[] {
  return items.length === 0 ? [] : [title, ...items.map((item) => `  ${item}`), ''];
}

const comment = (lines: readonly string[]) => lines.map((line) => `# ${line}`.trimEnd()).join('\n');
const indent = (text: string, by: number) => text.replaceAll(/^/gm, ' '.repeat(by));
