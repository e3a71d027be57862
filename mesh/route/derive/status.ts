/** What a route's status says of each of its parents (waypoint.md sections 1.15 and 2.12). */
import type { ConditionTarget } from '../../derive/outputs.ts';
import type { ParentFacts, RouteFacts } from './facts.ts';
import { resolveBackend, type Surroundings } from './resolve.ts';
import { takes } from './tables.ts';

/** As in the reference, for parents in the mesh, too. */
export const ROUTE_CONTROLLER = 'istio.io/gateway-controller';

export type RouteCondition = {
  readonly type: 'Accepted' | 'ResolvedRefs' | 'ResolvedWaypoints' | 'PartiallyInvalid';
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
};

export type RouteParentStatus = {
  /** As the route names it. */
  readonly parentRef: Readonly<Record<string, unknown>>;
  readonly conditions: readonly RouteCondition[];
};

/** What should stand on a route; without parents nothing of ours. */
export type RouteStatus = { readonly object: ConditionTarget; readonly parents: readonly RouteParentStatus[] };

/** A message is bounded, and the rest of a long list says nothing new. */
const MAX_LISTED = 8;

export function statusOfRoute(route: RouteFacts, around: Surroundings): RouteStatus {
  const refs = refsCondition(route, around);
  const partly = partlyInvalid(route);
  const parents = route.parents.map((parent) => ({
    parentRef: parent.written,
    conditions: [acceptedCondition(route, parent, around), refs, waypointsCondition(parent, around), ...partly],
  }));
  return { object: route.target, parents };
}

function acceptedCondition(route: RouteFacts, parent: ParentFacts, around: Surroundings): RouteCondition {
  const type = 'Accepted';
  const { ref, port, sectionName } = parent;
  const said = `${ref.kind} ${ref.namespace}/${ref.name}`;
  const refused = (reason: string, message: string) => ({ type, status: 'False', reason, message }) as const;
  const services = around.services(ref);
  if (services.length === 0) return refused('NoMatchingParent', `${said} does not exist`);
  if (sectionName !== '') return refused('NoMatchingParent', `${said} has no sections; name a port instead`);
  const ports = services.flatMap((service) => service.ports);
  if (port !== undefined && !ports.some((one) => one.port === port)) {
    return refused('NoMatchingParent', `${said} has no port ${port}`);
  }
  if (!ports.some((one) => takes(route.kind, parent, one.port, one.protocol))) {
    const which = port === undefined ? 'no port' : `port ${port}, which is not one`;
    return refused(
      'NoMatchingParent',
      `${said} has ${which} for a ${route.kind}: see appProtocol or the name of the port`,
    );
  }
  const isHttp = route.kind === 'HTTPRoute' || route.kind === 'GRPCRoute';
  const isUseful = route.rules.some(({ matches, sni, problems }) =>
    isHttp ? matches.length > 0 : route.kind === 'TCPRoute' || (sni.length > 0 && problems.length === 0),
  );
  if (!isUseful) return refused('UnsupportedValue', `no rule can be had: ${problemsOf(route)}`);
  return { type, status: 'True', reason: 'Accepted', message: `attached to ${said}` };
}

function refsCondition(route: RouteFacts, around: Surroundings): RouteCondition {
  const type = 'ResolvedRefs';
  const failures: { readonly reason: string; readonly message: string }[] = [];
  for (const [index, rule] of route.rules.entries()) {
    for (const { message, effect } of rule.problems) {
      if (effect === 'failed')
        failures.push({ reason: 'InvalidFilter', message: `rules[${index}].${message}; answered with 500` });
    }
    const named = [
      ...rule.backends.map(({ ref }, at) => ({ ref, at: `backendRefs[${at}]`, effect: 'its share fails' })),
      ...rule.mirrors.map(({ ref }) => ({ ref, at: 'RequestMirror', effect: 'nothing is mirrored' })),
    ];
    for (const { ref, at, effect } of named) {
      const resolved = resolveBackend(route, ref, around);
      if (resolved.kind === 'service') continue;
      failures.push({ reason: resolved.reason, message: `rules[${index}].${at}: ${resolved.message}; ${effect}` });
    }
  }
  const [first] = failures;
  if (first === undefined)
    return { type, status: 'True', reason: 'ResolvedRefs', message: 'all references are resolved' };
  return { type, status: 'False', reason: first.reason, message: listed(failures.map(({ message }) => message)) };
}

/** Unlike the reference we say False when nothing of the route is enforced for want of a waypoint. */
function waypointsCondition({ ref }: ParentFacts, around: Surroundings): RouteCondition {
  const type = 'ResolvedWaypoints';
  const said = `${ref.kind} ${ref.namespace}/${ref.name}`;
  const without = 'the route has no effect';
  if (around.services(ref).length === 0) {
    return { type, status: 'False', reason: 'NoMatchingParent', message: `${said} does not exist; ${without}` };
  }
  const binding = around.binding(ref);
  switch (binding.kind) {
    case 'bound':
      return { type, status: 'True', reason: 'ResolvedWaypoints', message: `enforced by waypoint ${binding.gateway}` };
    case 'none': {
      const advice = 'label it, or its namespace, with istio.io/use-waypoint';
      return { type, status: 'False', reason: 'NoWaypoint', message: `${said} has no waypoint, ${without}: ${advice}` };
    }
    case 'unbound':
      return { type, status: 'False', reason: binding.reason, message: `${binding.message}; ${without}` };
    default:
      return binding satisfies never;
  }
}

function partlyInvalid(route: RouteFacts): readonly RouteCondition[] {
  if (route.rules.every(({ problems }) => problems.length === 0)) return [];
  const message = `the rest is enforced: ${problemsOf(route)}`;
  return [{ type: 'PartiallyInvalid', status: 'True', reason: 'UnsupportedValue', message }];
}

function problemsOf(route: RouteFacts): string {
  const said = route.rules.flatMap(({ problems }, index) =>
    problems.map(({ effect, message }) => {
      const consequence = effect === 'failed' ? 'the rule is answered with 500' : 'left out';
      return `rules[${index}].${message} (${consequence})`;
    }),
  );
  return listed(said);
}

function listed(messages: readonly string[]): string {
  const shown = messages.slice(0, MAX_LISTED);
  if (messages.length > MAX_LISTED) shown.push(`and ${messages.length - MAX_LISTED} more`);
  return shown.join('; ');
}
