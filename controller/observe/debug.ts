/** What the controller knows, as JSON, for people and the CLI; only on localhost. */
import type { Route } from '../../core/telemetry/index.ts';
import type { DiscoveryService } from '../../core/xds/index.ts';
import type { Deriver } from '../../mesh/index.ts';
import type { Subscriber } from '../discovery/access.ts';

export type DebugSources = {
  readonly derived: Pick<Deriver, 'addresses' | 'authorizations' | 'unboundPods'>;
  readonly discovery: Pick<DiscoveryService<Subscriber>, 'clients'>;
};

export function debugRoutes(sources: DebugSources): Readonly<Record<string, Route>> {
  return {
    '/debug/ambientz': () => json(ambient(sources.derived)),
    '/debug/syncz': () => json(clients(sources.discovery)),
  };
}

function ambient({ addresses, authorizations, unboundPods }: DebugSources['derived']) {
  const workloads = [];
  const services = [];
  for (const address of addresses.values()) {
    if (address.kind === 'workload') workloads.push(address.workload);
    else services.push(address.service);
  }
  return { workloads, services, policies: [...authorizations.values()], unboundPods };
}

function clients(discovery: DebugSources['discovery']) {
  return discovery.clients().map(({ caller, peer, node, types }) => ({
    id: node?.id,
    peer,
    account: `${caller.caller.namespace}/${caller.caller.serviceAccount}`,
    pod: caller.caller.pod?.name,
    node: caller.node.allowed ? caller.node.node : undefined,
    types: Object.fromEntries(
      [...types].map(([typeUrl, t]) => [
        typeUrl,
        {
          status: t.refusal !== undefined ? 'ERROR' : t.sentNonce === t.ackedNonce ? 'SYNCED' : 'STALE',
          error: t.refusal,
        },
      ]),
    ),
  }));
}

function json(value: unknown) {
  const maps = (_key: string, inner: unknown): unknown => (inner instanceof Map ? Object.fromEntries(inner) : inner);
  return { contentType: 'application/json', body: `${JSON.stringify(value, maps, 2)}\n` };
}
