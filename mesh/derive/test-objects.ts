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

export const telemetry = (path: string, spec: Json, meta: Meta = {}) =>
  object('telemetry.istio.io/v1', 'Telemetry', path, { generation: 1, ...meta }, { spec });
export const requestAuthentication = (path: string, spec: Json, meta: Meta = {}) =>
  object('security.istio.io/v1', 'RequestAuthentication', path, { generation: 1, ...meta }, { spec });

/** `created` orders objects of one tier: smaller is older. */
export function peerAuthentication(path: string, spec: Json, created = 1): KubeObject {
  const creationTimestamp = `2026-01-01T00:00:${String(created).padStart(2, '0')}Z`;
  return object('security.istio.io/v1', 'PeerAuthentication', path, { creationTimestamp }, { spec });
}

/** `created` orders entries for one host: smaller is older. */
export function serviceEntry(path: string, spec: Json, meta: Meta = {}, rest: Json = {}, created = 1): KubeObject {
  const creationTimestamp = `2026-01-01T00:00:${String(created).padStart(2, '0')}Z`;
  return object('networking.istio.io/v1', 'ServiceEntry', path, { creationTimestamp, ...meta }, { spec, ...rest });
}

export const workloadEntry = (path: string, spec: Json, meta: Meta = {}, rest: Json = {}) =>
  object('networking.istio.io/v1', 'WorkloadEntry', path, meta, { spec, ...rest });

export type GatewayFields = Meta & {
  readonly className?: string;
  /** Of its status: an address or a host name each. */
  readonly addresses?: readonly string[];
  readonly listeners?: readonly Json[];
};

/** A waypoint that is ready, for its own namespace. */
export function gateway(path: string, fields: GatewayFields = {}): KubeObject {
  const [namespace = '', name = ''] = path.split('/');
  const { className = 'istio-waypoint', addresses = [`${name}.${namespace}.svc.cluster.local`], ...rest } = fields;
  const { listeners = [{ name: 'mesh', port: 15_008, protocol: 'HBONE' }], ...meta } = rest;
  const values = addresses.map((value) => ({ type: /^[\d.]+$|:/.test(value) ? 'IPAddress' : 'Hostname', value }));
  const spec = { gatewayClassName: className, listeners };
  const status = values.length > 0 ? { addresses: values } : {};
  return object('gateway.networking.k8s.io/v1', 'Gateway', path, meta, { spec, status });
}

export const gatewayClass = (name: string, meta: Meta = {}) =>
  object('gateway.networking.k8s.io/v1', 'GatewayClass', name, meta, {});
