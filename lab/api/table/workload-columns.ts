/** Columns of what runs: pods, and the kinds that make them. */
import { type ApiObject, at, listAt, numberAt, textAt } from '../object.ts';
import { humanAge, type Json } from '../pure/index.ts';
import { AGE, type Column, countOf, NAME, orNone, pairs, textOrNone } from './cells.ts';
import { ready, restarts, status } from './pod-cells.ts';

const number = (name: string, ...path: readonly string[]): Column => ({
  name,
  type: 'integer',
  cell: (object) => numberAt(object, ...path) ?? 0,
});

const templateContainers = (object: ApiObject): readonly Json[] =>
  listAt(object, 'spec', 'template', 'spec', 'containers');

function selectorText(selector: Json | undefined): string {
  const expressions = listAt(selector, 'matchExpressions').map((e) => {
    const [key, values] = [textAt(e, 'key'), listAt(e, 'values').join(',')];
    switch (textAt(e, 'operator')) {
      case 'Exists':
        return key;
      case 'DoesNotExist':
        return `!${key}`;
      default:
        return `${key} ${textAt(e, 'operator').toLowerCase()} (${values})`;
    }
  });
  const labels = countOf(selector ?? null, 'matchLabels') > 0 ? [pairs(at(selector, 'matchLabels'))] : [];
  return orNone([...labels, ...expressions].join(','));
}

const TEMPLATE_WIDE: readonly Column[] = [
  {
    name: 'Containers',
    wide: true,
    cell: (o) =>
      templateContainers(o)
        .map((c) => textAt(c, 'name'))
        .join(','),
  },
  {
    name: 'Images',
    wide: true,
    cell: (o) =>
      templateContainers(o)
        .map((c) => textAt(c, 'image'))
        .join(','),
  },
  { name: 'Selector', wide: true, cell: (o) => selectorText(at(o, 'spec', 'selector')) },
];

const readyOf = (object: ApiObject): string =>
  `${numberAt(object, 'status', 'readyReplicas') ?? 0}/${numberAt(object, 'spec', 'replicas') ?? 0}`;

function jobStatus(job: ApiObject): string {
  const is = (type: string) =>
    listAt(job, 'status', 'conditions').some((c) => textAt(c, 'type') === type && textAt(c, 'status') === 'True');
  if (is('Complete')) return 'Complete';
  if (is('Failed')) return 'Failed';
  if (job.metadata.deletionTimestamp !== undefined) return 'Terminating';
  return is('Suspended') ? 'Suspended' : 'Running';
}

function jobDuration(job: ApiObject, now: Date): string {
  const start = textAt(job, 'status', 'startTime');
  if (start === '') return '';
  const end = textAt(job, 'status', 'completionTime');
  return humanAge(start, end === '' ? now : new Date(end));
}

export const WORKLOAD_COLUMNS: Readonly<Record<string, readonly Column[]>> = {
  '/pods': [
    NAME,
    { name: 'Ready', cell: ready },
    { name: 'Status', cell: status },
    { name: 'Restarts', cell: restarts },
    AGE,
    { name: 'IP', wide: true, cell: (o) => textOrNone(o, 'status', 'podIP') },
    { name: 'Node', wide: true, cell: (o) => textOrNone(o, 'spec', 'nodeName') },
    { name: 'Nominated Node', wide: true, cell: (o) => textOrNone(o, 'status', 'nominatedNodeName') },
    {
      name: 'Readiness Gates',
      wide: true,
      cell: (o) => {
        const gates = listAt(o, 'spec', 'readinessGates').map((g) => textAt(g, 'conditionType'));
        const met = listAt(o, 'status', 'conditions').filter(
          (c) => gates.includes(textAt(c, 'type')) && textAt(c, 'status') === 'True',
        );
        return gates.length === 0 ? '<none>' : `${met.length}/${gates.length}`;
      },
    },
  ],
  'apps/deployments': [
    NAME,
    { name: 'Ready', cell: readyOf },
    number('Up-to-date', 'status', 'updatedReplicas'),
    number('Available', 'status', 'availableReplicas'),
    AGE,
    ...TEMPLATE_WIDE,
  ],
  'apps/daemonsets': [
    NAME,
    number('Desired', 'status', 'desiredNumberScheduled'),
    number('Current', 'status', 'currentNumberScheduled'),
    number('Ready', 'status', 'numberReady'),
    number('Up-to-date', 'status', 'updatedNumberScheduled'),
    number('Available', 'status', 'numberAvailable'),
    { name: 'Node Selector', cell: (o) => pairs(at(o, 'spec', 'template', 'spec', 'nodeSelector')) },
    AGE,
    ...TEMPLATE_WIDE,
  ],
  'apps/replicasets': [
    NAME,
    number('Desired', 'spec', 'replicas'),
    number('Current', 'status', 'replicas'),
    number('Ready', 'status', 'readyReplicas'),
    AGE,
    ...TEMPLATE_WIDE,
  ],
  'apps/statefulsets': [NAME, { name: 'Ready', cell: readyOf }, AGE, ...TEMPLATE_WIDE.slice(0, 2)],
  'batch/jobs': [
    NAME,
    { name: 'Status', cell: jobStatus },
    {
      name: 'Completions',
      cell: (o) => `${numberAt(o, 'status', 'succeeded') ?? 0}/${numberAt(o, 'spec', 'completions') ?? 1}`,
    },
    { name: 'Duration', cell: jobDuration },
    AGE,
    ...TEMPLATE_WIDE,
  ],
  'batch/cronjobs': [
    NAME,
    { name: 'Schedule', cell: (o) => textAt(o, 'spec', 'schedule') },
    { name: 'Timezone', cell: (o) => textOrNone(o, 'spec', 'timeZone') },
    { name: 'Suspend', cell: (o) => (at(o, 'spec', 'suspend') === true ? 'True' : 'False') },
    { name: 'Active', type: 'integer', cell: (o) => countOf(o, 'status', 'active') },
    {
      name: 'Last Schedule',
      cell: (o, now) => {
        const last = textAt(o, 'status', 'lastScheduleTime');
        return last === '' ? '<none>' : humanAge(last, now);
      },
    },
    AGE,
  ],
  'autoscaling/horizontalpodautoscalers': [
    NAME,
    {
      name: 'Reference',
      cell: (o) => `${textAt(o, 'spec', 'scaleTargetRef', 'kind')}/${textAt(o, 'spec', 'scaleTargetRef', 'name')}`,
    },
    number('MinPods', 'spec', 'minReplicas'),
    number('MaxPods', 'spec', 'maxReplicas'),
    number('Replicas', 'status', 'currentReplicas'),
    AGE,
  ],
};
