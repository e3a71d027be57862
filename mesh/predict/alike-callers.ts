/** Replicas fare alike: of many callers that nothing can tell apart, one is looked at. */
import { ipFamily } from '../address.ts';
import type { PredictedCaller } from './callers.ts';
import type { MeshModel } from './model.ts';
import { mentionsAddress } from './policy.ts';

export type AlikeCallers = {
  readonly caller: PredictedCaller;
  /** Of all of them. */
  readonly names: readonly string[];
};

export function alikeCallers({ view }: MeshModel, callers: readonly PredictedCaller[]): readonly AlikeCallers[] {
  const [first] = callers;
  if (first === undefined) return [];
  if (callers.length === 1) return [{ caller: first, names: [first.name] }];
  // Only where somebody asks for them do address and place tell one from another.
  const byAddress = [...view.authorizations()].some((a) => mentionsAddress(a, { caller: true, destination: false }));
  const byPlace = [...view.services()].some((s) => (s.loadBalancing?.routingPreference.length ?? 0) > 0);
  const groups = new Map<string, { readonly caller: PredictedCaller; readonly names: string[] }>();
  for (const caller of callers) {
    const { workload: w, membership, isAddressKnown, isPlaced } = caller;
    const key = JSON.stringify([
      [w.trustDomain, w.namespace, w.serviceAccount, w.network, membership.state, isAddressKnown, isPlaced],
      byAddress || w.nativeTunnel ? w.addresses : w.addresses.map(ipFamily),
      byPlace ? [w.node, w.locality, w.clusterId] : [],
    ]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { caller, names: [caller.name] });
    else group.names.push(caller.name);
  }
  return [...groups.values()];
}
