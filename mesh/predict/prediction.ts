/** The answer to a question: a verdict, and the path to it hop by hop. Plain data: `-o json` shows it as it is. */
import type { RefuseReason } from '../decide/decision.ts';
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
  | 'policy';

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
  // denied
  | 'deny-rule'
  | 'no-allow-match'
  | 'policy-not-yet-known'
  | 'tunnel-refused'
  | 'not-served' // rules are in the pod, and no proxy serves it yet
  | RefuseReason
  // unknown
  | 'it-depends'
  | 'waypoint-decides'
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
  readonly policy?: PolicyVerdict;
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

/** The rule that made the verdict, if one did. */
export function decidingRule({ policy }: PredictedCase): RuleRef | undefined {
  return typeof policy?.because === 'object' ? policy.because : undefined;
}
