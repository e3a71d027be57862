/** Who calls: what the tunnel proved, and what it merely said. */
import { type Baggage, type ConnectRequest, parseBaggage, traceIdOf } from '../core/hbone/index.ts';
import { type IpAddress, type SpiffeId, type SpiffeParts, spiffeParts } from '../mesh/index.ts';

/** One stream of a tunnel; many requests may come over it. */
export type Source = {
  /** Proven by TLS. */
  readonly identity: SpiffeId;
  readonly parts: SpiffeParts;
  /** The other end of the tunnel, which source ztunnels dial from inside the pod: the client pod's own address. */
  readonly ip: IpAddress;
  readonly port: number;
  /** Labels for telemetry; never for policy. */
  readonly baggage: Baggage | undefined;
  /** Ties our log lines to those of the client's ztunnel. */
  readonly traceId: string;
  /** What our CONNECTs say of it: `<SPIFFE id>;<ip>`. */
  readonly header: string;
};

export function sourceOf(request: ConnectRequest): Source {
  const { peer, from, headers } = request;
  return {
    identity: peer,
    parts: spiffeParts(peer),
    ip: from.ip,
    port: from.port,
    baggage: parseBaggage(headers.get('baggage')),
    traceId: traceIdOf(headers.get('traceparent')),
    header: `${peer};${from.ip}`,
  };
}
