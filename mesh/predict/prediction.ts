/** The answer to a question: a verdict, and the path to it hop by hop. Plain data: `-o json` shows it as it is. */
import type { RefuseReason } from '../decide/decision.ts';
import type { HttpBecause } from '../http-policy/evaluate.ts';
import type { HttpNearestMiss } from '../http-policy/explain.ts';
import type { RuleRef } from '../policy/compile.ts';
import type { Because, DryRunHit } from '../policy/evaluate.ts';
import type { NearestMiss } from '../policy/explain.ts';
import type { Question } from './question.ts';

/**
 * `unknown`: it depends (on the endpoint that is chosen, on an address that is not known), a waypoint decides, or something
 * that the question names does not exist.
 */
export type Verdict = 'allowed' | 'denied' | 'unknown';

export type HopKind =
  | 'caller'
  | 'name'
  | 'service'
  | 'endpoint'
  | 'enrolment'
  | 'waypoint'
  | 'identity'
  | 'encryption'
  | 'policy'
  | 'route';

export type Hop = {
  readonly kind: HopKind;
  /** `stops`: the connection ends here. `unclear`: what happens here can not be told. */
  readonly outcome: 'passes' | 'stops' | 'unclear';
  /** In words; a clause without a full stop. */
  readonly says: string;
  /** More of the same kind, a clause each. */
  readonly details?: readonly string[];
};

/** What made the verdict, for programs. */
export type Reason =
  // allowed
  | 'allow-rule'
  | 'no-allow-policies'
  | 'not-enforced' // the destination is outside the mesh: nobody evaluates policy for it
  | 'passthrough' // the mesh does not know the address and has no say
  | 'waypoint-answers' // a redirect, or a response of its own
  // denied
  | 'deny-rule'
  | 'no-allow-match'
  | 'policy-not-yet-known'
  | 'tunnel-refused'
  | 'not-served' // rules are in the pod, and no proxy serves it yet
  | 'request-refused' // the waypoint answers 400: no policy is asked
  | 'token-refused'
  | 'no-route' // routes are about it, and none of their rules matches: 404
  | 'route-fails' // its rule can not be followed, or has nowhere to send to
  | RefuseReason
  // unknown
  | 'it-depends'
  | 'waypoint-decides' // and it depends on the request, or it is none of ours
  | 'authorizer-decides' // somebody outside of the mesh is asked
  | 'own-tunnel' // the destination ends tunnels itself
  | 'address-matters'
  | 'caller-not-found'
  | 'destination-not-found';

/** What the policies of the destination say. Rules count from 0 as they stand in the object (`spec.rules[0]`). */
export type PolicyVerdict = {
  readonly verdict: 'allow' | 'deny';
  readonly because: Because;
  /** Enforced policies in scope, as `namespace/name`. */
  readonly considered: readonly string[];
  /** Every enforced rule that matches, also those that another one left nothing to decide. */
  readonly matched: readonly RuleRef[];
  readonly nearestMiss?: NearestMiss;
  readonly missing?: readonly string[];
  readonly dryRunHits?: readonly DryRunHit[];
};

/** What a waypoint says. Rules count as in {@link PolicyVerdict}. */
export type HttpVerdict = {
  /** `namespace/name` of its Gateway. */
  readonly waypoint: string;
  readonly verdict: 'allow' | 'deny';
  readonly because: HttpBecause;
  readonly considered: readonly string[];
  readonly matched: readonly RuleRef[];
  readonly nearestMiss?: HttpNearestMiss;
  readonly audited?: readonly RuleRef[];
  readonly dryRunHits?: readonly DryRunHit[];
};

/** Where a waypoint sends what it lets pass. */
export type RouteTaken = {
  /** As in access logs; `default` where no route is about it. */
  readonly name: string;
  readonly backend?: { readonly service: string; readonly port: number /** Of 1. */; readonly share: number };
};

/** Ways that end alike, for the same reason. */
export type PredictedCase = {
  readonly verdict: Verdict;
  readonly reason: Reason;
  /** In words; one sentence without a full stop. */
  readonly because: string;
  /** `namespace/name`, or an address. */
  readonly callers: readonly string[];
  /** Who is reached, as `namespace/name at ip:port`. Empty when nobody is. */
  readonly endpoints: readonly string[];
  /** Absent when nothing is sent. */
  readonly encryption?: 'mutual-tls' | 'plaintext';
  readonly callerIdentity?: string;
  /** Of the endpoint. */
  readonly policy?: PolicyVerdict;
  /** Of the waypoint on the way. */
  readonly http?: HttpVerdict;
  readonly route?: RouteTaken;
  /** Of the same waypoint, by the policies of another service that the route leads to; only where it has any. */
  readonly ledTo?: HttpVerdict;
  /** Of the first of these ways, from the endpoint on. */
  readonly hops: readonly Hop[];
  readonly next: readonly string[];
};

export type Prediction = {
  readonly question: Question;
  readonly verdict: Verdict;
  readonly reason: Reason;
  /** In words; one sentence without a full stop. */
  readonly because: string;
  /** Shared by all cases: caller, name, service. */
  readonly hops: readonly Hop[];
  /** One for each way in which it can end; more than one when that depends on the endpoint or caller. */
  readonly cases: readonly PredictedCase[];
  /** What else is worth knowing. */
  readonly notes: readonly string[];
  /** What to do next. */
  readonly next: readonly string[];
};

/** The rule that made the verdict, if one did: that of the waypoint, where both it and the endpoint say so. */
export function decidingRule(one: PredictedCase): RuleRef | undefined {
  return decidingRules(one)[0];
}

/** At the waypoint, then of what its routes lead to, then at the endpoint; a denial has one of them at most. */
export function decidingRules({ http, ledTo, policy }: PredictedCase): readonly RuleRef[] {
  const said = [http, ledTo, policy];
  const denied = said.find((one) => one?.verdict === 'deny');
  const made = denied === undefined ? said.map((one) => one?.because) : [denied.because];
  return made.filter((because) => typeof because === 'object');
}
