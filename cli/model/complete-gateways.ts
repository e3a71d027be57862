/** What the controller makes of a waypoint's Gateway (controller.md section 4): its service, its pod, its addresses. */
import { DEFAULT_MESH_CONFIG, type KubeObject } from '../../mesh/index.ts';

const WAYPOINT_CLASS = 'istio-waypoint';
const HBONE_PORT = 15_008;
const NAME_LABEL = 'gateway.networking.k8s.io/gateway-name';

/** Gateways that already have an address are as they are on a cluster; those of other classes are made by somebody else. */
export function withWaypoints(objects: readonly KubeObject[]): readonly KubeObject[] {
  const made: KubeObject[] = [];
  const completed = objects.map((object) => {
    if (!isUnmade(object)) return object;
    const { namespace = '' } = object.metadata;
    made.push(...[serviceOf(object), podOf(object)].filter((one) => !objects.some((other) => isSame(one, other))));
    const value = `${namesOf(object).service}.${namespace}.svc.${DEFAULT_MESH_CONFIG.clusterDomain}`;
    return { ...object, status: { addresses: [{ type: 'Hostname', value }] } };
  });
  return [...completed, ...made];
}

function isUnmade({ apiVersion, kind, spec, status }: KubeObject): boolean {
  if (kind !== 'Gateway' || !apiVersion.startsWith('gateway.networking.k8s.io/')) return false;
  const { gatewayClassName } = (spec ?? {}) as { readonly gatewayClassName?: unknown };
  const { addresses } = (status ?? {}) as { readonly addresses?: unknown };
  return gatewayClassName === WAYPOINT_CLASS && !(Array.isArray(addresses) && addresses.length > 0);
}

/** Other names by annotation. */
function namesOf({ metadata: { name, annotations } }: KubeObject): {
  readonly service: string;
  readonly account: string;
} {
  const service = annotations?.['gateway.istio.io/name-override'] ?? name;
  return { service, account: annotations?.['gateway.istio.io/service-account'] ?? service };
}

function serviceOf(gateway: KubeObject): KubeObject {
  const { name, namespace } = gateway.metadata;
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: namesOf(gateway).service,
      ...(namespace !== undefined && { namespace }),
      labels: { [NAME_LABEL]: name, 'gateway.istio.io/managed': 'istio.io-mesh-controller' },
    },
    spec: { selector: { [NAME_LABEL]: name }, ports: [{ name: 'mesh', port: HBONE_PORT }] },
  };
}

function podOf(gateway: KubeObject): KubeObject {
  const { name, namespace } = gateway.metadata;
  const { service, account } = namesOf(gateway);
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: service,
      ...(namespace !== undefined && { namespace }),
      labels: {
        [NAME_LABEL]: name,
        'gateway.istio.io/managed': 'istio.io-mesh-controller',
        'istio.io/dataplane-mode': 'none',
        'networking.istio.io/tunnel': 'http',
      },
    },
    spec: { serviceAccountName: account, containers: [] },
  };
}

function isSame(a: KubeObject, b: KubeObject): boolean {
  return a.kind === b.kind && a.metadata.name === b.metadata.name && a.metadata.namespace === b.metadata.namespace;
}
