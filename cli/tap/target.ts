/** Whose requests are asked for: which waypoints carry them, and what tells them from others. */
import { RESOURCES } from '../../core/kube/index.ts';
import { type KubeObject, waypointWish } from '../../mesh/index.ts';
import type { Cluster } from '../cluster.ts';
import { isLive } from '../enrolment.ts';
import { CliError, UsageError } from '../errors.ts';
import { waypointsIn } from '../waypoint/gateways.ts';
import { GATEWAY_NAME, USE_WAYPOINT } from '../waypoint/manifest.ts';
import type { TapEntry } from './entry.ts';

export type TapTarget = {
  readonly pods: readonly { readonly namespace: string; readonly name: string }[];
  /** `namespace/name` of a service, for the waypoints to filter by. */
  readonly service?: string;
  /** Told here, whatever the waypoints filter. */
  readonly isMeant?: (entry: TapEntry) => boolean;
};

type Named = { readonly kind: 'waypoint' | 'service' | 'pod'; readonly name: string; readonly namespace: string };

const KINDS: ReadonlyMap<string, Named['kind']> = new Map([
  ['waypoint', 'waypoint'],
  ['wp', 'waypoint'],
  ['gateway', 'waypoint'],
  ['svc', 'service'],
  ['service', 'service'],
  ['pod', 'pod'],
  ['po', 'pod'],
]);
const FORMS = 'svc/NAME.NAMESPACE, pod/NAME.NAMESPACE or waypoint/NAME.NAMESPACE';
/** Port-forwards that stay open at a time. */
const MAX_PODS = 64;

export type Where = { readonly namespace: string; readonly isEverywhere: boolean };

/** Throws UsageError for what can not be read, CliError for what is not there or has no waypoint. */
export async function tapTarget(cluster: Cluster, text: string | undefined, where: Where): Promise<TapTarget> {
  const target = text === undefined ? await everyone(cluster, where) : await one(cluster, parse(text, where.namespace));
  if (target.pods.length > MAX_PODS) {
    throw new CliError(
      `${target.pods.length} pods of waypoints are meant, and ${MAX_PODS} can be tapped: name a service or a waypoint`,
    );
  }
  return target;
}

function parse(text: string, namespace: string): Named {
  const [prefix = '', path = '', ...rest] = text.split('/');
  const kind = KINDS.get(prefix.toLowerCase());
  const dot = path.lastIndexOf('.');
  const [name, own] = dot === -1 ? [path, namespace] : [path.slice(0, dot), path.slice(dot + 1)];
  if (kind === undefined || rest.length > 0 || name === '' || own === '') {
    throw new UsageError(`${JSON.stringify(text)}: expected ${FORMS}`);
  }
  return { kind, name, namespace: own };
}

function one(cluster: Cluster, named: Named): Promise<TapTarget> {
  switch (named.kind) {
    case 'waypoint':
      return ofWaypoint(cluster, named);
    case 'service':
      return ofService(cluster, named);
    case 'pod':
      return ofPod(cluster, named);
    default:
      return named.kind satisfies never;
  }
}

async function everyone(cluster: Cluster, { namespace, isEverywhere }: Where): Promise<TapTarget> {
  const waypoints = await waypointsIn(cluster, isEverywhere ? undefined : namespace);
  const pods = await Promise.all(waypoints.map((waypoint) => podsOf(cluster, waypoint)));
  if (pods.flat().length > 0) return { pods: pods.flat() };
  const place = isEverywhere ? 'in this cluster' : `in namespace ${namespace}`;
  throw new CliError(
    waypoints.length === 0
      ? `there is no waypoint ${place}${isEverywhere ? '' : ' (-A looks everywhere)'}: \`ambit waypoint apply\` makes one`
      : `no pod of a waypoint runs ${place}: \`ambit waypoint status\``,
  );
}

async function ofWaypoint(cluster: Cluster, { namespace, name }: Omit<Named, 'kind'>): Promise<TapTarget> {
  const there = await waypointsIn(cluster, namespace);
  if (!there.some((waypoint) => waypoint.name === name)) {
    const others = there.map((waypoint) => waypoint.name).join(', ') || 'none';
    throw new CliError(`there is no waypoint ${namespace}/${name}; in that namespace there is ${others}`);
  }
  const pods = await podsOf(cluster, { namespace, name });
  if (pods.length > 0) return { pods };
  throw new CliError(`no pod of waypoint ${namespace}/${name} runs: \`ambit waypoint status ${name} -n ${namespace}\``);
}

async function ofService(cluster: Cluster, { namespace, name }: Named): Promise<TapTarget> {
  const service = await cluster.get(RESOURCES.Service, name, namespace);
  if (service === undefined) throw new CliError(`there is no service ${namespace}/${name}`);
  const inherited = (await cluster.get(RESOURCES.Namespace, namespace))?.metadata.labels ?? {};
  const wish = waypointWish(service.metadata.labels ?? {}) ?? waypointWish(inherited);
  if (wish === undefined || wish.optOut) {
    throw new CliError(
      `service ${namespace}/${name} uses no waypoint, and only those see requests: kubectl label service ${name} -n ${namespace} ${USE_WAYPOINT}=NAME`,
    );
  }
  const { pods } = await ofWaypoint(cluster, { namespace: wish.namespace ?? namespace, name: wish.name });
  const { canary } = wish;
  const tried = canary && (await podsOf(cluster, { namespace: canary.namespace ?? namespace, name: canary.name }));
  const isMeant = ({ destination, called }: TapEntry) =>
    [destination, called].some((one) => one?.service?.startsWith(`${namespace}/${name}.`) === true);
  return { pods: [...pods, ...(tried ?? [])], service: `${namespace}/${name}`, isMeant };
}

/** Requests from it and to it, which any waypoint may carry: told by its addresses. */
async function ofPod(cluster: Cluster, { namespace, name }: Named): Promise<TapTarget> {
  const all = (await cluster.list(RESOURCES.Pod, { namespace })).filter(isLive);
  const exact = all.filter(({ metadata }) => metadata.name === name);
  const meant = exact.length > 0 ? exact : all.filter(({ metadata }) => isReplica(metadata.name, name));
  if (meant.length === 0) throw new CliError(`there is no pod ${namespace}/${name}`);
  const ips = new Set(meant.flatMap(addressesOf));
  const { pods } = await everyone(cluster, { namespace, isEverywhere: true });
  const isMeant = ({ source, destination }: TapEntry) =>
    ips.has(source.ip ?? '') || ips.has(hostOf(destination.endpoint ?? ''));
  return { pods, isMeant };
}

/** As pods of Deployments and StatefulSets are called. */
const isReplica = (pod: string, name: string) =>
  pod.startsWith(`${name}-`) && /^-([a-z0-9]+-[a-z0-9]{5}|\d+)$/.test(pod.slice(name.length));

function addressesOf(pod: KubeObject): readonly string[] {
  const { podIP, podIPs = [] } = (pod['status'] ?? {}) as {
    readonly podIP?: string;
    readonly podIPs?: readonly { readonly ip: string }[];
  };
  return [...(podIP === undefined ? [] : [podIP]), ...podIPs.map(({ ip }) => ip)];
}

const hostOf = (endpoint: string) => /^\[(.*)\]:\d+$/.exec(endpoint)?.[1] ?? endpoint.replace(/:\d+$/, '');

async function podsOf(cluster: Cluster, { namespace, name }: { readonly namespace: string; readonly name: string }) {
  const pods = await cluster.list(RESOURCES.Pod, { namespace, labelSelector: `${GATEWAY_NAME}=${name}` });
  return pods.filter(runs).map(({ metadata }) => ({ namespace, name: metadata.name }));
}

function runs(pod: KubeObject): boolean {
  return ((pod['status'] ?? {}) as { readonly phase?: string }).phase === 'Running';
}
