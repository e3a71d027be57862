/** What a change of policies would do, for people. */
import { describeMiss, type FlowChange, type FlowDiff, type FlowVerdict, type SeenFlow } from '../../mesh/index.ts';
import { podOf } from './seen.ts';

const TITLES: Readonly<Record<FlowChange['effect'], string>> = {
  cut: 'Would be cut:',
  unclear: "Can not be told: it depends on the caller's address, which is not kept beside an identity:",
  opened: 'Would be let in:',
};

export function describeDiff({ changes, unchanged, notJudged }: FlowDiff): string {
  const parts = (['cut', 'unclear', 'opened'] as const).flatMap((effect) => {
    const those = changes.filter((change) => change.effect === effect);
    return those.length === 0 ? [] : [[TITLES[effect], ...those.map(describeChange)].join('\n')];
  });
  const of = (n: number, effect: FlowChange['effect']) =>
    changes.filter((change) => change.effect === effect).length + n;
  const sum = `${of(0, 'cut')} would be cut, ${of(0, 'opened')} let in, ${of(0, 'unclear')} unclear, ${unchanged} stay as they are.`;
  const gone =
    notJudged.length === 0 ? '' : ` ${notJudged.length} not judged: one of their ends is no pod of the mesh any more.`;
  return [...parts, changes.length === 0 ? `Nothing that was seen would change. ${sum}${gone}` : `${sum}${gone}`].join(
    '\n\n',
  );
}

export function describeFlow({ source, waypoint, destination, port, service, count, lastSeen }: SeenFlow): string {
  const through = service === '' ? '' : ` (${service})`;
  const times = count === 1 ? 'once' : `${count} times`;
  const caller = waypoint === undefined ? source : `${source} by waypoint ${waypoint}`;
  return `${caller} -> ${podOf(destination)}:${port}${through}, ${times}, last ${lastSeen}`;
}

function describeChange({ flow, before, after }: FlowChange): string {
  return `  ${describeFlow(flow)}\n    before: ${describeVerdict(before)}\n    after:  ${describeVerdict(after)}`;
}

function describeVerdict(verdict: FlowVerdict): string {
  if (verdict.verdict === 'unknown') return 'depends on the address of the caller';
  const closest = verdict.nearestMiss === undefined ? '' : `; closest: ${describeMiss(verdict.nearestMiss)}`;
  return `${verdict.verdict === 'allow' ? 'allowed' : 'denied'}: ${verdict.says}${closest}`;
}
