/** The objects a new cluster starts with: namespaces, the usual roles, and the Service of the API itself. */
import type { WriteContext } from '../defaults/strategy.ts';
import type { ApiObject } from '../object.ts';
import type { Json, JsonObject } from '../pure/index.ts';
import { storageKey } from '../store/store.ts';
import { createObject } from '../write/commit.ts';
import { INTERNAL_WRITE } from '../write/options.ts';
import { AUTHENTICATED, MASTERS } from './caller.ts';

const RBAC = 'rbac.authorization.k8s.io';
const READ = ['get', 'list', 'watch'];
const WRITE = ['create', 'delete', 'deletecollection', 'patch', 'update'];

type Rule = JsonObject;
const on = (group: string, resources: string[], verbs: string[]): Rule => ({ apiGroups: [group], resources, verbs });
const paths = (nonResourceURLs: string[]): Rule => ({ nonResourceURLs, verbs: ['get'] });

const NAMESPACED: readonly (readonly [string, string[]])[] = [
  [
    '',
    [
      'configmaps',
      'endpoints',
      'events',
      'persistentvolumeclaims',
      'pods',
      'pods/log',
      'pods/status',
      'podtemplates',
      'replicationcontrollers',
      'serviceaccounts',
      'services',
      'services/status',
    ],
  ],
  [
    'apps',
    [
      'controllerrevisions',
      'daemonsets',
      'daemonsets/status',
      'deployments',
      'deployments/scale',
      'deployments/status',
      'replicasets',
      'replicasets/scale',
      'replicasets/status',
      'statefulsets',
      'statefulsets/scale',
      'statefulsets/status',
    ],
  ],
  ['autoscaling', ['horizontalpodautoscalers', 'horizontalpodautoscalers/status']],
  ['batch', ['cronjobs', 'cronjobs/status', 'jobs', 'jobs/status']],
  ['discovery.k8s.io', ['endpointslices']],
  ['networking.k8s.io', ['ingresses', 'ingresses/status', 'networkpolicies']],
  ['policy', ['poddisruptionbudgets', 'poddisruptionbudgets/status']],
];
const view: Rule[] = [
  ...NAMESPACED.map(([group, resources]) => on(group, resources, READ)),
  on('', ['namespaces', 'limitranges', 'resourcequotas'], READ),
];
const edit: Rule[] = [
  ...view,
  ...NAMESPACED.map(([group, resources]) =>
    on(
      group,
      resources.filter((r) => !r.endsWith('/status')),
      WRITE,
    ),
  ),
  on('', ['secrets'], [...READ, ...WRITE]),
  on('', ['pods/attach', 'pods/exec', 'pods/portforward'], ['get', 'create']),
  on('', ['pods/eviction', 'serviceaccounts/token'], ['create']),
  on('coordination.k8s.io', ['leases'], [...READ, ...WRITE]),
];
const admin: Rule[] = [
  ...edit,
  on(RBAC, ['roles', 'rolebindings'], [...READ, ...WRITE]),
  on('authorization.k8s.io', ['localsubjectaccessreviews'], ['create']),
];
const node: Rule[] = [
  on(
    '',
    [
      'nodes',
      'pods',
      'services',
      'endpoints',
      'namespaces',
      'configmaps',
      'secrets',
      'serviceaccounts',
      'persistentvolumeclaims',
      'persistentvolumes',
    ],
    READ,
  ),
  on('', ['nodes'], ['create', 'patch', 'update']),
  on('', ['nodes/status', 'pods/status'], ['patch', 'update']),
  on('', ['pods'], ['create', 'delete']),
  on('', ['pods/eviction', 'serviceaccounts/token'], ['create']),
  on('', ['events'], ['create', 'patch', 'update']),
  on('discovery.k8s.io', ['endpointslices'], READ),
  on('coordination.k8s.io', ['leases'], [...READ, ...WRITE]),
  on('authentication.k8s.io', ['tokenreviews'], ['create']),
  on('authorization.k8s.io', ['subjectaccessreviews', 'localsubjectaccessreviews'], ['create']),
];
const scheduler: Rule[] = [
  on(
    '',
    [
      'nodes',
      'pods',
      'namespaces',
      'services',
      'replicationcontrollers',
      'persistentvolumes',
      'persistentvolumeclaims',
    ],
    READ,
  ),
  on('apps', ['replicasets', 'statefulsets'], READ),
  on('policy', ['poddisruptionbudgets'], READ),
  on('', ['pods/binding', 'bindings'], ['create']),
  on('', ['pods'], ['delete']),
  on('', ['pods/status'], ['patch', 'update']),
  on('', ['events'], ['create', 'patch', 'update']),
  on('coordination.k8s.io', ['leases'], [...READ, ...WRITE]),
];
/** The lab runs all its controllers as one user; the reference gives each its own account with a part of this. */
const controllerManager: Rule[] = [{ apiGroups: ['*'], resources: ['*'], verbs: [...READ, ...WRITE] }];
const discovery = paths([
  '/api',
  '/api/*',
  '/apis',
  '/apis/*',
  '/healthz',
  '/livez',
  '/readyz',
  '/openapi',
  '/openapi/*',
  '/version',
  '/version/',
]);
const health = paths(['/healthz', '/livez', '/readyz', '/version', '/version/']);

type RoleRow = { readonly rules: readonly Rule[]; readonly to?: readonly Json[] };
const group = (name: string): Json => ({ kind: 'Group', apiGroup: RBAC, name });
const user = (name: string): Json => ({ kind: 'User', apiGroup: RBAC, name });

const ROLES: Readonly<Record<string, RoleRow>> = {
  'cluster-admin': {
    rules: [
      { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
      { nonResourceURLs: ['*'], verbs: ['*'] },
    ],
    to: [group(MASTERS)],
  },
  admin: { rules: admin },
  edit: { rules: edit },
  view: { rules: view },
  'system:discovery': { rules: [discovery], to: [group(AUTHENTICATED)] },
  'system:basic-user': {
    rules: [
      on('authorization.k8s.io', ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'], ['create']),
      on('authentication.k8s.io', ['selfsubjectreviews'], ['create']),
    ],
    to: [group(AUTHENTICATED)],
  },
  'system:public-info-viewer': { rules: [health], to: [group(AUTHENTICATED), group('system:unauthenticated')] },
  'system:node': { rules: node, to: [group('system:nodes')] },
  'system:kube-scheduler': { rules: scheduler, to: [user('system:kube-scheduler')] },
  'system:kube-controller-manager': { rules: controllerManager, to: [user('system:kube-controller-manager')] },
  'system:auth-delegator': {
    rules: [
      on('authentication.k8s.io', ['tokenreviews'], ['create']),
      on('authorization.k8s.io', ['subjectaccessreviews'], ['create']),
    ],
  },
};

const NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];
export type Advertised = { readonly ip: string; readonly port: number };

/** Makes what is missing; what people changed stays. The endpoints of the API are what they are now. */
export function bootstrap(context: WriteContext, advertise: readonly Advertised[]): void {
  for (const name of NAMESPACES) ensure(context, '', 'v1', 'namespaces', { metadata: { name } });
  const labels = { 'kubernetes.io/bootstrapping': 'rbac-defaults' };
  for (const [name, row] of Object.entries(ROLES)) {
    ensure(context, RBAC, 'v1', 'clusterroles', { metadata: { name, labels }, rules: [...row.rules] });
    if (row.to === undefined) continue;
    const roleRef = { apiGroup: RBAC, kind: 'ClusterRole', name };
    ensure(context, RBAC, 'v1', 'clusterrolebindings', { metadata: { name, labels }, roleRef, subjects: [...row.to] });
  }
  publishApi(context, advertise);
}

function publishApi(context: WriteContext, advertise: readonly Advertised[]): void {
  const metadata = {
    name: 'kubernetes',
    namespace: 'default',
    labels: { component: 'apiserver', provider: 'kubernetes' },
  };
  const ports = [{ name: 'https', protocol: 'TCP', port: 443, targetPort: advertise[0]?.port ?? 6443 }];
  ensure(context, '', 'v1', 'services', { metadata, spec: { clusterIP: '10.96.0.1', ports } });
  for (const family of ['IPv4', 'IPv6'] as const) {
    const own = advertise.filter((a) => a.ip.includes(':') === (family === 'IPv6'));
    const name = family === 'IPv4' ? 'kubernetes' : 'kubernetes-ipv6';
    const resource = storageKey('discovery.k8s.io', 'endpointslices');
    context.store.remove(resource, 'default', name); // another start may listen elsewhere
    if (own.length === 0) continue;
    ensure(context, 'discovery.k8s.io', 'v1', 'endpointslices', {
      metadata: { name, namespace: 'default', labels: { 'kubernetes.io/service-name': 'kubernetes' } },
      addressType: family,
      endpoints: own.map((a) => ({ addresses: [a.ip], conditions: { ready: true } })),
      ports: [{ name: 'https', protocol: 'TCP', port: own[0]?.port ?? 6443 }],
    });
  }
}

function ensure(context: WriteContext, groupName: string, version: string, plural: string, content: JsonObject): void {
  const info = context.registry.find(groupName, version, plural);
  if (info === undefined) throw new Error(`no built-in kind ${groupName}/${version} ${plural}`);
  const metadata = content['metadata'] as { name: string; namespace?: string };
  const resource = storageKey(groupName, plural);
  if (context.store.get(resource, metadata.namespace ?? '', metadata.name) !== undefined) return;
  const apiVersion = groupName === '' ? version : `${groupName}/${version}`;
  const object = { apiVersion, kind: info.kind, ...content } as unknown as ApiObject;
  createObject(context, { info, object, ...INTERNAL_WRITE });
}
