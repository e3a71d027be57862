/** What the condition `WaypointAccepted` of a policy says: whether all of it is enforced, by which waypoints, and else why not. */

import type { Condition } from '../../derive/outputs.ts';
import type { RuleReading } from '../../derive/policy-rules.ts';
import type { HeldPolicy } from './http-policies.ts';
import { formatTarget, type PolicyTarget } from './targets.ts';

export const WAYPOINT_ACCEPTED = 'WaypointAccepted';

/** What a target amounts to. */
export type TargetState =
  /** Names of waypoints; for a class, of none in particular. */
  | { readonly kind: 'bound'; readonly to: string }
  | { readonly kind: 'TargetNotFound' | 'AncestorNotBound'; readonly why: string };

/** A condition's message is bounded, and the rest of a long list says nothing new. */
const MAX_LISTED = 16;

/** `hasProvider`: of what CUSTOM policies ask, what the mesh configuration has. */
export function waypointCondition(
  held: HeldPolicy,
  stateOf: (target: PolicyTarget) => TargetState,
  hasProvider: (name: string) => boolean,
): Condition {
  const { targets, problems } = held.reading;
  const states = targets.map((target) => ({ target, state: stateOf(target) }));
  const bound = states.flatMap(({ state }) => (state.kind === 'bound' ? [state.to] : []));
  const failed = states.flatMap(({ target, state }) =>
    state.kind === 'bound' ? [] : [{ reason: state.kind, said: `${formatTarget(target)}: ${state.why}` }],
  );
  const whole = wholeProblem(held);
  if (whole !== undefined) return { status: 'False', reason: 'Invalid', message: whole };
  const unbound = [...problems, ...failed.map(({ said }) => said)];
  if (bound.length === 0) {
    const reason = problems.length > 0 ? 'Invalid' : (failed[0]?.reason ?? 'Invalid');
    return { status: 'False', reason, message: `not enforced: ${listed(unbound)}` };
  }
  const message = `bound to ${listed([...new Set(bound)])}${isTried(held) ? ` ${TRIED}` : ''}`;
  const remarks = [
    ...(unbound.length > 0 ? [`not bound: ${listed(unbound)}`] : []),
    ...remarksOf(held),
    ...unanswered(held, hasProvider),
  ];
  if (remarks.length === 0) return { status: 'True', reason: 'Accepted', message };
  return { status: 'True', reason: 'PartiallyInvalid', message: [message, ...remarks].join('; ') };
}

const TRIED = 'as a dry run: nothing is denied, matches are counted';

function isTried({ reading }: HeldPolicy): boolean {
  return 'policy' in reading && reading.policy.dryRun;
}

function wholeProblem({ reading }: HeldPolicy): string | undefined {
  if (!('policy' in reading) || reading.problem === undefined) return undefined;
  const { action } = reading.policy;
  const effect =
    action === 'ALLOW'
      ? 'this policy allows nothing'
      : action === 'AUDIT'
        ? 'it marks everything'
        : 'it denies everything';
  return `${reading.problem}; until it is corrected, ${effect} there`;
}

function unanswered({ reading }: HeldPolicy, hasProvider: (name: string) => boolean): readonly string[] {
  const provider = 'policy' in reading ? reading.policy.provider : '';
  if (provider === '' || hasProvider(provider)) return [];
  return [`extensionProviders of the mesh configuration have no authorizer ${provider}: what matches is denied`];
}

function remarksOf({ reading }: HeldPolicy): readonly string[] {
  if (!('policy' in reading)) {
    const said = listed(reading.ruleProblems);
    return said === '' ? [] : [`not readable, so that such tokens are refused: ${said}`];
  }
  const partly = [...reading.rules.entries()].filter(([, rule]) => rule.enforcement !== 'as-written');
  return [...reading.remarks, ...capped(partly.map(([index, rule]) => `rules[${index}] ${describe(rule)}`))];
}

function describe({ enforcement, problems }: RuleReading): string {
  const effect =
    enforcement === 'left-out'
      ? 'is left out, so less is allowed than written'
      : 'is enforced without some of its parts, so it is about more than written';
  return `${effect} (not readable: ${listed(problems)})`;
}

function listed(items: readonly string[]): string {
  return capped(items).join(', ');
}

function capped(items: readonly string[]): readonly string[] {
  return items.length <= MAX_LISTED ? items : [...items.slice(0, MAX_LISTED), `and ${items.length - MAX_LISTED} more`];
}
