/** Decisions in the words of the people who write policies. */
import type { Match, Workload } from '../model.ts';
import type { NearestMiss } from '../policy/explain.ts';
import { formatRequirement } from '../policy/require-waypoint.ts';
import type { MeshModel } from './model.ts';
import { isMutualTls, policyName } from './policy.ts';
import type { Hop, PolicyVerdict } from './prediction.ts';

/** One sentence, without a full stop. */
export function becauseOf(model: MeshModel, policy: PolicyVerdict, destination: Workload): string {
  const { because, verdict, missing = [] } = policy;
  if (typeof because === 'object') {
    const name = policyName(model, because.policy, destination);
    if (because.waypoints !== undefined) return formatRequirement(because.policy, because.waypoints);
    if (isMutualTls(because.policy)) return `${name}: this port wants mutual TLS, and the caller has no identity`;
    return `${name}, rule ${because.rule}, ${verdict === 'allow' ? 'allows' : 'denies'} it`;
  }
  switch (because) {
    case 'no-allow-policies':
      return `no ALLOW policy applies to ${destination.namespace}/${destination.name} and no DENY rule matches`;
    case 'no-allow-match':
      return `ALLOW policies apply to ${destination.namespace}/${destination.name}, and no rule of them matches`;
    case 'policy-not-yet-known':
      return `a policy that applies is not there yet (${missing.join(', ')}), and until then everything is denied`;
    default:
      return because satisfies never;
  }
}

export function policyHop(model: MeshModel, policy: PolicyVerdict, because: string, destination: Workload): Hop {
  const considered = [...new Set(policy.considered.map((key) => policyName(model, key, destination)))];
  const details = [
    ...(considered.length > 0 ? [`considered: ${considered.join(', ')}`] : []),
    ...(policy.nearestMiss ? [`closest: ${describeMiss(policy.nearestMiss)}`] : []),
  ];
  const outcome = policy.verdict === 'allow' ? 'passes' : 'stops';
  return { kind: 'policy', outcome, says: because, ...(details.length > 0 && { details }) };
}

/** Which rule came closest to allowing it, and what it asked for. */
export function describeMiss({ policy, rule, field, wanted, got }: NearestMiss): string {
  return `${policy}, rule ${rule}, wants ${fieldName(field)} ${wanted}, and this is ${got}`;
}

/** As the field is called in an AuthorizationPolicy. */
export function fieldName(field: keyof Match): string {
  return FIELD_NAMES[field];
}

const FIELD_NAMES: Readonly<Record<keyof Match, string>> = {
  namespaces: 'namespaces',
  notNamespaces: 'notNamespaces',
  principals: 'principals',
  notPrincipals: 'notPrincipals',
  sourceIps: 'ipBlocks',
  notSourceIps: 'notIpBlocks',
  destinationIps: 'destination.ip',
  notDestinationIps: 'destination.ip (notValues)',
  destinationPorts: 'ports',
  notDestinationPorts: 'notPorts',
  serviceAccounts: 'serviceAccounts',
  notServiceAccounts: 'notServiceAccounts',
};
