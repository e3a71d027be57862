/** What the three ways through a pod's proxy share. */
import type { HboneClient, TlsMaterial } from '../../core/hbone/index.ts';
import { connectTcp, type DialOptions, type IpPort, originalDst, type TcpConnection } from '../../core/net/index.ts';
import { mustParseIp, type SocketAddress, type SpiffeId, spiffeId, type Workload } from '../../mesh/index.ts';
import type { LiveConnections } from './live-connections.ts';
import type { PodProxyDeps } from './pod-proxy-types.ts';
import type { PolicyGate } from './policy-gate.ts';
import type { ShortWays } from './same-node.ts';

/** One pod's state; nothing of it is shared with another pod. */
export type Pod = {
  readonly deps: PodProxyDeps;
  readonly live: LiveConnections;
  readonly gate: PolicyGate;
  readonly client: HboneClient;
  readonly shortWays: ShortWays;
  /** Whether the listeners may speak as others, which decides whether connections to the application do. */
  readonly canSpoof: boolean;
  /** Aborted when the pod is gone: ends what belongs to no single connection, such as shared dials. */
  readonly gone: AbortSignal;
};

/** A connection that was captured by redirection. */
export type Captured = {
  readonly connection: TcpConnection;
  readonly from: SocketAddress;
  readonly dst: SocketAddress;
  /** False: somebody dialled the proxy's port itself. */
  readonly wasRedirected: boolean;
};

/** Where a captured connection comes from and was going. */
export function captured(connection: TcpConnection): Captured {
  const here = endpoint(connection.local);
  const asked = originalDst(connection);
  const dst = asked === undefined ? here : endpoint(asked);
  const wasRedirected = dst.port !== here.port || dst.ip !== here.ip;
  return { connection, from: endpoint(connection.remote), dst, wasRedirected };
}

const endpoint = ({ ip, port }: IpPort): SocketAddress => ({ ip: mustParseIp(ip), port });

/** Drops a captured connection that never got so far as to be tracked. */
export function dropEarly(pod: Pod, direction: 'inbound' | 'outbound', c: Captured, error: string): void {
  pod.deps.observe.earlyDeny({ direction, src: c.from, dst: c.dst, error });
  c.connection.reset();
}

/** Dials inside the pod's namespace, marked as ours so that it is not captured again. */
export function dialFromPod(
  pod: Pod,
  to: SocketAddress,
  o: Pick<DialOptions, 'bindSource' | 'isLocal' | 'signal' | 'timeoutMs'> = {},
): Promise<TcpConnection> {
  const { netns, config } = pod.deps;
  return connectTcp({
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
