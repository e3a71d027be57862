/** What an AuthorizationPolicy's status says of the ztunnel's part: rule by rule, what is enforced, and what is left to whom. */
import type { RuleReading } from './policy-rules.ts';

export type PolicyStatus = { readonly status: 'True' | 'False'; readonly reason: string; readonly message: string };

export type StatusFacts = {
  readonly action: 'ALLOW' | 'DENY';
  readonly dryRun: boolean;
  readonly rules: readonly RuleReading[];
  /** About the policy as a whole, which is enforced all the same. */
  readonly remarks: readonly string[];
};

const DRY_RUN = 'as a dry run: nothing is cut, matches are counted';

/** A condition's message is bounded, and the rest of a long list says nothing new. */
const MAX_LISTED = 16;

export function statusOf({ action, dryRun, rules, remarks }: StatusFacts): PolicyStatus {
  const attached = `attached to ztunnel${dryRun ? ` ${DRY_RUN}` : ''}`;
  const partly = [...rules.entries()].filter(([, rule]) => rule.enforcement !== 'as-written');
  const isInvalid = remarks.length > 0 || partly.some(([, rule]) => rule.problems.length > 0);
  if (partly.length === 0 && remarks.length === 0) {
    if (action === 'ALLOW' || rules.length > 0) return { status: 'True', reason: 'Accepted', message: attached };
    const message = 'attached to ztunnel without effect: a DENY policy without rules matches nothing';
    return { status: 'True', reason: 'NoEffect', message };
  }
  const written = [...rules.keys()].filter((index) => rules[index]?.enforcement === 'as-written');
  const said = [
    ...remarks,
    ...(partly.length > 0 && written.length > 0 ? [`enforced as written: ${listed(written.map(nameOf))}`] : []),
    ...capped(partly.map(([index, rule]) => `${nameOf(index)} ${describe(rule)}`)),
  ];
  const reason = isInvalid ? 'PartiallyInvalid' : 'UnsupportedValue';
  return { status: 'True', reason, message: `${attached}; ${said.join('; ')}` };
}

const nameOf = (index: number) => `rules[${index}]`;

function describe({ enforcement, http, problems }: RuleReading): string {
  const why: string[] = [];
  if (http.length > 0) {
    why.push(`ztunnel can not see HTTP attributes (${http.join(', ')}), which a waypoint can enforce`);
  }
  if (problems.length > 0) why.push(`not readable: ${capped(problems).join(', ')}`);
  const effect =
    enforcement === 'left-out'
      ? 'is left out, so less is allowed than written'
      : 'is enforced without some of its parts, so more is denied than written';
  return `${effect} (${why.join('; ')})`;
}

function listed(items: readonly string[]): string {
  return capped(items).join(', ');
}

function capped(items: readonly string[]): readonly string[] {
  return items.length <= MAX_LISTED ? items : [...items.slice(0, MAX_LISTED), `and ${items.length - MAX_LISTED} more`];
}
