/** Waypoints and their class, together: one leadership for both. */
import type { KubeClient } from '../../core/kube/index.ts';
import type { Logger } from '../../core/telemetry/index.ts';
import type { MeshConfig } from '../../mesh/index.ts';
import type { Clock } from '../clock.ts';
import type { ControllerConfig } from '../config.ts';
import type { Informers } from '../informers.ts';
import type { Leaders } from '../kube/leaders.ts';
import type { WaypointsMetrics } from '../observe/metrics.ts';
import { WaypointClasses } from './classes.ts';
import { NETWORK } from './names.ts';
import { Waypoints } from './waypoints.ts';

export type WaypointDeploymentOptions = {
  readonly config: ControllerConfig;
  readonly client: KubeClient;
  readonly informers: Informers;
  /** As it is now. */
  readonly mesh: () => MeshConfig;
  readonly leaders: Leaders;
  readonly metrics: WaypointsMetrics;
  readonly clock: Clock;
  readonly log: Logger;
};

export interface WaypointDeployment extends AsyncDisposable {
  /** Settings of the mesh have changed. */
  lookAtAll(): void;
}

/** Once the caches are complete, and before elections begin. */
export function startWaypoints(o: WaypointDeploymentOptions): WaypointDeployment {
  const { client, clock, config, informers, leaders, mesh, metrics } = o;
  const log = o.log.scope('waypoints');
  const { namespace, revision } = config;
  const lookAtAll = (): void => {
    classes.lookAtAll();
    waypoints.lookAtAll();
  };
  const leads = leaders.join(`istio-gateway-deployment-${revision || 'default'}`, lookAtAll);
  const classes = new WaypointClasses({
    client,
    classes: informers.gatewayClasses,
    leads,
    clock,
    onProblem: (what, error) => log.warn('write failed, will be tried again', { what, error: String(error) }),
  });
  const waypoints = new Waypoints({
    client,
    informers,
    namespace,
    settings: () => ({
      image: config.waypointImage,
      namespace,
      revision,
      clusterId: config.clusterId,
      clusterDomain: config.clusterDomain,
      trustDomain: mesh().trustDomain,
      network: informers.namespaces.get(namespace)?.metadata.labels?.[NETWORK] ?? '',
    }),
    leads,
    metrics,
    clock,
    log,
  });
  classes.lookAtAll();
  waypoints.start();
  return {
    lookAtAll,
    async [Symbol.asyncDispose]() {
      await waypoints[Symbol.asyncDispose]();
      await classes[Symbol.asyncDispose]();
    },
  };
}
