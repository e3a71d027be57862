/** What a change of policies would do, for people. */
import {
  describeHttpMiss,
  describeMiss,
  type Effect,
  type Evidence,
  type FlowChange,
  type FlowDiff,
  type FlowVerdict,
  type RequestChange,
  type RequestDiff,
  type RequestVerdict,
  type SeenFlow,
} from '../../mesh/index.ts';
import { podOf } from './seen.ts';

export type SeenDiff = FlowDiff & { readonly requests: RequestDiff };

const TITLES: Readonly<Record<Effect, string>> = {
  cut: 'Would be cut:',
  unclear: 'Can not be told, for it depends on what is not kept, or on an authorizer:',
  opened: 'Would be let in:',
};

export function describeDiff({ requests, ...flows }: SeenDiff): string {
  const told = [
    ...flows.changes.map((one) => ({ effect: one.effect, text: describeFlowChange(one) })),
    ...requests.changes.map((one) => ({ effect: one.effect, text: describeRequestChange(one) })),
  ];
  const parts = (['cut', 'unclear', 'opened'] as const).flatMap((effect) => {
    const those = told.filter((one) => one.effect === effect).map(({ text }) => text);
    return those.length === 0 ? [] : [[TITLES[effect], ...those].join('\n')];
  });
  const said = told.length === 0 ? 'Nothing that was seen would change. ' : '';
  const ofFlows = sum(flows, 'one of their ends is no pod of the mesh any more');
  const ofRequests = sum(requests, 'what they called is not bound to that waypoint any more');
  const hasRequests = requests.changes.length + requests.notJudged.length + requests.unchanged > 0;
  const last = hasRequests ? `${said}Connections: ${ofFlows}\nRequests: ${ofRequests}` : `${said}${ofFlows}`;
  return [...parts, last].join('\n\n');
}

function sum({ changes, unchanged, notJudged }: FlowDiff | RequestDiff, whyNot: string): string {
  const of = (effect: Effect) => changes.map((change) => change.effect).filter((one) => one === effect).length;
  const gone = notJudged.length === 0 ? '' : ` ${notJudged.length} not judged: ${whyNot}.`;
  return `${of('cut')} would be cut, ${of('opened')} let in, ${of('unclear')} unclear, ${unchanged} stay as they are.${gone}`;
}

export function describeFlow({ source, waypoint, destination, port, service, ...seen }: SeenFlow): string {
  const through = service === '' ? '' : ` (${service})`;
  const caller = waypoint === undefined ? source : `${source} by waypoint ${waypoint}`;
  return `${caller} -> ${podOf(destination)}:${port}${through}, ${times(seen)}`;
}

export function describeRequest({ waypoint, source, destination, port, method, paths, ...seen }: Evidence): string {
  const asked = method === 'other' ? seen.example.method : method;
  const called = destination.includes('//') ? podOf(destination) : destination;
  const led = seen.routedBy === undefined ? '' : `, where a route of ${seen.routedBy} may have led`;
  return `${source} -> ${asked} ${paths} of ${called}:${port} at waypoint ${waypoint}${led}, ${times(seen)}`;
}

function times({ count, lastSeen }: Pick<SeenFlow, 'count' | 'lastSeen'>): string {
  return `${count === 1 ? 'once' : `${count} times`}, last ${lastSeen}`;
}

function describeFlowChange({ flow, before, after }: FlowChange): string {
  const words = (verdict: FlowVerdict) =>
    verdict.verdict === 'unknown'
      ? 'depends on the address of the caller'
      : described(verdict, verdict.nearestMiss && describeMiss(verdict.nearestMiss));
  return change(describeFlow(flow), words(before), words(after));
}

function describeRequestChange({ request, before, after }: RequestChange): string {
  const words = (verdict: RequestVerdict) => {
    if (verdict.verdict === 'unknown') return `depends on ${verdict.dependsOn.join(' and ')}`;
    const { asks, nearestMiss } = verdict;
    const asked = asks.length === 0 ? '' : `, if authorizer ${asks.join(' and ')} says so, too`;
    return `${described(verdict, nearestMiss && describeHttpMiss(nearestMiss))}${asked}`;
  };
  return change(describeRequest(request), words(before), words(after));
}

function change(what: string, before: string, after: string): string {
  return `  ${what}\n    before: ${before}\n    after:  ${after}`;
}

function described(
  { verdict, says }: { readonly verdict: 'allow' | 'deny'; readonly says: string },
  miss: string | undefined,
): string {
  return `${verdict === 'allow' ? 'allowed' : 'denied'}: ${says}${miss === undefined ? '' : `; closest: ${miss}`}`;
}
