/** What a change of policies would mean for connections and requests that were seen. */
import type { MeshModel } from '../predict/model.ts';
import { type FlowVerdict, judgeFlow, type SeenFlow } from './flow.ts';
import { merged, type Row } from './merge.ts';
import { isJudgedAlike, judgeRequest, type RequestVerdict, requestKey, type SeenRequest } from './request.ts';

export type Effect = 'cut' | 'opened' | 'unclear';
export type FlowChange = Changed<FlowVerdict> & { readonly flow: SeenFlow };
export type RequestChange = Changed<RequestVerdict> & { readonly request: SeenRequest };
type Changed<V> = { readonly effect: Effect; readonly before: V; readonly after: V };

/** `notJudged`: nobody can say: what they reached, or who called, is not there (any more). */
type Diff<Row, Change> = {
  /** What is cut comes first, then by how often it was seen. */
  readonly changes: readonly Change[];
  readonly unchanged: number;
  readonly notJudged: readonly Row[];
};
export type FlowDiff = Diff<SeenFlow, FlowChange>;
export type RequestDiff = Diff<SeenRequest, RequestChange>;

const ORDER: readonly Effect[] = ['cut', 'unclear', 'opened'];

/** Both models hold the same pods; they differ in policies. */
export function diffFlows(before: MeshModel, after: MeshModel, flows: readonly SeenFlow[]): FlowDiff {
  const rows = merged(flows, ({ source, waypoint = '', destination, port }) =>
    [source, waypoint, destination, port].join(' '),
  );
  const { changes, ...rest } = diffRows(rows, (flow) => [judgeFlow(before, flow), judgeFlow(after, flow)]);
  return { changes: changes.map(({ row: flow, ...change }) => ({ flow, ...change })), ...rest };
}

/** The same for requests, by the policies of their waypoints. */
export function diffRequests(before: MeshModel, after: MeshModel, requests: readonly SeenRequest[]): RequestDiff {
  const rows = merged(requests, requestKey);
  const { changes, ...rest } = diffRows(
    rows,
    (row) => [judgeRequest(before, row), judgeRequest(after, row)],
    (row) => isJudgedAlike(before, after, row),
  );
  return { changes: changes.map(({ row: request, ...change }) => ({ request, ...change })), ...rest };
}

type Verdict = {
  readonly verdict: 'allow' | 'deny' | 'unknown';
  readonly asks?: readonly string[];
  readonly dependsOn?: readonly string[];
};

function diffRows<R extends Row, V extends Verdict>(
  rows: readonly R[],
  judge: (row: R) => readonly [before: V | undefined, after: V | undefined],
  isAlike: (row: R) => boolean = () => false,
): Diff<R, Changed<V> & { readonly row: R }> {
  const changes: (Changed<V> & { readonly row: R })[] = [];
  const notJudged: R[] = [];
  let unchanged = 0;
  for (const row of rows) {
    const [before, after] = judge(row);
    if (before === undefined || after === undefined) notJudged.push(row);
    else if (isSame(before, after) || isAlike(row)) unchanged += 1;
    else changes.push({ row, effect: effectOf(before, after), before, after });
  }
  changes.sort((a, b) => ORDER.indexOf(a.effect) - ORDER.indexOf(b.effect) || b.row.count - a.row.count);
  return { changes, unchanged, notJudged };
}

/** Who is asked beside may say no. */
function isSame(before: Verdict, after: Verdict): boolean {
  // Of a connection only the caller's address is ever unknown; of a request much is, and a change of policies may be about that.
  if ('dependsOn' in before) return false;
  return before.verdict === after.verdict && String(before.asks) === String(after.asks);
}

function effectOf(before: Verdict, after: Verdict): Effect {
  if (before.verdict === 'unknown' || after.verdict === 'unknown' || before.verdict === after.verdict) return 'unclear';
  return after.verdict === 'deny' ? 'cut' : 'opened';
}
