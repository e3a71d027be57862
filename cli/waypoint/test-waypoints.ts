/** Waypoints as tests of the CLI see them. */
import type { KubeObject } from '../../mesh/index.ts';
import { GATEWAY_NAME, waypointGateway } from './manifest.ts';

type Labels = Readonly<Record<string, string>>;

export const CLASS: KubeObject = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'GatewayClass',
  metadata: { name: 'istio-waypoint' },
  spec: { controllerName: 'istio.io/mesh-controller' },
};

export const object = (
  kind: string,
  path: string,
  o: { readonly labels?: Labels; readonly spec?: object; readonly status?: object; readonly apiVersion?: string } = {},
): KubeObject => {
  const [namespace = '', name = ''] = path.split('/');
  const { apiVersion = 'v1', labels = {}, spec, status } = o;
  return { apiVersion, kind, metadata: { namespace, name, labels }, ...(spec && { spec }), ...(status && { status }) };
};

export const namespace = (name: string, labels: Labels = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, labels },
});

export const AMBIENT = { 'istio.io/dataplane-mode': 'ambient' };

export function waypoint(
  path: string,
  o: { readonly labels?: Labels; readonly conditions?: readonly object[]; readonly className?: string } = {},
): KubeObject {
  const [ns = '', name = ''] = path.split('/');
  const made = waypointGateway({ name, namespace: ns, traffic: undefined, revision: undefined });
  return {
    ...made,
    metadata: { ...made.metadata, labels: o.labels ?? {} },
    spec: { ...(made['spec'] as object), ...(o.className && { gatewayClassName: o.className }) },
    ...(o.conditions && { status: { conditions: o.conditions } }),
  };
}

export const PROGRAMMED = { type: 'Programmed', status: 'True', reason: 'Programmed', message: 'at gate.shop:15008' };

export function deployment(path: string, ready: number): KubeObject {
  const [, name = ''] = path.split('/');
  return object('Deployment', path, {
    labels: { [GATEWAY_NAME]: name },
    spec: { replicas: 1 },
    status: { observedGeneration: 1, replicas: 1, updatedReplicas: 1, availableReplicas: ready },
  });
}

export const pod = (path: string, of: string, status: object): KubeObject =>
  object('Pod', path, { labels: { [GATEWAY_NAME]: of }, status: { phase: 'Pending', ...status } });

/** As the controller does: every waypoint gets its conditions, and pods that are ready. */
export function serveWaypoints(objects: Map<string, KubeObject>): void {
  for (const [key, one] of objects) {
    if (one.kind !== 'Gateway') continue;
    const { namespace: ns = '', name } = one.metadata;
    objects.set(key, { ...one, status: { conditions: [PROGRAMMED] } });
    objects.set(`Deployment ${ns}/${name}`, deployment(`${ns}/${name}`, 1));
  }
}
