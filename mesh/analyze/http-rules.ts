/** Where HTTP is looked at: policies and routes that are about services, and the ports for which that makes a difference. */
import { fields, list, text, texts } from '../derive/read.ts';
import { getOrAdd } from '../derive/selector.ts';
import type { KubeObject } from '../kube-object.ts';
import { targetsIn } from '../validate/attachment.ts';
import { httpPartsOf } from '../validate/authorization-effect.ts';
import { GATEWAY } from './bindings.ts';
import type { World } from './world.ts';

export const AUTHORIZATION = 'security.istio.io/AuthorizationPolicy';
export const AUTHENTICATION = 'security.istio.io/RequestAuthentication';
const ROUTES = ['gateway.networking.k8s.io/HTTPRoute', 'gateway.networking.k8s.io/GRPCRoute'];

/** Group and kind of a target, as `World.objects` names it. */
const TARGET_KINDS: Readonly<Record<string, string>> = {
  '/Service': '/Service',
  'core/Service': '/Service',
  'networking.istio.io/ServiceEntry': 'networking.istio.io/ServiceEntry',
  [GATEWAY]: GATEWAY,
  'gateway.networking.k8s.io/GatewayClass': 'gateway.networking.k8s.io/GatewayClass',
};

export type Target = { readonly field: string; readonly kind: string; readonly name: string };

/** Targets of a policy, of kinds that can be one. They are in the namespace of the policy. */
export function targetsOf(policy: KubeObject): readonly Target[] {
  return targetsIn(fields(policy['spec'])).flatMap(({ at, target }) => {
    const kind = TARGET_KINDS[`${text(target['group'])}/${text(target['kind'])}`];
    return kind === undefined ? [] : [{ field: at, kind, name: text(target['name']) }];
  });
}

/** Whether any rule of an AuthorizationPolicy asks for what only HTTP has. */
export const looksAtHttp = (policy: KubeObject) =>
  list(fields(policy['spec'])['rules']).some((rule) => httpPartsOf(rule).length > 0);

const known = new WeakMap<World, ReadonlyMap<string, readonly KubeObject[]>>();

/** Policies and routes about HTTP that name a Service or ServiceEntry themselves. */
export function httpRulesAbout(object: KubeObject, world: World): readonly KubeObject[] {
  let rules = known.get(world);
  if (rules === undefined) {
    rules = gather(world);
    known.set(world, rules);
  }
  const { namespace = '', name } = object.metadata;
  return rules.get(`${object.kind} ${namespace}/${name}`) ?? [];
}

function gather(world: World): ReadonlyMap<string, readonly KubeObject[]> {
  const rules = new Map<string, KubeObject[]>();
  const note = (kind: string, namespace: string, name: string, rule: KubeObject) =>
    getOrAdd(rules, `${kind} ${namespace}/${name}`, () => []).push(rule);
  for (const policy of [...world.objects(AUTHORIZATION).filter(looksAtHttp), ...world.objects(AUTHENTICATION)]) {
    for (const { kind, name } of targetsOf(policy)) {
      note(kind.slice(kind.indexOf('/') + 1), policy.metadata.namespace ?? '', name, policy);
    }
  }
  for (const route of ROUTES.flatMap(world.objects)) {
    for (const written of list(fields(route['spec'])['parentRefs'])) {
      const { kind, namespace, name } = fields(written);
      note(text(kind) || 'Gateway', text(namespace) || (route.metadata.namespace ?? ''), text(name), route);
    }
  }
  return rules;
}

/** Ports of one rule of an AuthorizationPolicy; undefined: all of them. */
export function portsOfRule(rule: unknown): ReadonlySet<number> | undefined {
  const alternatives = list(fields(rule)['to']).map((to) => texts(fields(fields(to)['operation'])['ports']));
  if (alternatives.length === 0 || alternatives.some((ports) => ports.length === 0)) return undefined;
  return new Set(alternatives.flat().map(Number));
}
