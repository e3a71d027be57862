/** The Gateway that asks for a waypoint (waypoint.md section 1.8). Pure. */
import type { KubeObject } from '../../mesh/index.ts';
import { UsageError } from '../errors.ts';

export const WAYPOINT_CLASS = 'istio-waypoint';
/** Runs the gateways of such classes. */
export const MESH_CONTROLLER = 'istio.io/mesh-controller';
export const WAYPOINT_FOR = 'istio.io/waypoint-for';
export const REVISION = 'istio.io/rev';
export const USE_WAYPOINT = 'istio.io/use-waypoint';
export const USE_WAYPOINT_NAMESPACE = 'istio.io/use-waypoint-namespace';
export const GATEWAY_NAME = 'gateway.networking.k8s.io/gateway-name';
export const DEFAULT_NAME = 'waypoint';

/** What `--for` may say: traffic to services, to the addresses of workloads, both, or (for trying things out) neither. */
export const TRAFFIC_TYPES = ['service', 'workload', 'all', 'none'] as const;
export type TrafficType = (typeof TRAFFIC_TYPES)[number];

/** What a waypoint serves that says nothing of it. */
export const DEFAULT_TRAFFIC: TrafficType = 'service';

export type WaypointOrder = {
  readonly name: string;
  /** Left out of the object when it is not known yet. */
  readonly namespace: string | undefined;
  readonly traffic: string | undefined;
  readonly revision: string | undefined;
};

/** A Service of that name is made: a label of DNS (RFC 1035) that begins with a letter. */
const NAME = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/;
const OPT_OUT = 'none';

/** Throws UsageError for a name that nobody could ask for, or that no Service can have. */
export function waypointName(text: string): string {
  if (text === OPT_OUT) {
    throw new UsageError(`--name ${OPT_OUT}: that word in a label means "no waypoint"; choose another name`);
  }
  if (!NAME.test(text)) {
    throw new UsageError(
      `--name ${JSON.stringify(text)}: expected a letter, then letters, digits and dashes, at most 63 in all, in lower case`,
    );
  }
  return text;
}

export function waypointGateway({ name, namespace, traffic, revision }: WaypointOrder): KubeObject {
  const labels = {
    ...(traffic !== undefined && { [WAYPOINT_FOR]: traffic }),
    ...(revision !== undefined && { [REVISION]: revision }),
  };
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: {
      name,
      ...(namespace !== undefined && { namespace }),
      ...(Object.keys(labels).length > 0 && { labels }),
    },
    spec: {
      gatewayClassName: WAYPOINT_CLASS,
      listeners: [{ name: 'mesh', port: 15_008, protocol: 'HBONE' }],
    },
  };
}
