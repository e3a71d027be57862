/** Routes of Gateway API for tests, and a small mesh around them. */
import type { KubeMetadata, KubeObject } from '../../kube-object.ts';
import type { AppProtocol } from '../../model.ts';
import type { PortRoutes } from '../model.ts';
import { type CompiledTable, match, RouteTables } from '../table.ts';
import { request } from '../test-routes.ts';
import type { RouteKind, ServiceRef } from './facts.ts';
import type { RoutedBinding, RoutedService } from './resolve.ts';
import { type NotedKind, Routes } from './routes.ts';

type Json = Readonly<Record<string, unknown>>;

export function route(kind: RouteKind, path: string, spec: Json, meta: Partial<KubeMetadata> = {}): KubeObject {
  const [namespace = '', name = ''] = path.split('/');
  const metadata = { namespace, name, generation: 1, creationTimestamp: '2026-01-01T00:00:00Z', ...meta };
  return { apiVersion: 'gateway.networking.k8s.io/v1', kind, metadata, spec };
}

/** With one parent, the Service `name` (or `namespace/name`, `name:port`). */
export const httpRoute = (path: string, parent: string, rules: readonly Json[], meta: Partial<KubeMetadata> = {}) =>
  route('HTTPRoute', path, { parentRefs: [parentRef(parent)], rules }, meta);

export function parentRef(written: string): Json {
  const [path = '', port] = written.split(':');
  const [first = '', second] = path.split('/');
  return {
    group: '',
    kind: 'Service',
    ...(second === undefined ? { name: first } : { namespace: first, name: second }),
    ...(port !== undefined && { port: Number(port) }),
  };
}

export function grant(path: string, from: Json, to: Json): KubeObject {
  const object = route('HTTPRoute', path, {
    from: [{ group: 'gateway.networking.k8s.io', ...from }],
    to: [{ group: '', ...to }],
  });
  return { ...object, kind: 'ReferenceGrant' };
}

/** A mesh of services that are written as `{ 'ns/name': { 80: 'HTTP11' } }`, all bound to a waypoint. */
export class RouteMesh {
  readonly services = new Map<string, RoutedService>();
  readonly bindings = new Map<string, RoutedBinding>();
  readonly touched: string[] = [];
  readonly routes: Routes;

  constructor(services: Readonly<Record<string, Readonly<Record<number, AppProtocol>>>>) {
    for (const [path, ports] of Object.entries(services)) this.setService(path, ports);
    this.routes = new Routes({
      services: ({ kind, namespace, name }) =>
        this.#find(kind === 'Service' ? `${namespace}/${name}` : `entry ${namespace}/${name}`),
      host: (hostname) => [...this.services.values()].find((service) => service.hostname === hostname),
      binding: ({ namespace, name }) =>
        this.bindings.get(`${namespace}/${name}`) ?? { kind: 'bound', gateway: 'ns/waypoint' },
    });
    this.routes.follow(({ namespace, name }) => this.touched.push(`${namespace}/${name}`));
  }

  setService(path: string, ports: Readonly<Record<number, AppProtocol>> | undefined): void {
    const [namespace = '', name = ''] = path.replace('entry ', '').split('/');
    const hostname = path.startsWith('entry ') ? name : `${name}.${namespace}.svc.cluster.local`;
    if (ports === undefined) this.services.delete(path);
    else {
      const listed = Object.entries(ports).map(([port, protocol]) => ({ port: Number(port), protocol }));
      this.services.set(path, { namespace, hostname, ports: listed });
    }
  }

  note(...objects: readonly KubeObject[]): this {
    for (const object of objects) {
      const { namespace, name } = object.metadata;
      this.routes.note(object.kind as NotedKind, `${namespace}/${name}`, object);
    }
    return this;
  }

  remove(object: KubeObject): void {
    this.routes.note(object.kind as NotedKind, `${object.metadata.namespace}/${object.metadata.name}`, undefined);
  }

  tables(path: string): ReadonlyMap<number, PortRoutes> {
    const [service] = this.#find(path);
    const [namespace = '', name = ''] = path.replace('entry ', '').split('/');
    const ref: ServiceRef = { kind: path.startsWith('entry ') ? 'ServiceEntry' : 'Service', namespace, name };
    return service === undefined ? new Map() : this.routes.ofService(ref, service);
  }

  /** The tables that clients of a namespace meet at a port. */
  compiled(path: string, port = 80, clients = 'ns'): CompiledTable | undefined {
    return new RouteTables(this.tables(path).get(port)?.http ?? []).of(clients);
  }

  /** The name of the rule that a request meets; undefined: 404. */
  rule(path: string, ...asked: Parameters<typeof request>): string | undefined {
    const compiled = this.compiled(path);
    return compiled && match(compiled, request(...asked))?.name;
  }

  #find(path: string): readonly RoutedService[] {
    const found = this.services.get(path);
    return found === undefined ? [] : [found];
  }
}
