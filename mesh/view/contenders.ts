/** Services that claim the same address or name, and who wins for whom. */
import { type Service, serviceKey } from '../model.ts';

/** By key. The lists are kept in order: canonical services first, then by key, so that the order of arrival does not matter. */
export type Contenders = Map<string, readonly Service[]>;

/** Of those that a client may see: the one of its own namespace, else the first. No client sees all. */
export function choose(services: readonly Service[] | undefined, clientNamespace?: string): Service | undefined {
  if (services === undefined) return undefined;
  let first: Service | undefined;
  for (const service of services) {
    if (!isVisible(service, clientNamespace)) continue;
    if (service.namespace === clientNamespace) return service;
    first ??= service;
  }
  return first;
}

export function insert(map: Contenders, key: string, service: Service): void {
  const held = map.get(key);
  map.set(key, held === undefined ? [service] : [...held, service].sort(order));
}

export function drop(map: Contenders, key: string, service: Service): void {
  const left = map.get(key)?.filter((other) => other !== service) ?? [];
  if (left.length === 0) map.delete(key);
  else map.set(key, left);
}

/** Without a client namespace, everything is visible. */
export function isVisible(service: Service, clientNamespace: string | undefined): boolean {
  return service.visibility === 'PUBLIC' || clientNamespace === undefined || service.namespace === clientNamespace;
}

function order(a: Service, b: Service): number {
  if (a.canonical !== b.canonical) return a.canonical ? -1 : 1;
  return serviceKey(a) < serviceKey(b) ? -1 : 1;
}
