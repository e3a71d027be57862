/** Which objects of a collection a request means. */
import { type ApiObject, stringsAt } from '../object.ts';
import { badRequest, parseFieldSelector, parseLabelSelector, type ResourceInfo } from '../pure/index.ts';

const EVERYWHERE = ['metadata.name', 'metadata.namespace'] as const;
/** Fields beyond name and namespace that a selector may name (spec section 5). */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  '/pods': [
    'spec.nodeName',
    'spec.restartPolicy',
    'spec.schedulerName',
    'spec.serviceAccountName',
    'spec.hostNetwork',
    'status.phase',
    'status.podIP',
    'status.nominatedNodeName',
  ],
  '/secrets': ['type'],
  '/namespaces': ['status.phase'],
  '/nodes': ['spec.unschedulable'],
  '/services': ['spec.clusterIP', 'spec.type'],
  '/events': [
    'involvedObject.kind',
    'involvedObject.namespace',
    'involvedObject.name',
    'involvedObject.uid',
    'involvedObject.apiVersion',
    'involvedObject.resourceVersion',
    'involvedObject.fieldPath',
    'reason',
    'reportingComponent',
    'source',
    'type',
  ],
  'apps/replicasets': ['status.replicas'],
  'batch/jobs': ['status.successful'],
};

export type Selection = {
  readonly matches: (object: ApiObject) => boolean;
  /** True when any selector is in force. */
  readonly narrowed: boolean;
};

/** Reads `labelSelector` and `fieldSelector`. Throws 400. */
export function selectionOf(info: ResourceInfo, query: URLSearchParams): Selection {
  const labels = query.get('labelSelector') ?? '';
  const fields = query.get('fieldSelector') ?? '';
  const byLabels = labels === '' ? undefined : parseLabelSelector(labels);
  const supported = [...EVERYWHERE, ...(FIELDS[`${info.group}/${info.plural}`] ?? [])];
  const byFields = fields === '' ? undefined : parseFieldSelector(fields, supported);
  return {
    narrowed: byLabels !== undefined || byFields !== undefined,
    matches: (object) => (byLabels?.(stringsAt(object, 'metadata', 'labels')) ?? true) && (byFields?.(object) ?? true),
  };
}

/** A resourceVersion in a query: undefined when absent. Throws 400. */
export function versionParameter(query: URLSearchParams): number | undefined {
  const text = query.get('resourceVersion') ?? '';
  if (text === '') return undefined;
  if (!/^\d{1,15}$/.test(text)) throw badRequest(`resourceVersion: invalid value "${text}": must be a number`);
  return Number(text);
}
