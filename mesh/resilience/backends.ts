/** How a waypoint treats a service: what DestinationRules say, and TLS of BackendTLSPolicies where no rule says anything of it. */
import type { ServiceRef } from '../route/derive/facts.ts';
import type { BackendTlsPolicies } from './backend-tls-policies.ts';
import type { DestinationRules } from './destination-rules.ts';
import { type BackendPolicy, NO_LIMITS } from './model.ts';

export type BackendsParts = {
  readonly rules: DestinationRules;
  readonly tlsPolicies: BackendTlsPolicies;
  /** The object that a host of a namespace is of. */
  readonly owner: (namespace: string, hostname: string) => ServiceRef | undefined;
};

/** Policies of the ports of a service, `namespace/hostname`; of port 0 for those that have none of their own. */
export function backendsOf(parts: BackendsParts, gatewayNamespace: string, service: string): readonly BackendPolicy[] {
  const slash = service.indexOf('/');
  const [namespace, hostname] = [service.slice(0, slash), service.slice(slash + 1)];
  const ruled = parts.rules.of(gatewayNamespace, { namespace, hostname });
  const owner = parts.owner(namespace, hostname);
  const verdicts = owner && parts.tlsPolicies.of(owner, hostname);
  if (verdicts === undefined || verdicts.size === 0) return ruled.map(({ policy }) => policy);
  const byPort = new Map(ruled.map((one) => [one.policy.port, one]));
  const policies = new Map(ruled.map(({ policy }) => [policy.port, policy]));
  for (const [port, verdict] of verdicts) {
    const base = byPort.get(port) ?? byPort.get(0);
    if (base?.saysTls === true) continue;
    const policy: BackendPolicy = base?.policy ?? {
      service,
      port,
      balancing: 'LEAST_REQUEST',
      refusal: '',
      limits: NO_LIMITS,
    };
    const refusal = policy.refusal || ('refusal' in verdict ? verdict.refusal : '');
    policies.set(port, {
      ...policy,
      port,
      refusal,
      ...(refusal === '' && !('refusal' in verdict) && { tls: verdict }),
    });
  }
  return [...policies.values()];
}
