/** L4 policies of pods behind a waypoint: whom they let in is not who comes, as far as a ztunnel can see. */
import { mustParseIp } from '../address.ts';
import { labelsOf } from '../derive/read.ts';
import { getOrAdd } from '../derive/selector.ts';
import type { Workload } from '../model.ts';
import { evaluate } from '../policy/evaluate.ts';
import { type SpiffeId, spiffeId } from '../spiffe.ts';
import { type BoundService, bindingsOf, GATEWAY } from './bindings.ts';
import { type Finding, finding, type ObjectRef, some } from './finding.ts';
import type { World } from './world.ts';

const ACCOUNT = 'gateway.istio.io/service-account';
const NAME = 'gateway.istio.io/name-override';
const SEGMENT = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;
/** Policies that name the waypoint by its address are for people who know what they do. */
const SOMEWHERE = { ip: mustParseIp('0.0.0.0'), port: 0 };

/**
 * Our ztunnel judges the original caller, whom a waypoint of ours names to it. One of the reference sees the waypoint alone: a
 * policy that lets in the callers and not the waypoint shuts out everybody there.
 */
export function* callersNamedBehindWaypoint(world: World): Generator<Finding> {
  const told = new Map<string, { readonly policy: ObjectRef; readonly gateway: string; readonly services: string[] }>();
  for (const service of bindingsOf(world).services.values()) {
    for (const gateway of service.gateways) {
      for (const key of shuttingOut(world, service, gateway)) {
        const [namespace = '', name = ''] = key.split('/');
        const policy = { kind: 'AuthorizationPolicy', namespace, name };
        getOrAdd(told, `${key} ${gateway}`, () => ({ policy, gateway, services: [] })).services.push(service.hostname);
      }
    }
  }
  for (const { policy, gateway, services } of told.values()) {
    const account = (accountOf(world, gateway) ?? '').replace('spiffe://', '');
    yield finding('AMB0706', policy, {
      field: 'spec.rules',
      message: `lets in callers of ${some(services)}, and not waypoint ${gateway}, through which they come: ztunnels of this mesh judge the original caller, others see ${account} and deny`,
      fix: `where nodes run other ztunnels, add ${account} to from.source.principals; policies about callers belong to the waypoint (targetRefs)`,
      related: [refOfGateway(gateway)],
    });
  }
}

/** Keys of the ALLOW policies of its endpoints, where none of them lets the waypoint in. */
function shuttingOut(world: World, service: BoundService, gateway: string): ReadonlySet<string> {
  const { view } = world.model;
  const held = view.serviceByKey(`${service.namespace}/${service.hostname}`);
  const keys = new Set<string>();
  const source = accountOf(world, gateway);
  if (held === undefined || source === undefined) return keys;
  for (const { workload, ports } of view.endpoints(held)) {
    if (workload.tunnelProtocol === 'NONE' || workload.nativeTunnel) continue;
    const port = ports[0]?.targetPort ?? held.ports[0]?.targetPort ?? 0;
    for (const key of deniedBy(world, workload, source, port)) keys.add(key);
  }
  return keys;
}

function deniedBy(world: World, workload: Workload, source: SpiffeId, port: number): readonly string[] {
  const [ip] = workload.addresses;
  if (ip === undefined) return [];
  const scope = world.model.view.policyScope(workload);
  const { because } = evaluate(scope, { source, from: SOMEWHERE, to: { ip, port } });
  if (because !== 'no-allow-match') return [];
  // Rules for nobody in particular are no matter of who comes: only those that name somebody are meant.
  return scope.allow.policies
    .filter(({ authorization: { rules } }) =>
      rules.some(({ clauses }) => clauses.some(({ matches }) => matches.some(namesCallers))),
    )
    .map(({ authorization: { namespace, name } }) => `${namespace}/${name}`);
}

const namesCallers = (
  match: { readonly [field in 'principals' | 'namespaces' | 'serviceAccounts']: readonly unknown[] },
) => match.principals.length + match.namespaces.length + match.serviceAccounts.length > 0;

/** Undefined where what is written can be nobody's account. */
function accountOf(world: World, gateway: string): SpiffeId | undefined {
  const { namespace, name } = refOfGateway(gateway);
  const annotations = labelsOf(world.find(GATEWAY, namespace, name)?.metadata.annotations);
  const account = annotations[ACCOUNT] ?? annotations[NAME] ?? name;
  return SEGMENT.test(account) ? spiffeId(world.config.trustDomain, namespace, account) : undefined;
}

function refOfGateway(key: string): ObjectRef & { readonly namespace: string } {
  const [namespace = '', name = ''] = key.split('/');
  return { kind: 'Gateway', namespace, name };
}
