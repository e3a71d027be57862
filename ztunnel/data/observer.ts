/**
 * What the data path tells about connections: the seam between it and metrics, access log, receipts and flow ledger. The data
 * path calls, the observer writes; nothing here may throw, wait or keep a view of payload.
 */
import type { Baggage, FloodKind } from '../../core/hbone/index.ts';
import type {
  ConnectionFacts,
  OriginalCaller,
  PolicyDecision,
  PolicyScope,
  Service,
  SocketAddress,
  SpiffeId,
  Workload,
} from '../../mesh/index.ts';

export type Direction = 'inbound' | 'outbound';

/** Which end of a connection reports: metrics label `reporter`. */
export type Reporter = 'source' | 'destination';

/** One end of a connection, as far as it is known. */
export type Party = {
  readonly addr: SocketAddress;
  /** From the view; wins over baggage for every field but the identity. */
  readonly workload?: Workload;
  /** What the peer says of itself on a tunnel; only used where the view knows nothing. */
  readonly baggage?: Baggage;
  /** Only when mutual TLS proved it (source), or when it was required and verified (destination). */
  readonly identity?: SpiffeId;
};

/** Everything the metric labels and the access line need; fixed when the connection starts to be tracked. */
export type ConnectionContext = {
  /** 32 hex digits: the trace id that correlates the two ends. */
  readonly id: string;
  readonly direction: Direction;
  readonly reporter: Reporter;
  readonly src: Party;
  /** `addr` is where TCP goes: podIP:15008 of the peer for a tunnel (inbound: our own), the application's address otherwise. */
  readonly dst: Party;
  /** The caller behind the waypoint that `src` is. */
  readonly original?: OriginalCaller;
  /** The CONNECT authority; access field `dst.hbone_addr`. Absent without a tunnel. */
  readonly hboneAddr?: string;
  /** The service the caller meant. */
  readonly service?: Service;
  /** Outbound: what the application dialled. Inbound: the host of the `forwarded` header, if the caller sent one. */
  readonly originalDst?: string;
  /** What carries it between the two nodes. */
  readonly protocol: 'TCP' | 'HBONE';
  readonly securityPolicy: 'mutual_tls' | 'unknown';
};

/** Metrics label `response_flags`. */
export type ResponseFlags =
  | '-'
  | 'DENY'
  | 'CONNECT'
  | 'TLS_FAILURE'
  | 'H2_HANDSHAKE_FAILURE'
  | 'NETWORK_POLICY'
  | 'IDENTITY_ERROR'
  | 'CERT_REVOKED';

/**
 * Bytes so far, as the metrics name them on both ends: `received` went downstream to upstream (requests), `sent` went upstream
 * to downstream (responses). The access line turns them round on the source side.
 */
export type LiveCounters = { sent: number; received: number };

export type ConnectionResult = { readonly error?: string; readonly flags: ResponseFlags };

/** A connection that is being tracked. */
export interface OpenConnection {
  /** The data path adds to these while bytes flow; read them whenever a total is wanted. */
  readonly counters: LiveCounters;
  /** Called exactly once. */
  closed(result: ConnectionResult): void;
}

/** A decision of the policies about one inbound connection, with all that a receipt needs (`explain(scope, facts)` has the rest). */
export type PolicyEvent = {
  readonly context: ConnectionContext;
  readonly facts: ConnectionFacts;
  readonly scope: PolicyScope;
  readonly decision: PolicyDecision;
  /** `accept`: a new connection. `live`: an established one is being cut. */
  readonly when: 'accept' | 'live';
};

/** A connection that was dropped before its context was known. */
export type EarlyDeny = {
  readonly direction: Direction;
  readonly src: SocketAddress;
  readonly dst: SocketAddress;
  readonly error: string;
};

export interface ConnectionObserver {
  /** Tracking starts: before policy is asked and before the upstream is dialled. */
  opened(context: ConnectionContext): OpenConnection;
  /** Enforced denial. Returns the receipt's id, which an authenticated peer is told. */
  denied(event: PolicyEvent): string;
  /**
   * Dry-run policies have something to say about the connection (`decision.dryRunHits`), for the first time; nothing is refused
   * for it. Precedes `allowed` and `denied`.
   */
  dryRun(event: PolicyEvent): void;
  /** The connection passed policy; for the flow ledger. */
  allowed(event: PolicyEvent): void;
  earlyDeny(event: EarlyDeny): void;
  /** A peer that failed the handshake on 15008: WARN line with the reason, no tcp counters. */
  handshakeFailed(event: EarlyDeny & { readonly code: string; readonly flags: ResponseFlags }): void;
  /** A peer named a caller (`ambit-source`) and is no waypoint of the pod: it was not listened to. */
  sourceHeaderDropped(peer: SpiffeId): void;
  /** A tunnel's peer, authenticated, hit one of the limits of HTTP/2: metrics label `kind`. */
  tunnelFault(kind: FloodKind): void;
  /** A connection of `source` needs the address of a name, remembered or not. */
  hostnameAsked(source: Workload, hostname: string): void;
  socketAccepted(reporter: Reporter): void;
  socketClosed(reporter: Reporter): void;
  /** Something worth one warning that belongs to no connection's fate: a source address that could not be kept, say. */
  warn(message: string, fields: Readonly<Record<string, string | number | boolean>>): void;
}

/** One row of `/config_dump` under `workloadState.<uid>.connections`. */
export type ConnectionInfo = {
  readonly src: string;
  /** Outbound: what the application dialled. Inbound: the forwarded host, or null. */
  readonly originalDst: string | null;
  readonly actualDst: string;
  readonly protocol: 'TCP' | 'HBONE';
};
