/** Deployments and their kin: defaults, and selectors that match their template and never change. */
import { type ApiObject, at, childOf, defaultTo, mapAt, numberAt, sameJson, stringsAt, textAt } from '../object.ts';
import { type Cause, isObject, type JsonObject, matchLabelSelector } from '../pure/index.ts';
import { defaultPodSpec } from './pod-spec.ts';
import { podSpecProblems } from './pods.ts';
import { invalidValue, required, type Strategy } from './strategy.ts';

function defaultTemplate(parent: JsonObject, restartPolicy?: 'Always'): void {
  const template = childOf(parent, 'template');
  const metadata = childOf(template, 'metadata');
  defaultTo(metadata, 'creationTimestamp', null);
  if (metadata['creationTimestamp'] === null) delete metadata['creationTimestamp'];
  defaultPodSpec(childOf(template, 'spec'), restartPolicy);
}

/** How a new template replaces the old one: by rolling, at this pace. */
function defaultRollout(strategy: JsonObject, pace: Readonly<Record<string, number | string>>): void {
  defaultTo(strategy, 'type', 'RollingUpdate');
  if (strategy['type'] !== 'RollingUpdate') return;
  const rolling = childOf(strategy, 'rollingUpdate');
  for (const [field, value] of Object.entries(pace)) defaultTo(rolling, field, value);
}

function selectorProblems(object: ApiObject, old: ApiObject | undefined): readonly Cause[] {
  const selector = at(object, 'spec', 'selector');
  const causes: Cause[] = [...podSpecProblems(at(object, 'spec', 'template', 'spec'), 'spec.template.spec')];
  if (!isObject(selector) || Object.keys(selector).length === 0) causes.push(required('spec.selector'));
  else if (old !== undefined && !sameJson(selector, at(old, 'spec', 'selector'))) {
    causes.push(invalidValue('spec.selector', selector, 'field is immutable'));
  } else if (!matchLabelSelector(selector, stringsAt(object, 'spec', 'template', 'metadata', 'labels'))) {
    const labels = mapAt(object, 'spec', 'template', 'metadata', 'labels');
    causes.push(invalidValue('spec.template.metadata.labels', labels, '`selector` does not match template `labels`'));
  }
  const policy = textAt(object, 'spec', 'template', 'spec', 'restartPolicy');
  if (policy !== 'Always') {
    causes.push({
      reason: 'FieldValueNotSupported',
      field: 'spec.template.spec.restartPolicy',
      message: `Unsupported value: "${policy}": supported values: "Always"`,
    });
  }
  const replicas = numberAt(object, 'spec', 'replicas');
  if (replicas !== undefined && replicas < 0) {
    causes.push(invalidValue('spec.replicas', replicas, 'must be greater than or equal to 0'));
  }
  return causes;
}

export const deployments: Strategy = {
  prepare(object) {
    const spec = childOf(object, 'spec');
    defaultTo(spec, 'replicas', 1);
    defaultTo(spec, 'revisionHistoryLimit', 10);
    defaultTo(spec, 'progressDeadlineSeconds', 600);
    defaultRollout(childOf(spec, 'strategy'), { maxUnavailable: '25%', maxSurge: '25%' });
    defaultTemplate(spec, 'Always');
  },
  validate: selectorProblems,
};

export const daemonSets: Strategy = {
  prepare(object) {
    const spec = childOf(object, 'spec');
    defaultTo(spec, 'revisionHistoryLimit', 10);
    defaultRollout(childOf(spec, 'updateStrategy'), { maxUnavailable: 1, maxSurge: 0 });
    defaultTemplate(spec, 'Always');
  },
  validate: selectorProblems,
};

export const replicaSets: Strategy = {
  prepare(object) {
    const spec = childOf(object, 'spec');
    defaultTo(spec, 'replicas', 1);
    defaultTemplate(spec, 'Always');
  },
  validate: selectorProblems,
};

export const statefulSets: Strategy = {
  prepare(object) {
    const spec = childOf(object, 'spec');
    defaultTo(spec, 'replicas', 1);
    defaultTo(spec, 'podManagementPolicy', 'OrderedReady');
    defaultTo(spec, 'revisionHistoryLimit', 10);
    defaultRollout(childOf(spec, 'updateStrategy'), { partition: 0 });
    defaultTemplate(spec, 'Always');
  },
  validate: selectorProblems,
};

function defaultJob(spec: JsonObject): void {
  defaultTo(spec, 'completions', 1);
  defaultTo(spec, 'parallelism', 1);
  defaultTo(spec, 'backoffLimit', 6);
  defaultTo(spec, 'completionMode', 'NonIndexed');
  defaultTo(spec, 'suspend', false);
  defaultTo(spec, 'podReplacementPolicy', 'TerminatingOrFailed');
  defaultTemplate(spec);
}

function jobProblems(template: JsonObject, field: string): readonly Cause[] {
  const causes = [...podSpecProblems(template['spec'], `${field}.spec`)];
  const policy = textAt(template, 'spec', 'restartPolicy');
  if (policy !== 'OnFailure' && policy !== 'Never') {
    causes.push(required(`${field}.spec.restartPolicy`, 'Required value: valid values: "OnFailure", "Never"'));
  }
  return causes;
}

export const jobs: Strategy = {
  prepare(object, old) {
    const spec = childOf(object, 'spec');
    if (old !== undefined) {
      defaultTo(spec, 'selector', structuredClone(mapAt(old, 'spec', 'selector')));
    } else if (spec['manualSelector'] !== true) {
      // A job finds its pods by a label no one else can carry.
      const own = {
        'batch.kubernetes.io/controller-uid': object.metadata.uid,
        'batch.kubernetes.io/job-name': object.metadata.name,
        'controller-uid': object.metadata.uid,
        'job-name': object.metadata.name,
      };
      spec['selector'] = { matchLabels: { 'batch.kubernetes.io/controller-uid': object.metadata.uid } };
      const labels = childOf(childOf(childOf(spec, 'template'), 'metadata'), 'labels');
      Object.assign(labels, own);
    }
    defaultJob(spec);
  },
  validate: (object) => jobProblems(mapAt(object, 'spec', 'template'), 'spec.template'),
};

export const cronJobs: Strategy = {
  prepare(object) {
    const spec = childOf(object, 'spec');
    defaultTo(spec, 'concurrencyPolicy', 'Allow');
    defaultTo(spec, 'suspend', false);
    defaultTo(spec, 'successfulJobsHistoryLimit', 3);
    defaultTo(spec, 'failedJobsHistoryLimit', 1);
    defaultTemplate(childOf(childOf(spec, 'jobTemplate'), 'spec'));
  },
  validate(object) {
    const template = mapAt(object, 'spec', 'jobTemplate', 'spec', 'template');
    const causes = [...jobProblems(template, 'spec.jobTemplate.spec.template')];
    if (textAt(object, 'spec', 'schedule') === '') causes.push(required('spec.schedule'));
    return causes;
  },
};
