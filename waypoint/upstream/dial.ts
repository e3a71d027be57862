/** Byte pipes to endpoints: a stream of a tunnel to what is in the mesh, plain TCP to what is not. */
import {
  formatForwarded,
  formatTraceparent,
  type HboneClient,
  HboneError,
  type Leg,
  type TlsMaterial,
  tcpLeg,
} from '../../core/hbone/index.ts';
import { HttpError } from '../../core/http/index.ts';
import { connectTcp } from '../../core/net/index.ts';
import {
  formatReason,
  formatSocketAddress,
  type IpAddress,
  type OutboundDecision,
  type Resolution,
  reachEndpoint,
  resolved,
  type SocketAddress,
} from '../../mesh/index.ts';
import type { Source } from '../source.ts';
import type { Chosen } from './endpoints.ts';

export type DialParts = {
  readonly client: HboneClient;
  /** Our own key and certificate, as they are now. */
  readonly material: (signal?: AbortSignal) => Promise<TlsMaterial>;
  /** What a host name means, for endpoints that have no address of their own. */
  readonly resolve: (hostname: string, signal: AbortSignal) => Promise<Resolution>;
  readonly random: () => number;
  readonly connectTimeoutMs: number;
  /** `baggage`: who we are, for the labels of the other end. */
  readonly baggage: () => string;
  /** Aborted when the waypoint stops. */
  readonly gone: AbortSignal;
};

/**
 * Opens a pipe to an endpoint in the name of a caller. `wish`: an address whose family is preferred.
 * @throws HttpError `connect-failed`.
 */
export async function dialEndpoint(
  parts: DialParts,
  { candidate, service, policy }: Chosen,
  source: Source,
  wish: IpAddress,
  signal: AbortSignal = parts.gone,
): Promise<Leg> {
  try {
    const timeoutMs = policy?.limits.connectTimeoutMs || parts.connectTimeoutMs;
    let way: OutboundDecision = reachEndpoint(candidate, service, wish);
    if (way.kind === 'resolve') way = resolved(way, await parts.resolve(way.hostname, signal), parts.random);
    switch (way.kind) {
      case 'hbone':
        return await openTunnel(parts, way, source, { signal, timeoutMs });
      case 'tcp':
      case 'passthrough':
        return tcpLeg(await connect(way.dial, signal, timeoutMs));
      default:
        throw new Error(formatReason(way.because));
    }
  } catch (error) {
    throw new HttpError('connect-failed', messageOf(error), { cause: error, isProcessed: false });
  }
}

type Tunnelled = Extract<OutboundDecision, { kind: 'hbone' }>;

async function openTunnel(
  parts: DialParts,
  way: Tunnelled,
  source: Source,
  { signal, timeoutMs }: { readonly signal: AbortSignal; readonly timeoutMs: number },
): Promise<Leg> {
  const material = await parts.material(signal);
  const { leg } = await parts.client.open({
    dial: way.dial,
    source: material,
    expected: way.expectedIdentities,
    authority: way.authority,
    headers: {
      baggage: parts.baggage(),
      forwarded: formatForwarded({ ip: source.ip, port: source.port }, way.service?.hostname),
      traceparent: formatTraceparent(source.traceId),
      'ambit-source': source.header,
    },
    connect: () => connect(way.dial, parts.gone, timeoutMs), // others share it: it does not end with the one who came first
    poolKey: `${way.expectedIdentities.join(',')}|${formatSocketAddress(way.dial)}`,
    signal,
  });
  return leg;
}

function connect(to: SocketAddress, signal: AbortSignal, timeoutMs: number) {
  return connectTcp({ to, timeoutMs, signal });
}

function messageOf(error: unknown): string {
  if (error instanceof HboneError && error.code === 'CONNECT_REFUSED') {
    const receipt = error.headers?.get('ambit-receipt');
    return `the endpoint refused with ${error.status}${receipt === undefined ? '' : ` (receipt ${receipt.slice(0, 64)})`}`;
  }
  return error instanceof Error ? error.message : String(error);
}
