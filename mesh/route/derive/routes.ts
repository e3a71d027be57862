/**
 * All routes, by the services that they are about. A change marks the services whose tables, and the routes whose status, it may
 * have changed; both are computed when they are asked for.
 */
import { Collection } from '../../derive/collection.ts';
import { isEqual } from '../../derive/equal.ts';
import type { KubeObject } from '../../kube-object.ts';
import type { PortRoutes } from '../model.ts';
import type { RouteFacts, RouteKind, ServiceRef } from './facts.ts';
import { type GrantFacts, readGrant } from './grants.ts';
import { readGrpcRoute } from './grpc-route.ts';
import { readHttpRoute } from './http-route.ts';
import type { RoutedService, Surroundings } from './resolve.ts';
import { type RouteStatus, statusOfRoute } from './status.ts';
import { readTcpRoute, readTlsRoute } from './stream-route.ts';
import { type Attached, tablesOf } from './tables.ts';

export type NotedKind = RouteKind | 'ReferenceGrant';

const READERS: Readonly<Record<RouteKind, (object: KubeObject) => RouteFacts>> = {
  HTTPRoute: readHttpRoute,
  GRPCRoute: readGrpcRoute,
  TCPRoute: readTcpRoute,
  TLSRoute: readTlsRoute,
};

export class Routes {
  readonly #routes = new Collection<RouteFacts>();
  readonly #grants = new Collection<GrantFacts>();
  readonly #byParent = this.#routes.index(({ parents }) => [...new Set(parents.map(({ ref }) => termOf(ref)))]);
  readonly #byBackend = this.#routes.index(backendTerms);
  readonly #byBackendNamespace = this.#routes.index((route) => [
    ...new Set(refsOf(route).map(({ namespace }) => namespace)),
  ]);
  readonly #grantsOf = this.#grants.index(({ namespace }) => [namespace]);
  readonly #around: Surroundings;
  readonly #followers: ((parent: ServiceRef) => void)[] = [];
  /** Keys of routes whose status is to be looked at. */
  readonly #dirty = new Set<string>();
  readonly #said = new Map<string, RouteStatus>();

  constructor(around: Omit<Surroundings, 'grants'>) {
    this.#around = {
      services: (ref) => around.services(ref),
      host: (hostname, namespace) => around.host(hostname, namespace),
      binding: (ref) => around.binding(ref),
      grants: (namespace) => this.#grantsOf.of(namespace),
    };
    this.#routes.follow(({ key, old, next }) => {
      this.#dirty.add(key);
      for (const route of [old, next]) if (route !== undefined) this.#touchParents(route);
    });
    this.#grants.follow(({ old, next }) => {
      for (const namespace of new Set([old?.namespace, next?.namespace])) {
        if (namespace !== undefined) this.#touch(this.#byBackendNamespace.of(namespace));
      }
    });
  }

  /** An object is new, changed or (undefined) gone. `key` is `namespace/name`. */
  note(kind: NotedKind, key: string, object: KubeObject | undefined): void {
    if (kind === 'ReferenceGrant') {
      const reading = object && readGrant(object);
      this.#grants.set(key, reading?.kind === 'facts' ? reading.facts : undefined);
      return;
    }
    this.#routes.set(`${kind} ${key}`, object && READERS[kind](object));
  }

  /** A Service or ServiceEntry is new, changed, gone, or has another waypoint: what was said about it is looked at again. */
  serviceChanged(ref: ServiceRef): void {
    this.#touch(this.#byParent.of(termOf(ref)));
    this.#touch(this.#byBackend.of(termOf(ref)));
  }

  /** A host name leads to another service than before, or to none. */
  hostChanged(hostname: string): void {
    this.#touch(this.#byBackend.of(hostTerm(hostname)));
  }

  /** Told of each Service and ServiceEntry whose tables may have changed. */
  follow(follower: (parent: ServiceRef) => void): void {
    this.#followers.push(follower);
  }

  /** What routes do to the ports of a service, which `parent` is or names; ports that no route is about are missing. */
  ofService(parent: ServiceRef, service: RoutedService): ReadonlyMap<number, PortRoutes> {
    return tablesOf(service, this.#attachedTo(parent), this.#around);
  }

  /** Statuses that should now stand, of those routes for which they are not what they were. */
  takeStatuses(): readonly RouteStatus[] {
    const changes: RouteStatus[] = [];
    for (const key of this.#dirty) {
      const route = this.#routes.get(key);
      const old = this.#said.get(key);
      if (route === undefined) {
        this.#said.delete(key);
        // Gone, or there and not to be counted any more: then nothing of ours may stay on it.
        if (old !== undefined) changes.push({ object: old.object, parents: [] });
        continue;
      }
      const status = statusOfRoute(route, this.#around);
      if (isEqual(old, status)) continue;
      this.#said.set(key, status);
      changes.push(status);
    }
    this.#dirty.clear();
    return changes;
  }

  #attachedTo(parent: ServiceRef): readonly Attached[] {
    const term = termOf(parent);
    const attached: Attached[] = [];
    for (const route of this.#byParent.of(term)) {
      for (const one of route.parents)
        if (termOf(one.ref) === term && one.sectionName === '') attached.push({ route, parent: one });
    }
    return attached;
  }

  #touch(routes: Iterable<RouteFacts>): void {
    for (const route of routes) {
      this.#dirty.add(`${route.kind} ${route.namespace}/${route.name}`);
      this.#touchParents(route);
    }
  }

  #touchParents(route: RouteFacts): void {
    for (const { ref } of route.parents) for (const follower of this.#followers) follower(ref);
  }
}

const termOf = ({ kind, namespace, name }: ServiceRef) => `${kind} ${namespace}/${name}`;
const hostTerm = (hostname: string) => `Hostname ${hostname}`;

function refsOf({ rules }: RouteFacts) {
  return rules.flatMap(({ backends, mirrors }) => [...backends, ...mirrors]).map(({ ref }) => ref);
}

/** Whatever a route names is looked at again when it comes, even if it may not be named. */
function backendTerms(route: RouteFacts): readonly string[] {
  const terms = refsOf(route).map(({ kind, namespace, name }) =>
    kind === 'Hostname' ? hostTerm(name) : termOf({ kind: 'Service', namespace, name }),
  );
  return [...new Set(terms)];
}
