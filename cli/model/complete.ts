/**
 * Manifests as a cluster would complete them: pods from their templates, addresses, enrolment. So a folder in a repository can
 * be asked what a running mesh can be asked. What already has an address (an export of a live cluster) stays as it is.
 */
import { enrolled, type KubeObject, MADE_UP_ADDRESS, withAllocatedAddresses } from '../../mesh/index.ts';
import { withWaypoints } from './complete-gateways.ts';

type Fields = Readonly<Record<string, unknown>>;

const TEMPLATED: ReadonlySet<string> = new Set([
  'Deployment',
  'StatefulSet',
  'DaemonSet',
  'ReplicaSet',
  'ReplicationController',
  'Job',
  'CronJob',
]);
const REDIRECTION = 'ambient.istio.io/redirection';

export function complete(written: readonly KubeObject[]): readonly KubeObject[] {
  const objects = withWaypoints(written);
  const pods = objects.filter(({ kind }) => kind === 'Pod');
  const templated = objects.filter(({ kind }) => TEMPLATED.has(kind));
  const made = templated.filter((owner) => !pods.some((pod) => isOf(pod, owner))).flatMap(podOf);
  const namespaceLabels = new Map(
    objects.filter(({ kind }) => kind === 'Namespace').map(({ metadata }) => [metadata.name, metadata.labels ?? {}]),
  );
  const taken = new Set(objects.flatMap(addressesOf));
  const podAddresses = pool('10.244', 'fd00:10:244::', taken);
  const serviceAddresses = pool('10.96', 'fd00:10:96::', taken);
  return withAllocatedAddresses([...objects, ...made]).map((object) => {
    if (object.kind === 'Pod') return runningPod(object, namespaceLabels, podAddresses);
    if (object.kind === 'Service' && object.apiVersion === 'v1') return servedService(object, serviceAddresses);
    return object;
  });
}

/** One pod stands for all replicas: they are alike. */
function podOf(owner: KubeObject): readonly KubeObject[] {
  const spec = fields(owner['spec']);
  const template = fields(
    owner.kind === 'CronJob' ? fields(fields(spec['jobTemplate'])['spec'])['template'] : spec['template'],
  );
  if (template['spec'] === undefined || spec['replicas'] === 0) return [];
  const { labels, annotations } = fields(template['metadata']) as Partial<KubeObject['metadata']>;
  const { name, namespace } = owner.metadata;
  const kind = owner.kind === 'Deployment' ? 'ReplicaSet' : owner.kind; // as on a cluster
  return [
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: owner.kind === 'StatefulSet' ? `${name}-0` : name,
        generateName: `${name}-`,
        ...(namespace !== undefined && { namespace }),
        ...(labels && { labels }),
        ...(annotations && { annotations }),
        ownerReferences: [{ apiVersion: owner.apiVersion, kind, name, controller: true }],
      },
      spec: template['spec'],
    },
  ];
}

/** Whether an exported pod belongs to this owner: by its owner references, a Deployment's through its ReplicaSet. */
function isOf(pod: KubeObject, owner: KubeObject): boolean {
  if (pod.metadata.namespace !== owner.metadata.namespace) return false;
  const { kind, metadata } = owner;
  return (pod.metadata.ownerReferences ?? []).some((reference) => {
    if (reference.kind === kind && reference.name === metadata.name) return true;
    const between = kind === 'Deployment' ? 'ReplicaSet' : kind === 'CronJob' ? 'Job' : undefined;
    return reference.kind === between && /^-[a-z0-9]+$/.test(after(reference.name, metadata.name));
  });
}

function after(text: string, prefix: string): string {
  return text.startsWith(prefix) ? text.slice(prefix.length) : '';
}

function runningPod(
  pod: KubeObject,
  namespaceLabels: ReadonlyMap<string, Readonly<Record<string, string>>>,
  addresses: AddressPool,
): KubeObject {
  const status = fields(pod['status']);
  if (status['podIP'] !== undefined || status['podIPs'] !== undefined || status['phase'] !== undefined) return pod;
  const [v4, v6] = addresses();
  const isIn = enrolled(pod, namespaceLabels.get(pod.metadata.namespace ?? '') ?? {}).enrolled;
  const annotations = {
    ...pod.metadata.annotations,
    [MADE_UP_ADDRESS]: 'true',
    ...(isIn && { [REDIRECTION]: 'enabled' }),
  };
  return {
    ...pod,
    metadata: { ...pod.metadata, annotations },
    status: {
      phase: 'Running',
      podIP: v4,
      podIPs: [{ ip: v4 }, { ip: v6 }],
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  };
}

function servedService(service: KubeObject, addresses: AddressPool): KubeObject {
  const spec = fields(service['spec']);
  if (spec['type'] === 'ExternalName' || spec['clusterIP'] || spec['clusterIPs']) return service;
  const [v4, v6] = addresses();
  const families = Array.isArray(spec['ipFamilies']) ? spec['ipFamilies'] : undefined;
  const dual = spec['ipFamilyPolicy'] === 'PreferDualStack' || spec['ipFamilyPolicy'] === 'RequireDualStack';
  const first = families?.[0] === 'IPv6' ? [v6, v4] : [v4, v6];
  const clusterIPs = dual || families?.length === 2 ? first : first.slice(0, 1);
  return { ...service, spec: { ...spec, clusterIP: clusterIPs[0], clusterIPs } };
}

type AddressPool = () => readonly [v4: string, v6: string];

/** Counts on from .1.1 and never gives an address that is written somewhere. */
function pool(v4Prefix: string, v6Prefix: string, taken: ReadonlySet<string>): AddressPool {
  let next = 256;
  return () => {
    for (;;) {
      next += 1;
      const v4 = `${v4Prefix}.${Math.floor(next / 256) % 256}.${next % 256}`;
      const v6 = `${v6Prefix}${next.toString(16)}`;
      if (next % 256 !== 0 && next % 256 !== 255 && !taken.has(v4) && !taken.has(v6)) return [v4, v6];
    }
  };
}

function addressesOf(object: KubeObject): readonly string[] {
  const spec = fields(object['spec']);
  const status = fields(object['status']);
  const pods = Array.isArray(status['podIPs']) ? status['podIPs'].map((entry) => fields(entry)['ip']) : [];
  const services = Array.isArray(spec['clusterIPs']) ? spec['clusterIPs'] : [];
  return [status['podIP'], spec['clusterIP'], ...pods, ...services].filter((ip) => typeof ip === 'string');
}

function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}
