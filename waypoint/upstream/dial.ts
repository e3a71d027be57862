/** Byte pipes to endpoints: a stream of a tunnel to what is in the mesh, TCP to what is not, and inside of either TLS where it is asked for. */
import {
  formatForwarded,
  formatTraceparent,
  type HboneClient,
  HboneError,
  type Leg,
  type TlsMaterial,
  tcpLeg,
} from '../../core/hbone/index.ts';
import { HttpError, type HttpVersion } from '../../core/http/index.ts';
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
  type SpiffeId,
} from '../../mesh/index.ts';
import type { Source } from '../source.ts';
import { endpointDenial } from './endpoint-denial.ts';
import type { Chosen } from './endpoints.ts';
import { originate } from './origination.ts';

export type DialParts = {
  readonly client: HboneClient;
  /** Our own key and certificate, as they are now. */
  readonly material: (signal?: AbortSignal) => Promise<TlsMaterial>;
  /** By which names the certificate of that identity may call it. */
  readonly alternatives: (identity: SpiffeId) => readonly SpiffeId[];
  /** What a host name means, for endpoints that have no address of their own. */
  readonly resolve: (hostname: string, signal: AbortSignal) => Promise<Resolution>;
  /** The same for names that callers ask for, without what may not be called. */
  readonly resolveAsked: (hostname: string, signal: AbortSignal) => Promise<Resolution>;
  readonly random: () => number;
  readonly connectTimeoutMs: number;
  /** `baggage`: who we are, for the labels of the other end. */
  readonly baggage: () => string;
  /** Aborted when the waypoint stops. */
  readonly gone: AbortSignal;
};

export type Wish = {
  /** An address whose family is preferred. */
  readonly near: IpAddress;
  /** What will be spoken; undefined: whatever the caller speaks. */
  readonly version: HttpVersion | undefined;
};

/**
 * Opens a pipe to an endpoint in the name of a caller.
 * @throws HttpError `connect-failed`; {@link EndpointDenial} where policies at the other end do not let the caller in.
 */
export async function dialEndpoint(
  parts: DialParts,
  chosen: Chosen,
  source: Source,
  { near, version }: Wish,
  signal: AbortSignal = parts.gone,
): Promise<Leg> {
  const { policy, service, candidate } = chosen;
  const timeoutMs = policy?.limits.connectTimeoutMs || parts.connectTimeoutMs;
  try {
    const leg = await reachLeg(parts, chosen, source, near, { signal, timeoutMs });
    if (policy?.tls === undefined) return leg;
    return await originate(leg, {
      tls: policy.tls,
      host: candidate.workload.hostname,
      service,
      version,
      timeoutMs,
      signal,
    });
  } catch (error) {
    throw (
      endpointDenial(error) ?? new HttpError('connect-failed', messageOf(error), { cause: error, isProcessed: false })
    );
  }
}

type Until = { readonly signal: AbortSignal; readonly timeoutMs: number };

async function reachLeg(
  parts: DialParts,
  { candidate, isByName, service }: Chosen,
  source: Source,
  near: IpAddress,
  until: Until,
): Promise<Leg> {
  let way: OutboundDecision = reachEndpoint(candidate, service, near);
  if (way.kind === 'resolve') {
    const resolve = isByName ? parts.resolveAsked : parts.resolve;
    way = resolved(way, await resolve(way.hostname, until.signal), parts.random);
  }
  switch (way.kind) {
    case 'hbone':
      return openTunnel(parts, way, source, until);
    case 'tcp':
    case 'passthrough':
      return tcpLeg(await connect(way.dial, until.signal, until.timeoutMs));
    default:
      throw new Error(formatReason(way.because));
  }
}

type Tunnelled = Extract<OutboundDecision, { kind: 'hbone' }>;

async function openTunnel(
  parts: DialParts,
  way: Tunnelled,
  source: Source,
  { signal, timeoutMs }: Until,
): Promise<Leg> {
  const material = await parts.material(signal);
  const expected = way.expectedIdentities.flatMap(parts.alternatives);
  const { leg } = await parts.client.open({
    dial: way.dial,
    source: material,
    expected,
    authority: way.authority,
    headers: {
      baggage: parts.baggage(),
      forwarded: formatForwarded({ ip: source.ip, port: source.port }, way.service?.hostname),
      traceparent: formatTraceparent(source.traceId),
      'ambit-source': source.header,
    },
    connect: () => connect(way.dial, parts.gone, timeoutMs), // others share it: it does not end with the one who came first
    poolKey: `${expected.join(',')}|${formatSocketAddress(way.dial)}`,
    signal,
  });
  return leg;
}

function connect(to: SocketAddress, signal: AbortSignal, timeoutMs: number) {
  return connectTcp({ to, timeoutMs, signal });
}

function messageOf(error: unknown): string {
  if (error instanceof HboneError && error.code === 'CONNECT_REFUSED')
    return `the endpoint refused with ${error.status}`;
  return error instanceof Error ? error.message : String(error);
}
