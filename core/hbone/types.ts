/** The tunnel as its users see it: open a stream to an authority, accept streams. Implementations stand behind this. */
import type { SocketAddress, SpiffeId } from '../../mesh/index.ts';
import type { FloodKind } from '../h2/index.ts';
import type { Ancestry } from '../identity/index.ts';
import type { TcpConnection } from '../net/index.ts';
import type { HboneError } from './errors.ts';
import type { Leg } from './leg.ts';

/** TLS 1.3 suites that tunnels may use, by OpenSSL's names; what is preferred by default comes first (ztunnel.md section 3.1). */
export const SUITES = ['TLS_AES_256_GCM_SHA384', 'TLS_AES_128_GCM_SHA256'] as const;
export type CipherSuite = (typeof SUITES)[number];

/** One identity's key and certificates, as it is at a moment; a renewed certificate is a new object. */
export type TlsMaterial = {
  readonly identity: SpiffeId;
  /** PEM. */
  readonly key: string;
  /** Leaf and intermediates, without the root; PEM. */
  readonly chain: string;
  /** Whom this identity trusts; PEM bundle. */
  readonly roots: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly serial: string;
  /** What is offered and taken, in the order of preference; default {@link SUITES}. */
  readonly suites?: readonly CipherSuite[];
};

/** Which certificates are not to be believed any more, though everything else about them is right. */
export type Revocations = {
  isRevoked(ancestry: Ancestry): boolean;
  /** Calls after each change, until it is disposed. */
  onChange(listener: () => void): Disposable;
};

export type OpenOptions = {
  /** Where TCP goes; for messages only, `connect` does it. */
  readonly dial: SocketAddress;
  readonly source: TlsMaterial;
  readonly localAddress?: string;
  /** The peer must be exactly one of these. */
  readonly expected: readonly SpiffeId[];
  readonly authority: string;
  /** Sent with CONNECT; names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Makes the TCP connection, within its own deadline; only called when no pooled tunnel has room. */
  readonly connect: () => Promise<TcpConnection>;
  /** Callers with the same key (and certificate) share tunnels: everything that makes two peers different belongs in it. */
  readonly poolKey: string;
  /**
   * What there is to say already. Asked as the CONNECT leaves, if the peer takes such bytes before it answers, which spares a
   * round trip; after a refusal they count as never said.
   */
  readonly first?: () => Uint8Array | undefined;
  readonly signal?: AbortSignal;
};

export type OpenedStream = {
  readonly leg: Leg;
  /** So many bytes of `first` are on their way already. */
  readonly firstBytes: number;
  readonly responseHeaders: ReadonlyMap<string, string>;
  readonly peer: SpiffeId;
  /** Aborted with HboneError REVOKED before the tunnel is cut for that; undefined when nothing can be revoked. */
  readonly revoked: AbortSignal | undefined;
};

export interface HboneClient extends AsyncDisposable {
  /** Resolves when the peer answered 200. Rejects with HboneError (CONNECT_REFUSED has its status), or the signal's reason. */
  open(o: OpenOptions): Promise<OpenedStream>;
  /** Tunnels that exist, and the streams on them. */
  stats(): { readonly tunnels: number; readonly streams: number };
}

export type ConnectRequest = {
  readonly peer: SpiffeId;
  readonly from: SocketAddress;
  readonly to: SocketAddress;
  readonly authority: string;
  /** Several lines of one name are joined by a comma. */
  readonly headers: ReadonlyMap<string, string>;
  /** Answers; the leg carries what follows. */
  respond(status: 200, headers?: Readonly<Record<string, string>>): Leg;
  /** Answers and ends the stream. */
  refuse(status: 400 | 401 | 503, headers?: Readonly<Record<string, string>>): void;
  /** Aborted when the stream is over, whoever ended it. */
  readonly closed: AbortSignal;
  /** Whether `closed` is, or would be: it costs more to ask for. */
  readonly isClosed: boolean;
  /** As {@link OpenedStream.revoked}. */
  readonly revoked: AbortSignal | undefined;
};

export interface HboneServer extends AsyncDisposable {
  /** Takes over a connection that was accepted on the tunnel port. */
  accept(connection: TcpConnection): void;
  /** GOAWAY; what runs may end within the deadline, then it is cut. */
  drain(deadlineMs: number): Promise<void>;
  stats(): { readonly handshakes: number; readonly tunnels: number; readonly streams: number };
}

/** `plane`: raw descriptors and our own framing. `http2`: Node's own modules, portable, the reference. */
export type HboneImplementation = 'plane' | 'http2';

export type HboneServerOptions = {
  readonly implementation: HboneImplementation;
  /** Asked once per handshake, so that a renewed certificate needs no restart. */
  readonly material: () => Promise<TlsMaterial>;
  /** Of clients; asked once per handshake. Default: that of our own certificate. */
  readonly trustDomains?: () => readonly string[];
  readonly onConnect: (request: ConnectRequest) => void | Promise<void>;
  readonly onHandshakeError: (error: HboneError, from: SocketAddress, to: SocketAddress) => void;
  /** A peer that was authenticated hit one of the limits; for counting. Must not throw. */
  readonly onFault?: (kind: FloodKind) => void;
  readonly revocations?: Revocations;
  readonly settings?: Partial<HboneSettings>;
};

export type HboneClientOptions = {
  readonly implementation: HboneImplementation;
  /** A server that we reached hit one of the limits; for counting. Must not throw. */
  readonly onFault?: (kind: FloodKind) => void;
  readonly revocations?: Revocations;
  readonly settings?: Partial<HboneSettings>;
  /** An unused tunnel is closed after this long; default 5 min. */
  readonly poolUnusedReleaseMs?: number;
  /** Default 100; the peer's own limit holds, too. */
  readonly maxStreamsPerConnection?: number;
};

/** Every number of a tunnel. */
export type HboneSettings = {
  readonly streamWindowBytes: number;
  readonly connectionWindowBytes: number;
  readonly frameBytes: number;
  readonly maxConcurrentStreams: number;
  /** TLS and the peer's SETTINGS, together. */
  readonly handshakeTimeoutMs: number;
  /** From CONNECT to its answer. */
  readonly replyTimeoutMs: number;
  /** From the start, and from each pong, to the next PING. */
  readonly pingIntervalMs: number;
  /** A tunnel without a pong for this long is dead. */
  readonly pingTimeoutMs: number;
  /** That run at once; a quarter of them from one source at the most. */
  readonly maxHandshakes: number;
  /** Sockets that wait for a handshake to begin; further ones are reset. */
  readonly maxWaitingHandshakes: number;
  /** Of one identity at one address, to a server. */
  readonly maxTunnelsPerPeer: number;
};

/** ztunnel.md sections 3.2 and 3.6; deadlines from design.md, "Numbers". */
export const DEFAULT_SETTINGS: HboneSettings = {
  streamWindowBytes: 4 << 20,
  connectionWindowBytes: 16 << 20,
  frameBytes: 1 << 20,
  maxConcurrentStreams: 200,
  handshakeTimeoutMs: 5_000,
  replyTimeoutMs: 15_000,
  pingIntervalMs: 10_000,
  pingTimeoutMs: 20_000,
  maxHandshakes: 256,
  maxWaitingHandshakes: 1_024,
  maxTunnelsPerPeer: 1_024, // with a hundred streams on each
};
