/** Waypoints in the status of the mesh: what runs, who uses it, and what is not as it should be. */
import { RESOURCES } from '../../core/kube/index.ts';
import { formatRef, type KubeObject } from '../../mesh/index.ts';
import type { Cluster } from '../cluster.ts';
import { ifServed } from '../if-served.ts';
import { readiness } from '../install/readiness.ts';
import { classOf, conditionOf, isProgrammed, type Waypoint, waypointsIn } from './gateways.ts';
import { GATEWAY_NAME, WAYPOINT_CLASS } from './manifest.ts';
import { isElsewhere } from './progress.ts';
import { listUsers, type Users, waypointUsers } from './users.ts';

export type WaypointStatus = {
  readonly namespace: string;
  readonly name: string;
  readonly trafficType: string;
  readonly programmed: boolean;
  /** Replicas; both 0 where somebody else runs it. */
  readonly ready: number;
  readonly wanted: number;
  /** As `Service shop/cart`. */
  readonly usedBy: readonly string[];
};

export type WaypointOverview = {
  readonly waypoints: readonly WaypointStatus[];
  readonly problems: readonly string[];
};

export async function waypointOverview(cluster: Cluster): Promise<WaypointOverview> {
  const [waypoints, users, deployments, bound] = await Promise.all([
    waypointsIn(cluster, undefined, 'orNothing'),
    waypointUsers(cluster),
    cluster.list(RESOURCES.Deployment, { labelSelector: GATEWAY_NAME }),
    Promise.all([RESOURCES.Service, RESOURCES.ServiceEntry].map((kind) => ifServed(cluster.list(kind)))),
  ]);
  const byWaypoint = new Map(
    deployments.map((one) => [`${one.metadata.namespace}/${one.metadata.labels?.[GATEWAY_NAME]}`, one]),
  );
  const rows = waypoints.map((one) => statusOf(one, byWaypoint.get(keyOf(one)), users));
  const problems = [
    ...waypoints.flatMap((one) => problemsOf(one, byWaypoint.get(keyOf(one)))),
    ...(await unmade(cluster, waypoints, users)),
    ...bound.flat().flatMap(unbound),
  ];
  return { waypoints: rows, problems };
}

const keyOf = ({ namespace, name }: Waypoint) => `${namespace}/${name}`;

function statusOf(waypoint: Waypoint, deployment: KubeObject | undefined, users: Users): WaypointStatus {
  const { namespace, name, trafficType, object } = waypoint;
  const { ready, wanted } = deployment === undefined ? { ready: 0, wanted: 0 } : readiness(deployment);
  const usedBy = (users.get(keyOf(waypoint)) ?? []).map(formatRef);
  return { namespace, name, trafficType, programmed: isProgrammed(object), ready, wanted, usedBy };
}

function problemsOf({ namespace, name, object }: Waypoint, deployment: KubeObject | undefined): readonly string[] {
  const look = `ambit waypoint status ${name} -n ${namespace}`;
  const who = `waypoint ${namespace}/${name}`;
  const negative = ['Accepted', 'Programmed']
    .map((type) => conditionOf(object, type))
    .find((condition) => condition?.status === 'False');
  if (negative !== undefined) return [`${who}: ${negative.message ?? negative.reason ?? negative.type}: ${look}`];
  if (!isProgrammed(object)) return [`${who}: the controller has not taken it up: ${look}`];
  if (isElsewhere(object)) return [];
  if (deployment === undefined) return [`${who} has no Deployment: ${look}`];
  const { ready, wanted, complete } = readiness(deployment);
  return complete ? [] : [`${who}: ${ready} of ${wanted} pods ready: ${look}`];
}

/** Gateways of other classes may be asked for, too: they are mistakes where nobody makes such. */
async function unmade(cluster: Cluster, waypoints: readonly Waypoint[], users: Users): Promise<readonly string[]> {
  const known = new Set(waypoints.map(keyOf));
  const asked = [...users].filter(([key]) => !known.has(key)).sort(([a], [b]) => (a < b ? -1 : 1));
  const problems: string[] = [];
  for (const [key, who] of asked) {
    const [namespace = '', name = ''] = key.split('/');
    const asks = `${listUsers(who)} ${who.length === 1 ? 'asks' : 'ask'} for it`;
    const gateway = await cluster.get(RESOURCES.Gateway, name, namespace);
    if (gateway === undefined) {
      problems.push(
        `waypoint ${key} does not exist, and ${asks}: \`ambit waypoint apply -n ${namespace} --name ${name}\``,
      );
      continue;
    }
    const className = classOf(gateway);
    if ((await cluster.get(RESOURCES.GatewayClass, className)) !== undefined) continue;
    problems.push(
      `Gateway ${key}: there is no GatewayClass ${className}, and ${asks}: waypoints are of class ${WAYPOINT_CLASS}`,
    );
  }
  return problems;
}

/** A waypoint that is not there, or not ready, is told of by itself. */
function unbound(object: KubeObject): readonly string[] {
  const condition = conditionOf(object, 'istio.io/WaypointBound');
  if (condition?.status !== 'False' || condition.reason === 'WaypointIsNotReady') return [];
  const { kind, metadata } = object;
  return [`${kind} ${metadata.namespace}/${metadata.name}: ${condition.message ?? condition.reason}`];
}
