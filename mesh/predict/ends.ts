/** Building blocks of cases and hops. */
import { formatSocketAddress, type SocketAddress } from '../address.ts';
import type { Workload } from '../model.ts';
import type { PredictedCaller } from './callers.ts';
import type { Hop, HopKind, PredictedCase, Reason, Verdict } from './prediction.ts';

export function ended(
  caller: PredictedCaller,
  verdict: Verdict,
  reason: Reason,
  because: string,
  hops: readonly Hop[],
): PredictedCase {
  return { verdict, reason, because, callers: [caller.name], endpoints: [], hops, next: [] };
}

export function hop(kind: HopKind, says: string, outcome: Hop['outcome'] = 'passes'): Hop {
  return { kind, outcome, says };
}

export function nameOf({ namespace, name }: Workload): string {
  return `${namespace}/${name}`;
}

export function endpointOf(workload: Workload, at: SocketAddress): string {
  return `${nameOf(workload)} at ${formatSocketAddress(at)}`;
}

/** Nobody of the mesh stands before `where`. */
export function leaves(caller: PredictedCaller, where: string): PredictedCase {
  const because = `${where} is outside the mesh: the connection leaves as it is, and the mesh has no say`;
  return ended(caller, 'allowed', 'passthrough', because, [
    hop('encryption', 'as the application sends it: there is no tunnel'),
    hop('policy', 'none: no proxy of the mesh stands before that address'),
  ]);
}
