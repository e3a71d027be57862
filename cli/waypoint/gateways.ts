/** The waypoints of a cluster, and what is missing where there can be none. */
import { isNotFound, KubeError, RESOURCES } from '../../core/kube/index.ts';
import type { KubeObject } from '../../mesh/index.ts';
import type { Cluster } from '../cluster.ts';
import { CliError } from '../errors.ts';
import { DEFAULT_TRAFFIC, MESH_CONTROLLER, REVISION, WAYPOINT_CLASS, WAYPOINT_FOR } from './manifest.ts';

export type Condition = {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly observedGeneration?: number;
};

export type Waypoint = {
  readonly namespace: string;
  readonly name: string;
  /** `default` when it names none. */
  readonly revision: string;
  /** What it really serves: its own word, else that of its class, else `service`. */
  readonly trafficType: string;
  readonly object: KubeObject;
};

/** A kind of Gateway API that the cluster does not serve has no objects where `orNothing`; else it is an error that says what to do. */
type Absence = 'orNothing' | 'orThrow';

const NO_GATEWAY_API =
  'this cluster does not serve Gateway API (kind Gateway), which waypoints are made of: run `ambit install`, which brings it';

/** In one namespace, or in all. Sorted by namespace and name. */
export async function waypointsIn(
  cluster: Cluster,
  namespace: string | undefined,
  absence: Absence = 'orThrow',
): Promise<readonly Waypoint[]> {
  const gateways = await listed(cluster, namespace, absence);
  const classes = await waypointClasses(cluster);
  return gateways
    .flatMap((object) => {
      const ofClass = classes.get(classOf(object));
      return ofClass === undefined ? [] : [waypointOf(object, ofClass)];
    })
    .sort((a, b) => (`${a.namespace}/${a.name}` < `${b.namespace}/${b.name}` ? -1 : 1));
}

async function listed(cluster: Cluster, namespace: string | undefined, absence: Absence) {
  try {
    return await cluster.list(RESOURCES.Gateway, namespace === undefined ? {} : { namespace });
  } catch (error) {
    if (!(error instanceof CliError) || !isNotFound(error.cause)) throw error;
    if (absence === 'orNothing') return [];
    throw new CliError(NO_GATEWAY_API, { cause: error });
  }
}

/** Classes whose gateways are waypoints, by name. The usual one is known also to those who may not read classes. */
async function waypointClasses(cluster: Cluster): Promise<ReadonlyMap<string, KubeObject | 'unread'>> {
  const classes = new Map<string, KubeObject | 'unread'>([[WAYPOINT_CLASS, 'unread']]);
  for (const object of await readable(cluster.list(RESOURCES.GatewayClass), [])) {
    const { controllerName } = (object['spec'] ?? {}) as { readonly controllerName?: unknown };
    if (controllerName === MESH_CONTROLLER || object.metadata.name === WAYPOINT_CLASS) {
      classes.set(object.metadata.name, object);
    }
  }
  return classes;
}

/** Whoever may not read it goes without. */
async function readable<T>(answer: Promise<T>, without: T): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    const { cause } = error instanceof CliError ? error : {};
    if (cause instanceof KubeError && (cause.code === 403 || cause.code === 404)) return without;
    throw error;
  }
}

function waypointOf(object: KubeObject, ofClass: KubeObject | 'unread'): Waypoint {
  const { name, namespace = '', labels = {} } = object.metadata;
  const classLabels = ofClass === 'unread' ? {} : (ofClass.metadata.labels ?? {});
  return {
    namespace,
    name,
    revision: labels[REVISION] || 'default',
    trafficType: labels[WAYPOINT_FOR] ?? classLabels[WAYPOINT_FOR] ?? DEFAULT_TRAFFIC,
    object,
  };
}

export function classOf(object: KubeObject): string {
  const { gatewayClassName } = (object['spec'] ?? {}) as { readonly gatewayClassName?: unknown };
  return typeof gatewayClassName === 'string' ? gatewayClassName : '';
}

/** What the status says of the object as it is now; what was said of an earlier one does not count. */
export function conditionOf(object: KubeObject, type: string): Condition | undefined {
  const { conditions = [] } = (object['status'] ?? {}) as { readonly conditions?: readonly Condition[] };
  const found = conditions.find((condition) => condition.type === type);
  const { generation = 0 } = object.metadata;
  return found !== undefined && (found.observedGeneration ?? generation) >= generation ? found : undefined;
}

export const isProgrammed = (object: KubeObject) => conditionOf(object, 'Programmed')?.status === 'True';

/** Throws CliError when nobody would make a waypoint out of a Gateway. Who may not read classes is not stopped. */
export async function mustHaveMesh(cluster: Cluster): Promise<void> {
  const found = await readable<KubeObject | undefined | 'unread'>(
    cluster.get(RESOURCES.GatewayClass, WAYPOINT_CLASS),
    'unread',
  );
  if (found !== undefined) return;
  throw new CliError(
    `there is no GatewayClass ${WAYPOINT_CLASS}, so nobody here makes waypoints: install the mesh with \`ambit install\`; if it is installed, see whether its controller runs: \`ambit status\``,
  );
}
