/** Columns of nodes, namespaces, configuration, access and events. */
import { type ApiObject, at, listAt, numberAt, textAt } from '../object.ts';
import { humanAge, type Json } from '../pure/index.ts';
import { AGE, type Column, CREATED_AT, countOf, NAME, orNone, pairs, textOrNone } from './cells.ts';

const ROLE_LABEL = 'node-role.kubernetes.io/';

function nodeStatus(node: ApiObject): string {
  const ready = listAt(node, 'status', 'conditions').find((c) => textAt(c, 'type') === 'Ready');
  const words = [ready === undefined ? 'Unknown' : textAt(ready, 'status') === 'True' ? 'Ready' : 'NotReady'];
  if (at(node, 'spec', 'unschedulable') === true) words.push('SchedulingDisabled');
  return words.join(',');
}

const nodeRoles = (node: ApiObject): string =>
  orNone(
    Object.keys(node.metadata.labels ?? {})
      .filter((label) => label.startsWith(ROLE_LABEL))
      .map((label) => label.slice(ROLE_LABEL.length))
      .sort()
      .join(','),
  );

const nodeAddress =
  (type: string) =>
  (node: ApiObject): string =>
    orNone(
      textAt(
        listAt(node, 'status', 'addresses').find((a) => textAt(a, 'type') === type),
        'address',
      ),
    );

const subjects =
  (kind: string) =>
  (binding: ApiObject): string =>
    listAt(binding, 'subjects')
      .filter((s) => textAt(s, 'kind') === kind)
      .map((s) => (kind === 'ServiceAccount' ? `${textAt(s, 'namespace')}/${textAt(s, 'name')}` : textAt(s, 'name')))
      .join(', ');

const BINDING: readonly Column[] = [
  NAME,
  { name: 'Role', cell: (o) => `${textAt(o, 'roleRef', 'kind')}/${textAt(o, 'roleRef', 'name')}` },
  AGE,
  { name: 'Users', wide: true, cell: subjects('User') },
  { name: 'Groups', wide: true, cell: subjects('Group') },
  { name: 'ServiceAccounts', wide: true, cell: subjects('ServiceAccount') },
];

/** The last time an event was seen, whichever of its three ways of saying so it uses. */
export function lastSeen(event: ApiObject): string {
  return (
    textAt(event, 'series', 'lastObservedTime') ||
    textAt(event, 'lastTimestamp') ||
    textAt(event, 'eventTime') ||
    textAt(event, 'firstTimestamp')
  );
}

const ago = (time: string, now: Date): string => (time === '' ? '<unknown>' : humanAge(time, now));

const EVENTS: readonly Column[] = [
  { name: 'Last Seen', cell: (o, now) => ago(lastSeen(o), now) },
  { name: 'Type', cell: (o) => textAt(o, 'type') },
  { name: 'Reason', cell: (o) => textAt(o, 'reason') },
  {
    name: 'Object',
    cell: (o) => `${textAt(o, 'involvedObject', 'kind').toLowerCase()}/${textAt(o, 'involvedObject', 'name')}`,
  },
  { name: 'Subobject', wide: true, cell: (o) => textAt(o, 'involvedObject', 'fieldPath') },
  {
    name: 'Source',
    wide: true,
    cell: (o) => [textAt(o, 'source', 'component'), textAt(o, 'source', 'host')].filter((s) => s !== '').join(', '),
  },
  { name: 'Message', cell: (o) => textAt(o, 'message').trim() },
  { name: 'First Seen', wide: true, cell: (o, now) => ago(textAt(o, 'firstTimestamp') || textAt(o, 'eventTime'), now) },
  { name: 'Count', type: 'integer', wide: true, cell: (o) => numberAt(o, 'count') ?? 1 },
  { ...NAME, wide: true },
];

const allowed = (object: ApiObject, field: string): Json => {
  const value = at(object, 'spec', field);
  return value === undefined ? 'N/A' : String(value);
};

const WEBHOOKS: readonly Column[] = [
  NAME,
  { name: 'Webhooks', type: 'integer', cell: (o) => countOf(o, 'webhooks') },
  AGE,
];

export const CLUSTER_COLUMNS: Readonly<Record<string, readonly Column[]>> = {
  '/nodes': [
    NAME,
    { name: 'Status', cell: nodeStatus },
    { name: 'Roles', cell: nodeRoles },
    AGE,
    { name: 'Version', cell: (o) => textAt(o, 'status', 'nodeInfo', 'kubeletVersion') },
    { name: 'Internal-IP', wide: true, cell: nodeAddress('InternalIP') },
    { name: 'External-IP', wide: true, cell: nodeAddress('ExternalIP') },
    { name: 'OS-Image', wide: true, cell: (o) => textOrNone(o, 'status', 'nodeInfo', 'osImage') },
    { name: 'Kernel-Version', wide: true, cell: (o) => textOrNone(o, 'status', 'nodeInfo', 'kernelVersion') },
    {
      name: 'Container-Runtime',
      wide: true,
      cell: (o) => textOrNone(o, 'status', 'nodeInfo', 'containerRuntimeVersion'),
    },
  ],
  '/namespaces': [NAME, { name: 'Status', cell: (o) => textAt(o, 'status', 'phase') }, AGE],
  '/configmaps': [
    NAME,
    { name: 'Data', type: 'integer', cell: (o) => countOf(o, 'data') + countOf(o, 'binaryData') },
    AGE,
  ],
  '/secrets': [
    NAME,
    { name: 'Type', cell: (o) => textAt(o, 'type') },
    { name: 'Data', type: 'integer', cell: (o) => countOf(o, 'data') },
    AGE,
  ],
  '/serviceaccounts': [NAME, { name: 'Secrets', type: 'integer', cell: (o) => countOf(o, 'secrets') }, AGE],
  '/events': EVENTS,
  '/persistentvolumeclaims': [
    NAME,
    { name: 'Status', cell: (o) => textAt(o, 'status', 'phase') || 'Pending' },
    { name: 'Volume', cell: (o) => textAt(o, 'spec', 'volumeName') },
    { name: 'Capacity', cell: (o) => textAt(o, 'status', 'capacity', 'storage') },
    { name: 'StorageClass', cell: (o) => textAt(o, 'spec', 'storageClassName') },
    AGE,
  ],
  'coordination.k8s.io/leases': [NAME, { name: 'Holder', cell: (o) => textAt(o, 'spec', 'holderIdentity') }, AGE],
  'apiextensions.k8s.io/customresourcedefinitions': [NAME, CREATED_AT],
  'rbac.authorization.k8s.io/roles': [NAME, CREATED_AT],
  'rbac.authorization.k8s.io/clusterroles': [NAME, CREATED_AT],
  'rbac.authorization.k8s.io/rolebindings': BINDING,
  'rbac.authorization.k8s.io/clusterrolebindings': BINDING,
  'policy/poddisruptionbudgets': [
    NAME,
    { name: 'Min Available', cell: (o) => allowed(o, 'minAvailable') },
    { name: 'Max Unavailable', cell: (o) => allowed(o, 'maxUnavailable') },
    {
      name: 'Allowed Disruptions',
      type: 'integer',
      cell: (o) => numberAt(o, 'status', 'disruptionsAllowed') ?? 0,
    },
    AGE,
  ],
  'admissionregistration.k8s.io/mutatingwebhookconfigurations': WEBHOOKS,
  'admissionregistration.k8s.io/validatingwebhookconfigurations': WEBHOOKS,
  'scheduling.k8s.io/priorityclasses': [
    NAME,
    { name: 'Value', type: 'integer', cell: (o) => numberAt(o, 'value') ?? 0 },
    { name: 'Global-Default', cell: (o) => at(o, 'globalDefault') === true },
    AGE,
  ],
  'storage.k8s.io/storageclasses': [
    NAME,
    { name: 'Provisioner', cell: (o) => textAt(o, 'provisioner') },
    { name: 'Parameters', wide: true, cell: (o) => pairs(at(o, 'parameters')) },
    AGE,
  ],
};
