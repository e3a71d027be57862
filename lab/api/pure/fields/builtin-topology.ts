/** Merge keys of the built-in kinds, one tree for each (spec sections 7 and 8; k8s.io/api, struct tags and markers). */
import { applyKeyed, atomic, GRANULAR, keyed, type MapTopology, map, patchKeyed, SET } from './topology.ts';

const selector = atomic();
const reference = atomic();
const conditions = keyed('type');

/** Metadata merges alike in every kind, custom ones too. */
export const METADATA: MapTopology = map({ finalizers: SET, ownerReferences: keyed('uid', atomic()) });

const valueFrom = map({
  configMapKeyRef: reference,
  secretKeyRef: reference,
  fieldRef: reference,
  resourceFieldRef: reference,
  fileKeyRef: reference,
});
const container = map({
  env: keyed('name', map({ valueFrom })),
  ports: keyed('containerPort', GRANULAR, [{ name: 'containerPort' }, { name: 'protocol', fallback: 'TCP' }]),
  volumeMounts: keyed('mountPath'),
  volumeDevices: keyed('devicePath'),
  resources: map({ claims: applyKeyed([{ name: 'name' }]) }),
});
const containers = keyed('name', container);

const podSpec = map({
  containers,
  initContainers: containers,
  ephemeralContainers: containers,
  volumes: keyed('name', map({ csi: map({ nodePublishSecretRef: reference }) })),
  imagePullSecrets: keyed('name', atomic()),
  hostAliases: keyed('ip'),
  nodeSelector: atomic(),
  topologySpreadConstraints: keyed('topologyKey', map({ labelSelector: selector }), [
    { name: 'topologyKey' },
    { name: 'whenUnsatisfiable' },
  ]),
  schedulingGates: keyed('name'),
  resourceClaims: keyed('name'),
  affinity: map({ nodeAffinity: map({ requiredDuringSchedulingIgnoredDuringExecution: atomic() }) }),
});
const podStatus = map({
  conditions,
  podIPs: keyed('ip'),
  hostIPs: patchKeyed('ip'),
  resourceClaimStatuses: keyed('name'),
});
const podTemplate = map({ metadata: METADATA, spec: podSpec });

const workload = (spec: Parameters<typeof map>[0] = {}) =>
  map({ spec: map({ selector, template: podTemplate, ...spec }), status: map({ conditions }) });
const jobSpec = map({ selector, template: podTemplate });
const withConditions = map({ status: map({ conditions }) });
const webhooks = map({
  webhooks: keyed(
    'name',
    map({ namespaceSelector: selector, objectSelector: selector, matchConditions: keyed('name') }),
  ),
});

/** By `group/Kind`; kinds that are not here have no lists or maps out of the ordinary. */
const KINDS: Readonly<Record<string, MapTopology>> = {
  '/Pod': map({ spec: podSpec, status: podStatus }),
  '/PodTemplate': map({ template: podTemplate }),
  '/ReplicationController': map({
    spec: map({ selector: atomic(), template: podTemplate }),
    status: map({ conditions }),
  }),
  '/Service': map({
    spec: map({
      ports: keyed('port', GRANULAR, [{ name: 'port' }, { name: 'protocol', fallback: 'TCP' }]),
      selector: atomic(),
    }),
    status: map({ conditions }),
  }),
  '/ServiceAccount': map({ secrets: keyed('name') }),
  '/Namespace': withConditions,
  '/Node': map({
    spec: map({ podCIDRs: SET }),
    status: map({ conditions, addresses: keyed('type') }),
  }),
  '/PersistentVolumeClaim': map({ spec: map({ selector, dataSource: reference }), status: map({ conditions }) }),
  'apps/Deployment': workload(),
  'apps/ReplicaSet': workload(),
  'apps/DaemonSet': workload(),
  'apps/StatefulSet': workload(),
  'batch/Job': map({ spec: jobSpec, status: map({ conditions: patchKeyed('type') }) }),
  'batch/CronJob': map({ spec: map({ jobTemplate: map({ metadata: METADATA, spec: jobSpec }) }) }),
  'autoscaling/HorizontalPodAutoscaler': withConditions,
  'policy/PodDisruptionBudget': map({ spec: map({ selector }), status: map({ conditions }) }),
  'networking.k8s.io/NetworkPolicy': map({ spec: map({ podSelector: selector }) }),
  'rbac.authorization.k8s.io/RoleBinding': map({ roleRef: reference }),
  'rbac.authorization.k8s.io/ClusterRoleBinding': map({ roleRef: reference }),
  'admissionregistration.k8s.io/MutatingWebhookConfiguration': webhooks,
  'admissionregistration.k8s.io/ValidatingWebhookConfiguration': webhooks,
  'admissionregistration.k8s.io/ValidatingAdmissionPolicy': map({
    spec: map({ paramKind: atomic(), matchConditions: keyed('name'), variables: keyed('name') }),
    status: map({ conditions }),
  }),
  'apiextensions.k8s.io/CustomResourceDefinition': map({ status: map({ conditions }) }),
};

/** The tree of a built-in kind, metadata included. */
export function builtinTopology(group: string, kind: string): MapTopology {
  return map({ ...KINDS[`${group}/${kind}`]?.fields, metadata: METADATA });
}
