/** How a pod is doing, in a word, as `kubectl get pods` says it. */
import { type ApiObject, at, listAt, numberAt, textAt } from '../object.ts';
import { humanAge, type Json } from '../pure/index.ts';

const statuses = (pod: ApiObject, kind: 'containerStatuses' | 'initContainerStatuses'): readonly Json[] =>
  listAt(pod, 'status', kind);

/** `1/2`: containers that are ready, of all. */
export function ready(pod: ApiObject): string {
  const count = statuses(pod, 'containerStatuses').filter((status) => at(status, 'ready') === true).length;
  return `${count}/${listAt(pod, 'spec', 'containers').length}`;
}

function ended(state: Json | undefined): string {
  const reason = textAt(state, 'reason');
  if (reason !== '') return reason;
  const signal = numberAt(state, 'signal') ?? 0;
  return signal !== 0 ? `Signal:${signal}` : `ExitCode:${numberAt(state, 'exitCode') ?? 0}`;
}

/** What holds up the first init container that has not succeeded; undefined when none does. */
function initPhase(pod: ApiObject): string | undefined {
  const all = statuses(pod, 'initContainerStatuses');
  for (const [i, status] of all.entries()) {
    const terminated = at(status, 'state', 'terminated');
    if (terminated !== undefined && numberAt(terminated, 'exitCode') === 0) continue;
    if (at(status, 'started') === true && at(status, 'state', 'running') !== undefined) continue; // a sidecar that runs
    if (terminated !== undefined) return `Init:${ended(terminated)}`;
    const waiting = textAt(status, 'state', 'waiting', 'reason');
    if (waiting !== '' && waiting !== 'PodInitializing') return `Init:${waiting}`;
    return `Init:${i}/${listAt(pod, 'spec', 'initContainers').length}`;
  }
  return undefined;
}

export function status(pod: ApiObject): string {
  const base = textAt(pod, 'status', 'reason') || textAt(pod, 'status', 'phase') || 'Unknown';
  if (pod.metadata.deletionTimestamp !== undefined) return base === 'NodeLost' ? 'Unknown' : 'Terminating';
  const init = initPhase(pod);
  if (init !== undefined) return init;
  let reason = base;
  let running = false;
  for (const container of [...statuses(pod, 'containerStatuses')].reverse()) {
    const waiting = textAt(container, 'state', 'waiting', 'reason');
    const terminated = at(container, 'state', 'terminated');
    if (waiting !== '') reason = waiting;
    else if (terminated !== undefined) reason = ended(terminated);
    else if (at(container, 'ready') === true && at(container, 'state', 'running') !== undefined) running = true;
  }
  return reason === 'Completed' && running ? 'Running' : reason;
}

/** `3 (10m ago)` */
export function restarts(pod: ApiObject, now: Date): string {
  const all = [...statuses(pod, 'containerStatuses'), ...statuses(pod, 'initContainerStatuses')];
  const count = all.reduce<number>((sum, status) => sum + (numberAt(status, 'restartCount') ?? 0), 0);
  const last =
    all
      .map((status) => textAt(status, 'lastState', 'terminated', 'finishedAt'))
      .sort()
      .at(-1) ?? '';
  return count > 0 && last !== '' ? `${count} (${humanAge(last, now)} ago)` : String(count);
}
