/** What the three ways through a pod's proxy share. */
import type { Socket } from 'node:net';
import type { HboneClient, TlsMaterial } from '../../core/hbone/index.ts';
import { type DialOptions, dialTcp, originalDst, resetSocket } from '../../core/net/index.ts';
import {
  formatSocketAddress,
  mustParseIp,
  parseIp,
  type SocketAddress,
  type SpiffeId,
  spiffeId,
  type Workload,
} from '../../mesh/index.ts';
import type { LiveConnections } from './live-connections.ts';
import type { PodProxyDeps } from './pod-proxy-types.ts';
import type { PolicyGate } from './policy-gate.ts';

/** One pod's state; nothing of it is shared with another pod. */
export type Pod = {
  readonly deps: PodProxyDeps;
  readonly live: LiveConnections;
  readonly gate: PolicyGate;
  readonly client: HboneClient;
  /** Whether the listeners may speak as others, which decides whether connections to the application do. */
  readonly canSpoof: boolean;
  /** Aborted when the pod is gone: ends what belongs to no single connection, such as shared dials. */
  readonly gone: AbortSignal;
};

/** A connection that was captured by redirection. */
export type Captured = {
  readonly socket: Socket;
  readonly from: SocketAddress;
  readonly dst: SocketAddress;
  /** False: somebody dialled the proxy's port itself. */
  readonly wasRedirected: boolean;
};

/** Where a captured socket comes from and was going; undefined when its peer has left already. */
export function captured(socket: Socket): Captured | undefined {
  const from = endpoint(socket.remoteAddress, socket.remotePort);
  const here = endpoint(socket.localAddress, socket.localPort);
  if (from === undefined || here === undefined) return undefined;
  const asked = originalDst(socket);
  const dst = asked ? { ip: mustParseIp(asked.ip), port: asked.port } : here;
  return { socket, from, dst, wasRedirected: formatSocketAddress(dst) !== formatSocketAddress(here) };
}

function endpoint(address: string | undefined, port: number | undefined): SocketAddress | undefined {
  const ip = address === undefined ? undefined : parseIp(address.split('%')[0] ?? address);
  return ip === undefined || port === undefined ? undefined : { ip, port };
}

/** Drops a captured connection that never got so far as to be tracked. */
export function dropEarly(pod: Pod, direction: 'inbound' | 'outbound', c: Captured, error: string): void {
  pod.deps.observe.earlyDeny({ direction, src: c.from, dst: c.dst, error });
  resetSocket(c.socket);
}

/** Dials inside the pod's namespace, marked as ours so that it is not captured again. */
export function dialFromPod(
  pod: Pod,
  to: SocketAddress,
  o: Pick<DialOptions, 'bindSource' | 'signal'> = {},
): Promise<Socket> {
  const { netns, config } = pod.deps;
  return dialTcp({
    to,
    timeoutMs: config.connectTimeoutMs,
    ...(netns && { netns }),
    ...(config.mark !== undefined && { mark: config.mark }),
    ...(config.keepAlive && { keepAlive: config.keepAlive }),
    ...o,
  });
}

/** The pod's identity: trust domain from the mesh, names from whoever enrolled the pod. */
export function identityOf(pod: Pod, local: Workload): SpiffeId {
  const { namespace, serviceAccount } = pod.deps.info;
  return spiffeId(local.trustDomain, namespace, serviceAccount);
}

export function materialOf(pod: Pod, local: Workload, signal?: AbortSignal): Promise<TlsMaterial> {
  return pod.deps.material(identityOf(pod, local), signal);
}
