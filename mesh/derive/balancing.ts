/** Where the endpoints of a service should be, seen from the caller (controller.md section 1.9). */
import type { LoadBalancing, RoutingScope } from '../model.ts';

/** On a Service, a ServiceEntry or a Namespace. */
export const DISTRIBUTION_ANNOTATION = 'networking.istio.io/traffic-distribution';

const DISTRIBUTIONS: ReadonlyMap<string, readonly RoutingScope[]> = new Map([
  ['preferclose', ['NETWORK', 'REGION', 'ZONE']],
  ['prefersamezone', ['NETWORK', 'REGION', 'ZONE']],
  ['prefersamenode', ['NETWORK', 'REGION', 'ZONE', 'SUBZONE', 'NODE']],
]);

export type BalancingWish = {
  readonly localOnly: boolean;
  readonly publishNotReady: boolean;
  /** As written on the service; undefined: the namespace decides. */
  readonly distribution: string | undefined;
};

/**
 * Traffic policy Local beats every distribution; the service's own word, even an unknown one, beats the namespace's
 * (`inherited`). A new object each time: nothing of one service leaks into another.
 */
export function balancingOf(wish: BalancingWish, inherited: string | undefined): LoadBalancing | undefined {
  const healthPolicy = wish.publishNotReady ? 'ALLOW_ALL' : 'ONLY_HEALTHY';
  if (wish.localOnly) return { routingPreference: ['NODE'], mode: 'STRICT', healthPolicy };
  const scopes = DISTRIBUTIONS.get((wish.distribution ?? inherited ?? '').toLowerCase());
  if (scopes !== undefined) return { routingPreference: [...scopes], mode: 'FAILOVER', healthPolicy };
  if (!wish.publishNotReady) return undefined;
  return { routingPreference: [], mode: 'UNSPECIFIED_MODE', healthPolicy };
}
