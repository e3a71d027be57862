/** Which URL path stands for which kind. */
import type { KubeObject } from '../../mesh/index.ts';

export type ResourceType = {
  readonly apiVersion: string;
  readonly kind: string;
  /** Lower-case plural, as in URLs. */
  readonly plural: string;
  readonly namespaced: boolean;
};

const type = (apiVersion: string, kind: string, plural: string, namespaced = true): ResourceType => ({
  apiVersion,
  kind,
  plural,
  namespaced,
});
const CLUSTER = false;

/** The kinds that the mesh works with; others are found by discovery (`KubeClient.typeOf`). */
export const RESOURCES = {
  ConfigMap: type('v1', 'ConfigMap', 'configmaps'),
  Event: type('v1', 'Event', 'events'),
  Namespace: type('v1', 'Namespace', 'namespaces', CLUSTER),
  Node: type('v1', 'Node', 'nodes', CLUSTER),
  Pod: type('v1', 'Pod', 'pods'),
  Secret: type('v1', 'Secret', 'secrets'),
  Service: type('v1', 'Service', 'services'),
  ServiceAccount: type('v1', 'ServiceAccount', 'serviceaccounts'),
  DaemonSet: type('apps/v1', 'DaemonSet', 'daemonsets'),
  Deployment: type('apps/v1', 'Deployment', 'deployments'),
  ReplicaSet: type('apps/v1', 'ReplicaSet', 'replicasets'),
  HorizontalPodAutoscaler: type('autoscaling/v2', 'HorizontalPodAutoscaler', 'horizontalpodautoscalers'),
  PodDisruptionBudget: type('policy/v1', 'PodDisruptionBudget', 'poddisruptionbudgets'),
  EndpointSlice: type('discovery.k8s.io/v1', 'EndpointSlice', 'endpointslices'),
  Lease: type('coordination.k8s.io/v1', 'Lease', 'leases'),
  TokenReview: type('authentication.k8s.io/v1', 'TokenReview', 'tokenreviews', CLUSTER),
  SelfSubjectAccessReview: type(
    'authorization.k8s.io/v1',
    'SelfSubjectAccessReview',
    'selfsubjectaccessreviews',
    CLUSTER,
  ),
  SubjectAccessReview: type('authorization.k8s.io/v1', 'SubjectAccessReview', 'subjectaccessreviews', CLUSTER),
  Role: type('rbac.authorization.k8s.io/v1', 'Role', 'roles'),
  RoleBinding: type('rbac.authorization.k8s.io/v1', 'RoleBinding', 'rolebindings'),
  ClusterRole: type('rbac.authorization.k8s.io/v1', 'ClusterRole', 'clusterroles', CLUSTER),
  ClusterRoleBinding: type('rbac.authorization.k8s.io/v1', 'ClusterRoleBinding', 'clusterrolebindings', CLUSTER),
  CustomResourceDefinition: type(
    'apiextensions.k8s.io/v1',
    'CustomResourceDefinition',
    'customresourcedefinitions',
    CLUSTER,
  ),
  ValidatingWebhookConfiguration: type(
    'admissionregistration.k8s.io/v1',
    'ValidatingWebhookConfiguration',
    'validatingwebhookconfigurations',
    CLUSTER,
  ),
  AuthorizationPolicy: type('security.istio.io/v1', 'AuthorizationPolicy', 'authorizationpolicies'),
  PeerAuthentication: type('security.istio.io/v1', 'PeerAuthentication', 'peerauthentications'),
  RequestAuthentication: type('security.istio.io/v1', 'RequestAuthentication', 'requestauthentications'),
  ServiceEntry: type('networking.istio.io/v1', 'ServiceEntry', 'serviceentries'),
  DestinationRule: type('networking.istio.io/v1', 'DestinationRule', 'destinationrules'),
  Telemetry: type('telemetry.istio.io/v1', 'Telemetry', 'telemetries'),
  WorkloadEntry: type('networking.istio.io/v1', 'WorkloadEntry', 'workloadentries'),
  Gateway: type('gateway.networking.k8s.io/v1', 'Gateway', 'gateways'),
  GatewayClass: type('gateway.networking.k8s.io/v1', 'GatewayClass', 'gatewayclasses', CLUSTER),
  HTTPRoute: type('gateway.networking.k8s.io/v1', 'HTTPRoute', 'httproutes'),
  GRPCRoute: type('gateway.networking.k8s.io/v1', 'GRPCRoute', 'grpcroutes'),
  TCPRoute: type('gateway.networking.k8s.io/v1', 'TCPRoute', 'tcproutes'),
  TLSRoute: type('gateway.networking.k8s.io/v1', 'TLSRoute', 'tlsroutes'),
  BackendTLSPolicy: type('gateway.networking.k8s.io/v1', 'BackendTLSPolicy', 'backendtlspolicies'),
  ReferenceGrant: type('gateway.networking.k8s.io/v1', 'ReferenceGrant', 'referencegrants'),
} as const;

/** The type in our table, or undefined. */
export function knownType(apiVersion: string, kind: string): ResourceType | undefined {
  const found = Object.values<ResourceType>(RESOURCES).find((t) => t.kind === kind);
  return found?.apiVersion === apiVersion ? found : undefined;
}

/** `/api/v1/namespaces/ns/pods/name/status`; without namespace or name the collection over all of them. */
export function resourcePath(
  t: ResourceType,
  at: {
    readonly namespace?: string | undefined;
    readonly name?: string | undefined;
    readonly subresource?: string | undefined;
  } = {},
): string {
  const segments = [groupPath(t.apiVersion)];
  if (t.namespaced && at.namespace !== undefined) segments.push('namespaces', encodeURIComponent(at.namespace));
  segments.push(t.plural);
  if (at.name !== undefined) segments.push(encodeURIComponent(at.name));
  if (at.subresource !== undefined) segments.push(at.subresource);
  return segments.join('/');
}

/** `/api/v1` for the core group, `/apis/group/version` for all others. */
export function groupPath(apiVersion: string): string {
  return apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}

/** `namespace/name`, or the bare name of a cluster-scoped object: the key of informers. */
export function objectKey(object: { readonly metadata: Pick<KubeObject['metadata'], 'name' | 'namespace'> }): string {
  const { namespace, name } = object.metadata;
  return namespace === undefined || namespace === '' ? name : `${namespace}/${name}`;
}
