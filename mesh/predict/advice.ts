/** What somebody whose connection is denied can do about it. */
import { REQUIRE_WAYPOINT } from '../derive/waypoint-wish.ts';
import type { Service, Workload } from '../model.ts';
import type { NearestMiss } from '../policy/explain.ts';
import { ownerOfRequirement } from '../policy/require-waypoint.ts';
import type { PredictedCaller } from './callers.ts';
import { isMutualTls } from './policy.ts';
import type { PredictedCase } from './prediction.ts';
import { fieldName } from './words.ts';

export type Denial = {
  readonly end: PredictedCase;
  readonly caller: PredictedCaller;
  readonly destination?: Workload;
  readonly service?: Service;
};

const LABEL = 'istio.io/dataplane-mode=ambient';

/** Most useful first; empty for what is not denied. */
export function adviceFor(denial: Denial): readonly string[] {
  const { end, service } = denial;
  if (end.verdict !== 'denied') return [];
  switch (end.reason) {
    case 'deny-rule':
      return deniedByRule(denial);
    case 'no-allow-match':
      return allowIt(denial);
    case 'policy-not-yet-known':
      return ['wait for the controller to send it; if it stays missing: `ambit status`'];
    case 'port-not-served': {
      const ports = service?.ports.map((p) => p.servicePort) ?? [];
      const served = ports.length === 0 ? 'it has no ports' : `it serves ${ports.join(', ')}`;
      return service ? [`ask for a port that service ${service.namespace}/${service.name} has: ${served}`] : [];
    }
    case 'no-endpoint':
    case 'no-healthy-endpoint':
      return service
        ? [
            `look at its pods: kubectl get endpointslices -n ${service.namespace} -l kubernetes.io/service-name=${service.name}`,
          ]
        : [];
    case 'waypoint-not-resolved':
      return ['look at the Gateway that the label istio.io/use-waypoint names, and at its pods'];
    default:
      return [];
  }
}

function deniedByRule({ end, caller }: Denial): readonly string[] {
  const because = end.policy?.because;
  if (typeof because !== 'object') return [];
  if (because.waypoints !== undefined) return goThrough(caller, because.policy);
  if (isMutualTls(because.policy))
    return [joinMesh(caller), 'or let this port be PERMISSIVE in a PeerAuthentication (portLevelMtls)'];
  const [namespace = '', name = ''] = because.policy.split('/');
  return [
    `look at the rule: kubectl get authorizationpolicy -n ${namespace} ${name} -o jsonpath='{.spec.rules[${because.rule}]}'`,
    'no ALLOW policy can outweigh a DENY: the rule itself must exempt this caller',
  ];
}

function goThrough(caller: PredictedCaller, policy: string): readonly string[] {
  const owner = ownerOfRequirement(policy) ?? policy;
  return [
    caller.membership.state === 'in'
      ? `call ${owner} by its name, not the pod: then the waypoint is on the way`
      : joinMesh(caller),
    `or let everybody go around it: annotation ${REQUIRE_WAYPOINT}: "false" on ${owner}`,
  ];
}

function allowIt({ end, caller, destination }: Denial): readonly string[] {
  const miss = end.policy?.nearestMiss;
  if (end.callerIdentity === undefined && (miss === undefined || WHO.has(miss.field))) return [joinMesh(caller)];
  if (miss !== undefined) return [changeFor(miss)];
  const principal = end.callerIdentity?.replace('spiffe://', '') ?? '';
  const namespace = destination?.namespace ?? '';
  return [
    `no rule comes near: if this caller should be let in, add a policy to namespace ${namespace} with action ALLOW and from.source.principals [${principal}]`,
  ];
}

/** Fields that a caller without identity can never satisfy. */
const WHO: ReadonlySet<NearestMiss['field']> = new Set(['principals', 'namespaces', 'serviceAccounts']);

/** What would have to be changed for the rule that came closest to match. */
export function changeFor({ policy, rule, field, got: said }: NearestMiss): string {
  const got = said.replace(/ \(through waypoint \S+\)$/, '');
  const where = `AuthorizationPolicy ${policy}, spec.rules[${rule}]`;
  if (field.startsWith('not')) return `if this should be allowed, take ${got} out of ${fieldName(field)} in ${where}`;
  return `if this should be allowed, add ${got} to ${fieldName(field)} in ${where}`;
}

function joinMesh({ name, workload, membership }: PredictedCaller): string {
  if (membership.state === 'in') return `give ${name} an identity`;
  if (workload.namespace === '') return 'call from a pod in the mesh: only those have an identity';
  return `bring ${name} into the mesh, which gives it an identity: kubectl label namespace ${workload.namespace} ${LABEL}`;
}
