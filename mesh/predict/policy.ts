/** What the policies of a destination say to one connection, in the terms of the objects that people wrote. */
import type { Authorization, Workload } from '../model.ts';
import { evaluate } from '../policy/evaluate.ts';
import { explain, matchingRules } from '../policy/explain.ts';
import { ownerOfRequirement } from '../policy/require-waypoint.ts';
import type { PolicyScope } from '../policy/scope.ts';
import type { ConnectionFacts } from '../policy/subject.ts';
import { lookupOf } from './lookup.ts';
import type { MeshModel } from './model.ts';
import type { PolicyVerdict } from './prediction.ts';

/** Evaluates as the ztunnel of the destination does. */
export function policyVerdict(model: MeshModel, destination: Workload, facts: ConnectionFacts): PolicyVerdict {
  const scope = model.view.policyScope(destination);
  const { verdict, because, missing, dryRunHits } = evaluate(scope, facts);
  const { considered, nearestMiss } = explain(scope, facts);
  return {
    verdict,
    because,
    considered,
    matched: matchingRules(scope, facts),
    ...(nearestMiss && { nearestMiss }),
    ...(missing && { missing }),
    ...(dryRunHits && { dryRunHits }),
  };
}

/** Whose address is not known. */
export type Unsure = { readonly caller: boolean; readonly destination: boolean };

/** Whether another address of these could change what {@link policyVerdict} says. */
export function dependsOnAddress(
  model: MeshModel,
  destination: Workload,
  verdict: PolicyVerdict,
  unsure: Unsure,
): boolean {
  const { deny, allow } = model.view.policyScope(destination);
  const anyIn = ({ policies }: PolicyScope['deny']) => policies.some((p) => mentionsAddress(p.authorization, unsure));
  const { because } = verdict;
  const decisive = typeof because === 'object' ? model.view.authorizationByKey(because.policy) : undefined;
  const isDecisive = decisive !== undefined && mentionsAddress(decisive, unsure);
  if (verdict.verdict === 'allow') return isDecisive || anyIn(deny);
  return isDecisive || (because === 'no-allow-match' && anyIn(allow));
}

/** Policies that are enforced, or would be if anybody did. */
export function policiesIn(scope: PolicyScope): readonly Authorization[] {
  return [...scope.deny.policies, ...scope.allow.policies].map(({ authorization }) => authorization);
}

/** As people know it: what stems from a PeerAuthentication is named by that object, a required waypoint by its service. */
export function policyName(model: MeshModel, key: string, destination: Workload): string {
  const [namespace = '', name = ''] = key.split('/');
  if (name.startsWith(DERIVED)) return `PeerAuthentication ${namespace}/${name.slice(DERIVED.length)}`;
  const behind = ownerOfRequirement(key);
  if (behind !== undefined) return `the waypoint that ${behind} requires`;
  if (name !== STATIC_STRICT) return `AuthorizationPolicy ${key}`;
  const deciding = lookupOf(model).strictBy(destination);
  return deciding === undefined ? 'PeerAuthentication (STRICT)' : `PeerAuthentication ${deciding} (STRICT)`;
}

/** Whether the policy is how PeerAuthentication refuses plaintext. */
export function isMutualTls(key: string): boolean {
  const name = key.slice(key.indexOf('/') + 1);
  return name === STATIC_STRICT || name.startsWith(DERIVED);
}

const STATIC_STRICT = 'istio_converted_static_strict';
const DERIVED = 'converted_peer_authentication_';

/** Whether the policy looks at an address that is not known. */
export function mentionsAddress({ rules }: Authorization, { caller, destination }: Unsure): boolean {
  return rules.some(({ clauses }) =>
    clauses.some(({ matches }) =>
      matches.some(
        (m) =>
          (caller && (m.sourceIps.length > 0 || m.notSourceIps.length > 0)) ||
          (destination && (m.destinationIps.length > 0 || m.notDestinationIps.length > 0)),
      ),
    ),
  );
}
