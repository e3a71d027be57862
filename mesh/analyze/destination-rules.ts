/** DestinationRules that nobody follows: an older one stands before them, or no waypoint is before what they are about. */
import { getOrAdd } from '../derive/selector.ts';
import { type DestinationRuleFacts, readDestinationRule } from '../resilience/destination-rule.ts';
import { fullHost, overrulerOf } from '../resilience/destination-rules.ts';
import { type Finding, finding, type ObjectRef, refOf } from './finding.ts';
import type { World } from './world.ts';

type Rule = { readonly ref: ObjectRef; readonly facts: DestinationRuleFacts; readonly host: string };

export function* destinationRuleProblems(world: World): Generator<Finding> {
  const rules = world.objects('networking.istio.io/DestinationRule').flatMap((object): readonly Rule[] => {
    const reading = readDestinationRule(object);
    if (reading.kind !== 'facts') return [];
    const { facts } = reading;
    return [{ ref: refOf(object), facts, host: fullHost(facts, world.config.clusterDomain) }];
  });
  const byHost = new Map<string, DestinationRuleFacts[]>();
  for (const { host, facts } of rules) getOrAdd(byHost, host, () => []).push(facts);
  const services = rules.length === 0 ? [] : hostsOf(world);
  for (const { ref, facts, host } of rules) {
    const older = overrulerOf(facts, byHost.get(host) ?? []);
    if (older !== undefined) yield overruled(ref, host, older);
    else yield* unfollowed(ref, host, services);
  }
}

function overruled(ref: ObjectRef, host: string, older: DestinationRuleFacts): Finding {
  return finding('AMB0505', ref, {
    field: 'spec.host',
    message: `DestinationRule ${older.key} is for ${host} as well, and older: nothing of this one has an effect`,
    fix: `put both into one rule, or delete ${older.key}`,
  });
}

type Host = { readonly name: string; readonly isBehindWaypoint: boolean };

/** Of all services and ServiceEntries, and whether some waypoint sends to them: called themselves, behind a route, or asked. */
function hostsOf({ model }: World): readonly Host[] {
  const told = new Set<string>();
  for (const { service, gateway } of model.deriver.waypoints.values()) {
    if (service !== undefined) told.add(service.hostname.toLowerCase());
    for (const backend of (service ?? gateway)?.backends ?? []) {
      told.add(backend.service.slice(backend.service.indexOf('/') + 1));
    }
  }
  const hosts: Host[] = [];
  for (const address of model.deriver.addresses.values()) {
    if (address.kind !== 'service') continue;
    const name = address.service.hostname.toLowerCase();
    hosts.push({ name, isBehindWaypoint: told.has(name) });
  }
  return hosts;
}

function* unfollowed(ref: ObjectRef, host: string, hosts: readonly Host[]): Generator<Finding> {
  const isMeant = host === '*' ? () => true : host.startsWith('*.') ? isBelow(host.slice(1)) : isNamed(host);
  const meant = hosts.filter(({ name }) => isMeant(name));
  if (meant.some(({ isBehindWaypoint }) => isBehindWaypoint)) return;
  const message =
    meant.length === 0
      ? `no Service or ServiceEntry has the host ${host}`
      : `no waypoint is before ${host}, and a ztunnel does not follow DestinationRules`;
  const fix =
    meant.length === 0
      ? 'correct the host: a full name, or the name of a Service of the same namespace'
      : 'put a waypoint before it (ambit waypoint apply), or delete the rule';
  yield finding('AMB0506', ref, { field: 'spec.host', message, fix });
}

const isNamed = (host: string) => (name: string) => name === host;
const isBelow = (end: string) => (name: string) => name.endsWith(end);
