/** Policy unit tests: what somebody expects of one connection, held against what is predicted. */
import type { MeshModel } from '../predict/model.ts';
import { policyName } from '../predict/policy.ts';
import { predict } from '../predict/predict.ts';
import {
  decidingRule,
  decidingRules,
  type PredictedCase,
  type Prediction,
  type Reason,
} from '../predict/prediction.ts';
import type { Question } from '../predict/question.ts';

/** What must have made the verdict. */
export type ExpectedBecause =
  /**
   * An AuthorizationPolicy (`namespace/name`) and, if given, its rule, from 0. Without a rule, an ALLOW policy that applies and
   * does not match counts as what denies, too.
   */
  | { readonly kind: 'policy'; readonly policy: string; readonly rule?: number }
  /** `namespace/name`. */
  | { readonly kind: 'peer-authentication'; readonly key: string }
  | { readonly kind: 'reason'; readonly reason: Reason };

export type Expectation = { readonly verdict: 'allowed' | 'denied'; readonly because?: ExpectedBecause };

export type CheckResult = {
  readonly passed: boolean;
  readonly prediction: Prediction;
  /** Cases that are not as expected; none when nobody could even be asked. */
  readonly wrong: readonly PredictedCase[];
};

/** Passes when every caller, address and endpoint that may be meant is as expected: a verdict that depends on luck fails. */
export function check(model: MeshModel, question: Question, expected: Expectation): CheckResult {
  const prediction = predict(model, question);
  const wrong = prediction.cases.filter(
    (one) => one.verdict !== expected.verdict || !isBecause(model, one, expected.because),
  );
  return { passed: wrong.length === 0 && prediction.verdict === expected.verdict, prediction, wrong };
}

function isBecause(model: MeshModel, one: PredictedCase, because: ExpectedBecause | undefined): boolean {
  const decided = decidingRule(one);
  switch (because?.kind) {
    case undefined:
      return true;
    case 'reason':
      return one.reason === because.reason;
    case 'peer-authentication': {
      const destination = destinationOf(model, one);
      if (decided === undefined || destination === undefined) return false;
      return (
        policyName(model, decided.policy, destination).split(' ')[1] === because.key && isPeer(model, decided.policy)
      );
    }
    case 'policy': {
      const deciding = decidingRules(one);
      if (deciding.length > 0) {
        return deciding.some(
          ({ policy, rule }) => policy === because.policy && (because.rule === undefined || rule === because.rule),
        );
      }
      return because.rule === undefined && one.reason === 'no-allow-match' && isAllowIn(model, one, because.policy);
    }
    default:
      return because satisfies never;
  }
}

/** Whether it is no AuthorizationPolicy that people wrote. */
function isPeer({ deriver }: MeshModel, policy: string): boolean {
  return deriver.policyReading(policy) === undefined;
}

function isAllowIn({ deriver }: MeshModel, { policy, http, ledTo }: PredictedCase, key: string): boolean {
  // At a waypoint, every policy that is considered and denies for want of a match is an ALLOW policy, or one beside it.
  const denied = [http, ledTo].find((one) => one?.verdict === 'deny');
  if (denied !== undefined) return denied.considered.includes(key);
  return (policy?.considered.includes(key) ?? false) && deriver.authorizations.get(key)?.action === 'ALLOW';
}

/** The workload that the case ends at: endpoints are `namespace/name at ip:port`. */
function destinationOf({ view, config }: MeshModel, { endpoints }: PredictedCase) {
  const [path = ''] = (endpoints[0] ?? '').split(' ');
  return view.workloadByUid(`${config.clusterId}//Pod/${path}`);
}
