/** What policies are asked about: a request, or a connection that is carried as it is. */
import type { HeaderFields } from '../../core/http/index.ts';
import {
  type HttpFacts,
  type IpAddress,
  mustParseIp,
  type PolicyRequest,
  type Service,
  type SocketAddress,
  Subject,
} from '../../mesh/index.ts';
import type { Served } from '../chains.ts';
import type { Called, Exchange } from '../exchange.ts';
import type { Source } from '../source.ts';

/** One for all requests of a stream of the tunnel: `Called` is made once for each. */
const PEERS = new WeakMap<Called, Subject>();

/** Of a request. */
export type JudgedFacts = HttpFacts & { readonly request: PolicyRequest & { readonly headers: HeaderFields } };

/** `called`: another than what was called, where that is what policies are about. */
export function requestFacts(x: Exchange, called: Called = x.called): JudgedFacts {
  const { request, token, path } = x;
  const { method, authority, headers } = request;
  const asked = { method, path, authority, headers };
  return { peer: peerOf(x.source, called), sni: '', request: token === undefined ? asked : { ...asked, token } };
}

/** Of a request that a route has turned to another service: as if that had been called, at the port that the route names. */
export function factsAtTarget(x: Exchange): JudgedFacts {
  const { port } = x.target;
  return requestFacts(x, { kind: 'service', service: undefined, workload: undefined, port, ip: undefined });
}

/** Of what is inside the tunnel, at most the name that TLS asks for is known. */
export function connectionFacts(source: Source, served: Served, serverName: string | undefined): HttpFacts {
  const to =
    served.kind === 'workload' ? served.dialled : { ip: ipOf(served.dialled?.ip, served.service), port: served.port };
  return { peer: subject(source, to), sni: serverName ?? '' };
}

/** The same for a service that was not called itself, but that a route leads to. */
export function routedConnectionFacts(source: Source, port: number, serverName: string | undefined): HttpFacts {
  return { peer: subject(source, { ip: NOWHERE, port }), sni: serverName ?? '' };
}

function peerOf(source: Source, called: Called): Subject {
  let peer = PEERS.get(called);
  if (peer === undefined) {
    peer = subject(source, { ip: ipOf(called.ip, called.service), port: called.port });
    PEERS.set(called, peer);
  }
  return peer;
}

function subject({ identity, ip, port }: Source, to: SocketAddress): Subject {
  return new Subject({ source: identity, from: { ip, port }, to });
}

const NOWHERE = mustParseIp('0.0.0.0');

/** Who called by name has called the first address of the service. */
function ipOf(dialled: IpAddress | undefined, service: Service | undefined): IpAddress {
  return dialled ?? service?.addresses[0]?.address ?? NOWHERE;
}
