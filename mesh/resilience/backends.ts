/** How a waypoint treats a service: what DestinationRules say, and TLS of BackendTLSPolicies where no rule says anything of it. */
import type { ServiceRef } from '../route/derive/facts.ts';
import type { BackendTlsPolicies } from './backend-tls-policies.ts';
import type { BackendUse, BackendUses } from './backend-uses.ts';
import type { DestinationRules } from './destination-rules.ts';
import { type BackendPolicy, NO_LIMITS } from './model.ts';

export type BackendsParts = {
  readonly rules: DestinationRules;
  readonly tlsPolicies: BackendTlsPolicies;
  /** The object that a host of a namespace is of. */
  readonly owner: (namespace: string, hostname: string) => ServiceRef | undefined;
};

/** Policies of ports, of port 0 for those that have none of their own; `use` where something is said of the service at all. */
export type Backends = { readonly policies: readonly BackendPolicy[]; readonly use: BackendUse | undefined };

/** How waypoints of a namespace treat a service, `namespace/hostname`. */
export function backendsOf(parts: BackendsParts, gatewayNamespace: string, service: string): Backends {
  const slash = service.indexOf('/');
  const [namespace, hostname] = [service.slice(0, slash), service.slice(slash + 1)];
  const { rule, policies: ruled, missing } = parts.rules.of(gatewayNamespace, { namespace, hostname });
  const owner = parts.owner(namespace, hostname);
  const verdicts = owner && parts.tlsPolicies.of(owner, hostname);
  if (verdicts === undefined || verdicts.size === 0) {
    const use = rule === '' ? undefined : { gatewayNamespace, service, rule, missing, overruled: [] };
    return { policies: ruled.map(({ policy }) => policy), use };
  }
  const overruled: number[] = [];
  const byPort = new Map(ruled.map((one) => [one.policy.port, one]));
  const policies = new Map(ruled.map(({ policy }) => [policy.port, policy]));
  for (const [port, verdict] of verdicts) {
    const base = byPort.get(port) ?? byPort.get(0);
    if (base?.saysTls === true) {
      overruled.push(port);
      continue;
    }
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
  return { policies: [...policies.values()], use: { gatewayNamespace, service, rule, missing, overruled } };
}

/** How a service is sent to: as waypoints were told to; where none was, as one of its own namespace would be. */
export function usesOf(parts: BackendsParts, told: BackendUses, service: string): readonly BackendUse[] {
  const held = told.of(service);
  if (held.length > 0) return held;
  const { use } = backendsOf(parts, service.slice(0, service.indexOf('/')), service);
  return use === undefined ? [] : [use];
}
