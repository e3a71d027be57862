/** Routes that do nothing, or less than they say; and rules that no request ever reaches. */
import { isEqual } from '../derive/equal.ts';
import { fields, list, text } from '../derive/read.ts';
import type { RouteStatus } from '../route/derive/status.ts';
import { bindingsOf } from './bindings.ts';
import type { Code } from './codes.ts';
import { type Finding, finding, formatRef, type ObjectRef, refOf } from './finding.ts';
import { shadowsOf } from './route-shadows.ts';
import type { World } from './world.ts';

const GROUP = 'gateway.networking.k8s.io';
const KINDS = ['HTTPRoute', 'GRPCRoute', 'TCPRoute', 'TLSRoute'];

export function* routeProblems(world: World): Generator<Finding> {
  for (const status of world.model.routes) yield* saidOf(status, world);
  yield* shadowedRules(world);
}

const FIXES: Readonly<Record<'AMB0711' | 'AMB0712' | 'AMB0713' | 'AMB0714', string>> = {
  AMB0711:
    'let the Service have a waypoint: ambit waypoint apply --enroll-namespace, or the label istio.io/use-waypoint',
  AMB0712: 'correct the parent: its name and namespace, its port, and the protocol that the port declares',
  AMB0713: 'correct the backend, or make what it names; a ReferenceGrant in its namespace lets others name it',
  AMB0714: 'correct what the message names, or take it away',
};

/** What derivation says of a route, to each of its parents (waypoint.md section 2.12). */
function* saidOf({ object, parents }: RouteStatus, world: World): Generator<Finding> {
  const ref = refOf(object);
  const { kind, namespace = '', name } = ref;
  const written = list(fields(world.find(`${GROUP}/${kind}`, namespace, name)?.['spec'])['parentRefs']);
  for (const { parentRef, conditions } of parents) {
    const index = written.findIndex((one) => isEqual(one, parentRef));
    const parent = `spec.parentRefs[${Math.max(index, 0)}]`;
    const [isRefused, refs, waypoints, partly] = [
      'Accepted',
      'ResolvedRefs',
      'ResolvedWaypoints',
      'PartiallyInvalid',
    ].map((type) => conditions.find((condition) => condition.type === type));
    const tell = (code: keyof typeof FIXES, field: string, message: string) =>
      finding(code, ref, { field, message, fix: FIXES[code] });
    if (isRefused?.status === 'False') {
      const field = isRefused.reason === 'UnsupportedValue' ? 'spec.rules' : parent;
      yield tell('AMB0712', field, `the route is not in force: ${isRefused.message}`);
      continue;
    }
    if (waypoints?.status === 'False') yield tell('AMB0711', parent, waypoints.message);
    if (refs?.status === 'False') yield tell('AMB0713', 'spec.rules', refs.message);
    if (partly?.status === 'True') yield tell('AMB0714', 'spec.rules', partly.message);
  }
}

type Rule = { readonly ref: ObjectRef; readonly index: number };

function* shadowedRules(world: World): Generator<Finding> {
  let rules: ReadonlyMap<string, Rule> | undefined;
  for (const { hostname, ports } of bindingsOf(world).services.values()) {
    for (const { port, routes } of ports) {
      if (routes === undefined) continue;
      for (const { rule, by, isWhole } of shadowsOf(routes)) {
        rules ??= rulesByName(world);
        const [shadowed, covering] = [rules.get(rule), rules.get(by)];
        if (shadowed === undefined) continue;
        const code: Code = 'AMB0715';
        const other = covering === undefined ? by : `rule ${covering.index} of ${formatRef(covering.ref)}`;
        yield finding(code, shadowed.ref, {
          field: `spec.rules[${shadowed.index}]`,
          message: `${isWhole ? 'never matches' : 'one of its matches never matches'} on port ${port} of ${hostname}: ${other} matches all of it and comes first`,
          fix: 'narrow the other, or take this one away; of equal matches the older route counts',
          related: covering === undefined || covering.ref === shadowed.ref ? [] : [covering.ref],
        });
      }
    }
  }
}

/** As tables call rules: by the name of their own, else `<namespace>.<route>.<index>`. */
function rulesByName(world: World): ReadonlyMap<string, Rule> {
  const rules = new Map<string, Rule>();
  for (const route of KINDS.flatMap((kind) => world.objects(`${GROUP}/${kind}`))) {
    const ref = refOf(route);
    for (const [index, rule] of list(fields(route['spec'])['rules']).entries()) {
      rules.set(text(fields(rule)['name']) || `${ref.namespace}.${ref.name}.${index}`, { ref, index });
    }
  }
  return rules;
}
