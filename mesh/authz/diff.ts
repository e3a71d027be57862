/** What a change of policies would mean for connections that were seen. */
import type { MeshModel } from '../predict/model.ts';
import { type FlowVerdict, judgeFlow, type SeenFlow } from './flow.ts';

export type FlowChange = {
  readonly flow: SeenFlow;
  readonly effect: 'cut' | 'opened' | 'unclear';
  readonly before: FlowVerdict;
  readonly after: FlowVerdict;
};

export type FlowDiff = {
  /** What is cut comes first, then by how often it was seen. */
  readonly changes: readonly FlowChange[];
  readonly unchanged: number;
  /** Nobody can say: what they reached, or who called, is not there (any more). */
  readonly notJudged: readonly SeenFlow[];
};

const ORDER: readonly FlowChange['effect'][] = ['cut', 'unclear', 'opened'];

/** Both models hold the same pods; they differ in policies. */
export function diffFlows(before: MeshModel, after: MeshModel, flows: readonly SeenFlow[]): FlowDiff {
  const changes: FlowChange[] = [];
  const notJudged: SeenFlow[] = [];
  let unchanged = 0;
  for (const flow of merged(flows)) {
    const [was, willBe] = [judgeFlow(before, flow), judgeFlow(after, flow)];
    if (was === undefined || willBe === undefined) notJudged.push(flow);
    else if (was.verdict === willBe.verdict && was.verdict !== 'unknown') unchanged += 1;
    else if (was.verdict === 'unknown' && JSON.stringify(was) === JSON.stringify(willBe)) unchanged += 1;
    else changes.push({ flow, effect: effectOf(was, willBe), before: was, after: willBe });
  }
  changes.sort((a, b) => ORDER.indexOf(a.effect) - ORDER.indexOf(b.effect) || b.flow.count - a.flow.count);
  return { changes, unchanged, notJudged };
}

function effectOf(before: FlowVerdict, after: FlowVerdict): FlowChange['effect'] {
  if (before.verdict === 'unknown' || after.verdict === 'unknown') return 'unclear';
  return after.verdict === 'deny' ? 'cut' : 'opened';
}

/** One flow may have been allowed and denied by turns, and be told by several ztunnels. */
function merged(flows: readonly SeenFlow[]): readonly SeenFlow[] {
  const rows = new Map<string, SeenFlow>();
  for (const flow of flows) {
    const key = `${flow.source} ${flow.waypoint ?? ''} ${flow.destination} ${flow.port}`;
    const known = rows.get(key);
    rows.set(key, known === undefined ? flow : together(known, flow));
  }
  return [...rows.values()];
}

function together(a: SeenFlow, b: SeenFlow): SeenFlow {
  const latest = a.lastSeen >= b.lastSeen ? a : b;
  const [firstSeen = a.firstSeen] = [a.firstSeen, b.firstSeen].sort();
  return { ...latest, service: latest.service || a.service || b.service, count: a.count + b.count, firstSeen };
}
