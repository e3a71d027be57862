/** TCPRoute and TLSRoute: whole connections, by port or by the name in their ClientHello (crds.md section 17). */
import { fields, list, text, texts } from '../../derive/read.ts';
import type { KubeObject } from '../../kube-object.ts';
import type { RouteFacts } from './facts.ts';
import { backendRef, routeFacts, weightOf } from './parts.ts';

export function readTcpRoute(object: KubeObject): RouteFacts {
  return readStreamRoute('TCPRoute', object, []);
}

export function readTlsRoute(object: KubeObject): RouteFacts {
  const hostnames = texts(fields(object['spec'])['hostnames']).map((name) => name.toLowerCase());
  return readStreamRoute('TLSRoute', object, hostnames);
}

function readStreamRoute(kind: 'TCPRoute' | 'TLSRoute', object: KubeObject, sni: readonly string[]): RouteFacts {
  const namespace = object.metadata.namespace ?? '';
  return routeFacts(kind, object, (rule, name) => ({
    name,
    matches: [],
    filters: {},
    backends: list(rule['backendRefs']).map((entry) => {
      const written = fields(entry);
      return { ref: backendRef(written, namespace), weight: weightOf(written['weight']), filters: {} };
    }),
    mirrors: [],
    // Without a name it would take every connection, which nobody asked for.
    problems:
      kind === 'TLSRoute' && sni.length === 0
        ? [{ effect: 'dropped', message: 'hostnames: at least one is needed' }]
        : list(rule['filters']).map((filter) => ({
            effect: 'failed',
            message: `filters: ${text(fields(filter)['type'])} is not supported`,
            isUnsupported: true,
          })),
    sni,
  }));
}
