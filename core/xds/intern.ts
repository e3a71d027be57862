/**
 * Strings, port lists and service lists that are equal become one. A hundred thousand workloads repeat a few thousand
 * namespaces, nodes, accounts and port lists; decoded one by one, each would be held a hundred thousand times.
 */
import type { Locality, ServicePort, Workload } from '../../mesh/index.ts';

/** Kinds of one table; when full it starts anew, which costs memory for a while and nothing else. */
const MAX_ENTRIES = 16_384;
/** Longer ones are rare and not kept: a table holds 16 MB at most. */
const MAX_KEY = 1_024;

const strings = new Map<string, string>();
const portLists = new Map<string, readonly ServicePort[]>();
const serviceLists = new Map<string, Workload['services']>();
const localities = new Map<string, Locality>();
const NO_STRINGS: readonly string[] = [];

export const internString = (text: string): string => remembered(strings, text, text);

export function internLocality(locality: Locality): Locality {
  return remembered(localities, JSON.stringify(locality), locality);
}

export function internStrings(list: readonly string[]): readonly string[] {
  return list.length === 0 ? NO_STRINGS : list.map(internString);
}

/** Endpoints of the same services with the same ports share one map: nobody changes it, its type says so. */
export function internServices(services: Iterable<readonly [string, readonly ServicePort[]]>): Workload['services'] {
  const list = Array.from(services, ([key, ports]) => {
    const text = ports.map((p) => `${p.servicePort} ${p.targetPort} ${p.appProtocol}`).join();
    return { key: internString(key), text, ports: remembered(portLists, text, ports) };
  });
  const whole = JSON.stringify(list.map(({ key, text }) => [key, text]));
  return (
    serviceLists.get(whole) ?? remembered(serviceLists, whole, new Map(list.map(({ key, ports }) => [key, ports])))
  );
}

function remembered<T>(table: Map<string, T>, key: string, value: T): T {
  if (key.length > MAX_KEY) return value;
  const known = table.get(key);
  if (known !== undefined) return known;
  if (table.size >= MAX_ENTRIES) table.clear();
  table.set(key, value);
  return value;
}
