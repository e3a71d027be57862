/** What several threads have seen, as if one had. */
import type { FlowRow, Receipt } from '../../core/telemetry/index.ts';
import type { Flows, PodConnections } from './data-plane.ts';

/** Ids are ULIDs: they sort by time. */
export function newestFirst(lists: readonly (readonly Receipt[])[], limit: number): readonly Receipt[] {
  return lists
    .flat()
    .sort((a, b) => (a.id < b.id ? 1 : -1))
    .slice(0, limit);
}

/** One pod's connections, whichever thread has them. */
export function mergeConnections(parts: readonly PodConnections[]): PodConnections {
  return { inbound: parts.flatMap(({ inbound }) => inbound), outbound: parts.flatMap(({ outbound }) => outbound) };
}

/** Rows of the same flow are one, for example after its pod changed threads. Seen most recently first. */
export function mergeFlows(parts: readonly Flows[]): Flows {
  const rows = new Map<string, FlowRow>();
  for (const row of parts.flatMap(({ flows }) => flows)) {
    const key = JSON.stringify([
      row.source,
      row.destination,
      row.port,
      row.service,
      row.verdict,
      row.dryRun,
      row.waypoint,
    ]);
    const other = rows.get(key);
    rows.set(key, other === undefined ? row : sum(other, row));
  }
  return {
    dropped: parts.reduce((total, { dropped }) => total + dropped, 0),
    flows: [...rows.values()].sort((a, b) => (a.lastSeen < b.lastSeen ? 1 : -1)),
  };
}

function sum(a: FlowRow, b: FlowRow): FlowRow {
  return {
    ...a,
    count: a.count + b.count,
    firstSeen: [a.firstSeen, b.firstSeen].sort()[0] ?? a.firstSeen,
    lastSeen: [a.lastSeen, b.lastSeen].sort()[1] ?? a.lastSeen,
  };
}
