/** The built-in kinds. One row each; group versions appear in discovery in the order of this table. */
import type { ResourceInfo } from '../pure/index.ts';

const ALL_VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'] as const;
const CREATE_ONLY = ['create'] as const;

type Row = {
  readonly plural: string;
  readonly kind: string;
  readonly short?: readonly string[];
  readonly cluster?: true;
  readonly all?: true;
  readonly sub?: readonly string[];
  /** A review: posted, answered, never stored. */
  readonly review?: true;
};

const TABLE: Readonly<Record<string, readonly Row[]>> = {
  v1: [
    { plural: 'configmaps', kind: 'ConfigMap', short: ['cm'] },
    { plural: 'endpoints', kind: 'Endpoints', short: ['ep'] },
    { plural: 'events', kind: 'Event', short: ['ev'] },
    { plural: 'limitranges', kind: 'LimitRange', short: ['limits'] },
    { plural: 'namespaces', kind: 'Namespace', short: ['ns'], cluster: true, sub: ['finalize', 'status'] },
    { plural: 'nodes', kind: 'Node', short: ['no'], cluster: true, sub: ['status'] },
    { plural: 'persistentvolumeclaims', kind: 'PersistentVolumeClaim', short: ['pvc'], sub: ['status'] },
    { plural: 'persistentvolumes', kind: 'PersistentVolume', short: ['pv'], cluster: true, sub: ['status'] },
    {
      plural: 'pods',
      kind: 'Pod',
      short: ['po'],
      all: true,
      sub: ['attach', 'binding', 'ephemeralcontainers', 'eviction', 'exec', 'log', 'portforward', 'status'],
    },
    { plural: 'podtemplates', kind: 'PodTemplate' },
    {
      plural: 'replicationcontrollers',
      kind: 'ReplicationController',
      short: ['rc'],
      all: true,
      sub: ['scale', 'status'],
    },
    { plural: 'resourcequotas', kind: 'ResourceQuota', short: ['quota'], sub: ['status'] },
    { plural: 'secrets', kind: 'Secret' },
    { plural: 'serviceaccounts', kind: 'ServiceAccount', short: ['sa'], sub: ['token'] },
    { plural: 'services', kind: 'Service', short: ['svc'], all: true, sub: ['status'] },
  ],
  'apps/v1': [
    { plural: 'controllerrevisions', kind: 'ControllerRevision' },
    { plural: 'daemonsets', kind: 'DaemonSet', short: ['ds'], all: true, sub: ['status'] },
    { plural: 'deployments', kind: 'Deployment', short: ['deploy'], all: true, sub: ['scale', 'status'] },
    { plural: 'replicasets', kind: 'ReplicaSet', short: ['rs'], all: true, sub: ['scale', 'status'] },
    { plural: 'statefulsets', kind: 'StatefulSet', short: ['sts'], all: true, sub: ['scale', 'status'] },
  ],
  'batch/v1': [
    { plural: 'cronjobs', kind: 'CronJob', short: ['cj'], all: true, sub: ['status'] },
    { plural: 'jobs', kind: 'Job', all: true, sub: ['status'] },
  ],
  'autoscaling/v2': [
    {
      plural: 'horizontalpodautoscalers',
      kind: 'HorizontalPodAutoscaler',
      short: ['hpa'],
      all: true,
      sub: ['status'],
    },
  ],
  'policy/v1': [{ plural: 'poddisruptionbudgets', kind: 'PodDisruptionBudget', short: ['pdb'], sub: ['status'] }],
  'networking.k8s.io/v1': [
    { plural: 'ingresses', kind: 'Ingress', short: ['ing'], sub: ['status'] },
    { plural: 'ingressclasses', kind: 'IngressClass', cluster: true },
    { plural: 'networkpolicies', kind: 'NetworkPolicy', short: ['netpol'] },
  ],
  'discovery.k8s.io/v1': [{ plural: 'endpointslices', kind: 'EndpointSlice' }],
  'coordination.k8s.io/v1': [{ plural: 'leases', kind: 'Lease' }],
  'rbac.authorization.k8s.io/v1': [
    { plural: 'clusterrolebindings', kind: 'ClusterRoleBinding', cluster: true },
    { plural: 'clusterroles', kind: 'ClusterRole', cluster: true },
    { plural: 'rolebindings', kind: 'RoleBinding' },
    { plural: 'roles', kind: 'Role' },
  ],
  'admissionregistration.k8s.io/v1': [
    { plural: 'mutatingwebhookconfigurations', kind: 'MutatingWebhookConfiguration', cluster: true },
    { plural: 'validatingadmissionpolicies', kind: 'ValidatingAdmissionPolicy', cluster: true, sub: ['status'] },
    { plural: 'validatingadmissionpolicybindings', kind: 'ValidatingAdmissionPolicyBinding', cluster: true },
    { plural: 'validatingwebhookconfigurations', kind: 'ValidatingWebhookConfiguration', cluster: true },
  ],
  'apiextensions.k8s.io/v1': [
    {
      plural: 'customresourcedefinitions',
      kind: 'CustomResourceDefinition',
      short: ['crd', 'crds'],
      cluster: true,
      sub: ['status'],
    },
  ],
  'authentication.k8s.io/v1': [
    { plural: 'selfsubjectreviews', kind: 'SelfSubjectReview', cluster: true, review: true },
    { plural: 'tokenreviews', kind: 'TokenReview', cluster: true, review: true },
  ],
  'authorization.k8s.io/v1': [
    { plural: 'localsubjectaccessreviews', kind: 'LocalSubjectAccessReview', review: true },
    { plural: 'selfsubjectaccessreviews', kind: 'SelfSubjectAccessReview', cluster: true, review: true },
    { plural: 'selfsubjectrulesreviews', kind: 'SelfSubjectRulesReview', cluster: true, review: true },
    { plural: 'subjectaccessreviews', kind: 'SubjectAccessReview', cluster: true, review: true },
  ],
  'scheduling.k8s.io/v1': [{ plural: 'priorityclasses', kind: 'PriorityClass', short: ['pc'], cluster: true }],
  'storage.k8s.io/v1': [{ plural: 'storageclasses', kind: 'StorageClass', short: ['sc'], cluster: true }],
};

/** Splits `apps/v1`; `v1` is the core group, whose name is empty. */
export function splitApiVersion(apiVersion: string): { readonly group: string; readonly version: string } {
  const slash = apiVersion.indexOf('/');
  return slash < 0
    ? { group: '', version: apiVersion }
    : { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) };
}

export const BUILT_IN_KINDS: readonly ResourceInfo[] = Object.entries(TABLE).flatMap(([apiVersion, rows]) =>
  rows.map((row) => ({
    ...splitApiVersion(apiVersion),
    kind: row.kind,
    plural: row.plural,
    singular: row.kind.toLowerCase(),
    shortNames: row.short ?? [],
    namespaced: row.cluster !== true,
    categories: row.all === true ? ['all'] : [],
    subresources: row.sub ?? [],
    custom: false,
    verbs: row.review === true ? CREATE_ONLY : ALL_VERBS,
  })),
);

/** True for kinds that are answered and never stored. */
export const isReview = (info: ResourceInfo): boolean => info.verbs.length === 1;

/** What a subresource speaks: its kind and its verbs, for discovery. */
export const SUBRESOURCES: Readonly<
  Record<string, { readonly apiVersion?: string; readonly kind?: string; readonly verbs: readonly string[] }>
> = {
  status: { verbs: ['get', 'patch', 'update'] },
  scale: { apiVersion: 'autoscaling/v1', kind: 'Scale', verbs: ['get', 'patch', 'update'] },
  finalize: { verbs: ['update'] },
  token: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', verbs: ['create'] },
  eviction: { apiVersion: 'policy/v1', kind: 'Eviction', verbs: ['create'] },
  binding: { kind: 'Binding', verbs: ['create'] },
  ephemeralcontainers: { verbs: ['get', 'patch', 'update'] },
  log: { verbs: ['get'] },
  exec: { kind: 'PodExecOptions', verbs: ['create', 'get'] },
  attach: { kind: 'PodAttachOptions', verbs: ['create', 'get'] },
  portforward: { kind: 'PodPortForwardOptions', verbs: ['create', 'get'] },
};
