/** For tests of outbound decisions: one flow against a view made of the resources that a row names. */
import { formatSocketAddress } from '../address.ts';
import type { LoadBalancing, RoutingScope, Service, Workload } from '../model.ts';
import { at, seeded, service, shuffled, viewOf, workload } from '../test-support.ts';
import type { OutboundDecision } from './decision.ts';
import { decideOutbound } from './outbound.ts';

export const source = workload('client', { addresses: ['10.0.0.9', 'fd00::9'] });
export const ECHO = 'default/echo.default.svc.cluster.local';
export const WAY = 'default/way.default.svc.cluster.local';
/** The address of service `echo` in most rows. */
export const vip = { addresses: ['10.1.0.1'] };
export const pod = workload('pod', { addresses: ['10.0.0.1'] });
/** The service of a waypoint, and one pod behind it. */
export const wayService = service('way', { addresses: ['10.1.0.50'], ports: { 15008: 15_008 } });
export const wayPod = workload('waypod', { addresses: ['10.0.0.51'], services: { [WAY]: {} } });

export const backend = (name: string, address: string, fields = {}) =>
  workload(name, { addresses: [address], services: { [ECHO]: {} }, ...fields });

export function lb(mode: LoadBalancing['mode'], ...routingPreference: RoutingScope[]): LoadBalancing {
  return { mode, routingPreference, healthPolicy: 'ONLY_HEALTHY' };
}

export type Resources = readonly (Workload | Service)[];

export function decide(resources: Resources, dst: string, port: number, caller = source, random = () => 0) {
  const from = { ip: caller.addresses[0] ?? at('10.0.0.9', 1).ip, port: 40_000 };
  const flow = { source: caller, from, originalDst: at(dst, port) };
  return decideOutbound(viewOf(caller, ...resources), flow, random);
}

/** A decision in one line: kind, where to dial, authority, peer, via. */
export function shown(d: OutboundDecision): string {
  if (d.kind === 'refuse') return `refuse ${d.reason}`;
  if (d.kind === 'resolve') return `resolve ${d.hostname} ${d.way.destination.name} ${d.way.via}`;
  const dial = formatSocketAddress(d.dial);
  if (d.kind === 'passthrough') return `passthrough ${dial}`;
  if (d.kind === 'tcp') return `tcp ${dial} ${d.destination?.name}`;
  return `hbone ${dial} ${d.authority} ${d.destination.name} ${d.via}`;
}

/** What is there, what is dialled, and what comes of it; by the caller named, if not the usual one. */
export type Row = readonly [string, Resources, string, number, string, Workload?];

/** Name, decision and wanted decision of every row, in several orders of arrival. */
export function* outcomes(rows: readonly Row[]): Iterable<readonly [string, string, string]> {
  for (const [name, resources, dst, port, want, caller] of rows) {
    for (let seed = 0; seed < 3; seed++) {
      yield [name, shown(decide(shuffled(resources, seeded(seed)), dst, port, caller)), want];
    }
  }
}
