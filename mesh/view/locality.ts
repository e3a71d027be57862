/** How near an endpoint is to a caller, as far as a service cares. */
import type { LoadBalancing, RoutingScope, Workload } from '../model.ts';

const SCOPE: Readonly<Record<RoutingScope, (w: Workload) => string>> = {
  REGION: (w) => w.locality?.region ?? '',
  ZONE: (w) => w.locality?.zone ?? '',
  SUBZONE: (w) => w.locality?.subzone ?? '',
  NODE: (w) => w.node,
  CLUSTER: (w) => w.clusterId,
  NETWORK: (w) => w.network,
};

/** Everything about a caller that balancing looks at. */
export type Place = Readonly<Record<RoutingScope, string>> & { readonly key: string };

const places = new WeakMap<Workload, Place>();

export function placeOf(w: Workload): Place {
  const known = places.get(w);
  if (known !== undefined) return known;
  const scopes = {
    REGION: SCOPE.REGION(w),
    ZONE: SCOPE.ZONE(w),
    SUBZONE: SCOPE.SUBZONE(w),
    NODE: SCOPE.NODE(w),
    CLUSTER: SCOPE.CLUSTER(w),
    NETWORK: SCOPE.NETWORK(w),
  };
  const place = { ...scopes, key: JSON.stringify(Object.values(scopes)) };
  places.set(w, place);
  return place;
}

/** The higher, the nearer; undefined: out of the question. Only endpoints of the highest rank that there is are chosen. */
export function rankFor(lb: LoadBalancing | undefined, from: Place, endpoint: Workload): number | undefined {
  if (lb?.mode === 'STRICT')
    return lb.routingPreference.every((scope) => isSame(scope, from, endpoint)) ? 0 : undefined;
  return lb?.mode === 'FAILOVER' ? failoverRank(lb.routingPreference, from, endpoint) : 0;
}

/**
 * Preferences matched in a row. A leading NETWORK is worth more than all others together and its mismatch does not stop
 * the count, so that remote endpoints are still told apart by region and zone.
 */
function failoverRank(preference: readonly RoutingScope[], from: Place, endpoint: Workload): number {
  let rank = 0;
  for (const [index, scope] of preference.entries()) {
    const networkFirst = index === 0 && scope === 'NETWORK';
    if (isSame(scope, from, endpoint)) rank += networkFirst ? preference.length : 1;
    else if (!networkFirst) break;
  }
  return rank;
}

function isSame(scope: RoutingScope, from: Place, endpoint: Workload): boolean {
  return from[scope] === SCOPE[scope](endpoint);
}
