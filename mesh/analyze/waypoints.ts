/** Waypoints that serve nothing, and who asks for one that does not serve it. */
import { isReady, readGateway } from '../derive/gateway.ts';
import { fields, labelsOf, text } from '../derive/read.ts';
import { getOrAdd } from '../derive/selector.ts';
import { waypointWish, wishedGateways } from '../derive/waypoint-wish.ts';
import type { KubeObject } from '../kube-object.ts';
import { bindingsOf, GATEWAY, GATEWAY_CLASS, isWaypoint, type Unfulfilled, wisherOf } from './bindings.ts';
import type { Code } from './codes.ts';
import { type Finding, finding, formatRef, type ObjectRef, podField, refOf, some } from './finding.ts';
import { kindOf, type World } from './world.ts';

const USE = 'metadata.labels["istio.io/use-waypoint"]';
const FOR = 'istio.io/waypoint-for';
const WISHERS = [
  '/Namespace',
  '/Service',
  '/Pod',
  'networking.istio.io/ServiceEntry',
  'networking.istio.io/WorkloadEntry',
];

export function* waypointProblems(world: World): Generator<Finding> {
  const asked = askedFor(world);
  for (const gateway of world.objects(GATEWAY)) {
    const ref = refOf(gateway);
    const users = asked.get(`${ref.namespace}/${ref.name}`) ?? [];
    const found = ofNoClass(gateway, users, world) ?? notReady(gateway, users);
    if (found !== undefined) yield found;
    if (!isWaypoint(gateway, world)) continue;
    if (labelsOf(gateway.metadata.labels)[FOR] === 'none') {
      yield finding('AMB0710', ref, {
        field: `metadata.labels["${FOR}"]`,
        message: 'serves no traffic at all: who asks for it goes without a waypoint',
        fix: 'say service, workload or all, unless it is there to be tried out',
        related: users.slice(0, MOST_RELATED),
      });
    } else if (users.length === 0) {
      yield finding('AMB0704', ref, {
        message: 'nobody asks for it: it carries nothing, and policies about it enforce nothing',
        fix: `label a Namespace, Service or Pod istio.io/use-waypoint: ${ref.name}, or take the waypoint away`,
      });
    }
  }
  const owners = new Map(world.pods.map(({ object, owner }) => [object, owner]));
  for (const wish of bindingsOf(world).unfulfilled.values()) {
    const found = unfulfilledWish(wish, owners, world);
    if (found !== undefined) yield found;
  }
}

/** Objects that name a waypoint, by its `namespace/name`. */
function askedFor(world: World): ReadonlyMap<string, readonly ObjectRef[]> {
  const asked = new Map<string, ObjectRef[]>();
  for (const object of WISHERS.flatMap(world.objects)) {
    const { name, namespace = '', labels, annotations } = object.metadata;
    const own = kindOf(object) === '/Namespace' ? name : namespace;
    for (const key of wishedGateways(waypointWish(labelsOf(labels), annotations), own)) {
      getOrAdd(asked, key, () => []).push(refOf(object));
    }
  }
  return asked;
}

/** Of those that ask for one waypoint, a finding names so many at most. */
const MOST_RELATED = 20;

/** Files may leave classes out: what the mesh itself makes is not missed there. */
function ofNoClass(gateway: KubeObject, users: readonly ObjectRef[], world: World): Finding | undefined {
  const className = text(fields(gateway['spec'])['gatewayClassName']);
  if (users.length === 0 || isWaypoint(gateway, world) || world.find(GATEWAY_CLASS, '', className)) return undefined;
  return finding('AMB0701', refOf(gateway), {
    field: 'spec.gatewayClassName',
    message: `there is no GatewayClass ${JSON.stringify(className)}: nobody makes this waypoint, and traffic of ${some(users.map(formatRef))} goes on without it, or is denied where L7 policies are about it`,
    fix: 'write istio-waypoint',
    related: users.slice(0, MOST_RELATED),
  });
}

/** Told of the waypoint, not of each who asks. */
function notReady(gateway: KubeObject, users: readonly ObjectRef[]): Finding | undefined {
  const reading = readGateway(gateway);
  if (users.length === 0 || (reading.kind === 'facts' && isReady(reading.facts))) return undefined;
  return finding('AMB0701', refOf(gateway), {
    field: 'status.addresses',
    message: `has no address yet: traffic of ${some(users.map(formatRef))} goes on without it, or is denied where L7 policies are about it`,
    fix: `see why: ambit waypoint status ${gateway.metadata.name} -n ${gateway.metadata.namespace}`,
    related: users.slice(0, MOST_RELATED),
  });
}

const CODE_OF: Readonly<Record<string, Code>> = {
  AttachmentDenied: 'AMB0702',
  CrossNamespaceWaypointForbidden: 'AMB0702',
  UnsupportedTrafficType: 'AMB0703',
};
const FIXES: Readonly<Record<string, string>> = {
  AttachmentDenied:
    'admit the namespace in the Gateway (spec.listeners[].allowedRoutes.namespaces), or use a waypoint of its own',
  CrossNamespaceWaypointForbidden:
    'use a waypoint of its own namespace, or let others see its hosts (serviceEntryVisibility of the mesh configuration)',
  UnsupportedTrafficType: `label the Gateway ${FOR}: all, or take istio.io/use-waypoint away here`,
};

function unfulfilledWish(
  { kind, namespace, name, reason, message }: Unfulfilled,
  owners: ReadonlyMap<KubeObject, ObjectRef>,
  world: World,
): Finding | undefined {
  const object = WISHERS.map((known) => world.find(known, namespace, name)).find((one) => one?.kind === kind);
  const wisher = object && wisherOf(object, world);
  const wish = wisher && waypointWish(labelsOf(wisher.metadata.labels));
  const code = CODE_OF[reason];
  if (wisher === undefined || wish === undefined || code === undefined) return undefined;
  const gateway = world.find(GATEWAY, wish.namespace ?? namespace, wish.name);
  const owner = owners.get(wisher);
  return finding(code, owner ?? refOf(wisher), {
    field: owner === undefined ? USE : podField(owner, USE),
    message,
    fix: FIXES[reason] ?? 'use another waypoint',
    ...(gateway && { related: [refOf(gateway)] }),
  });
}
