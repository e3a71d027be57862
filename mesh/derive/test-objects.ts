/** Kubernetes objects for tests: what matters is named, the rest is ordinary. */
import type { KubeMetadata, KubeObject } from '../kube-object.ts';

type Json = Readonly<Record<string, unknown>>;
type Meta = Partial<KubeMetadata>;

const object = (apiVersion: string, kind: string, path: string, meta: Meta, rest: Json): KubeObject => {
  const [first = '', second] = path.split('/');
  const named = second === undefined ? { name: first } : { namespace: first, name: second };
  return { apiVersion, kind, metadata: { ...named, ...meta }, ...rest };
};

export type PodFields = Meta & {
  readonly ips?: readonly string[];
  readonly node?: string;
  readonly ready?: boolean;
  readonly phase?: string;
  readonly ports?: Readonly<Record<string, number>>;
  readonly spec?: Json;
};

/** An enrolled pod, ready, at `ips`. */
export function pod(path: string, fields: PodFields = {}): KubeObject {
  const { ips = [], node = 'node-1', ready = true, phase = 'Running', ports = {}, spec = {}, ...meta } = fields;
  const named = Object.entries(ports).map(([name, containerPort]) => ({ name, containerPort }));
  return object(
    'v1',
    'Pod',
    path,
    { uid: `uid-${path}`, annotations: { 'ambient.istio.io/redirection': 'enabled' }, ...meta },
    {
      spec: { nodeName: node, serviceAccountName: 'app', containers: [{ name: 'c', ports: named }], ...spec },
      status: {
        phase,
        podIPs: ips.map((ip) => ({ ip })),
        conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
      },
    },
  );
}

export const kubeService = (path: string, spec: Json, meta: Meta = {}) => object('v1', 'Service', path, meta, { spec });
export const namespace = (name: string, meta: Meta = {}) => object('v1', 'Namespace', name, meta, {});
export const node = (name: string, labels: Readonly<Record<string, string>>) =>
  object('v1', 'Node', name, { labels }, {});

export function slice(
  path: string,
  service: string,
  endpoints: readonly Json[],
  ports: readonly Json[] = [],
): KubeObject {
  const labels = { 'kubernetes.io/service-name': service };
  return object('discovery.k8s.io/v1', 'EndpointSlice', path, { labels }, { addressType: 'IPv4', endpoints, ports });
}

export const authorizationPolicy = (path: string, spec: Json, meta: Meta = {}) =>
  object('security.istio.io/v1', 'AuthorizationPolicy', path, { generation: 1, ...meta }, { spec });

/** `created` orders objects of one tier: smaller is older. */
export function peerAuthentication(path: string, spec: Json, created = 1): KubeObject {
  const creationTimestamp = `2026-01-01T00:00:${String(created).padStart(2, '0')}Z`;
  return object('security.istio.io/v1', 'PeerAuthentication', path, { creationTimestamp }, { spec });
}
