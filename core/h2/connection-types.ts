/** What a connection of HTTP/2 is given, and what it asks of its wire and its streams. */
import type { ConnectionFault, FloodKind } from './faults.ts';
import type { BlockDecoder } from './header-blocks.ts';
import type { H2Limits } from './limits.ts';

/** What the connection stands on; `TlsLink` is one. */
export type Wire = {
  write(bytes: Uint8Array): void;
  /** A frame's header and payload, in this order, valid only during the call; what precedes the payload in memory may be overwritten. */
  writeFrame(header: Uint8Array, payload: Uint8Array): void;
  /** Sends what is left and closes. */
  end(): void;
  readonly isBlocked: boolean;
};

export type ConnectionEvents = {
  /** The peer's SETTINGS came, for the first time. */
  ready(): void;
  /** SETTINGS came, and are in force. */
  settled?(): void;
  /** The peer's GOAWAY came: no new streams, those that it takes go on. */
  leaving?(): void;
  /** No more streams will live; told once. A fault is the peer's. */
  over(fault: ConnectionFault | undefined): void;
  /** A limit was hit that ended a stream, or the connection: then `over` follows. */
  flood?(kind: FloodKind): void;
};

export type H2Settings = {
  readonly streamWindowBytes: number;
  /** With what each stream begins. */
  readonly firstWindowBytes?: number;
  readonly connectionWindowBytes: number;
  readonly frameBytes: number;
  /** Of the peer, at a server. */
  readonly maxConcurrentStreams: number;
  /** For the peer to acknowledge our SETTINGS. */
  readonly handshakeTimeoutMs: number;
  /** From the start, and from each pong, to the next PING. */
  readonly pingIntervalMs: number;
  /** A connection without a pong for this long is dead. 0: only look around once an interval, without any PING. */
  readonly pingTimeoutMs: number;
};

/** What a connection needs of its streams. */
export interface H2Stream {
  readonly id: number;
  /** What the peer lets us send. */
  sendWindow: number;
  /** Since when there was something to send and no window for it, on the connection's clock. */
  stalledSince: number | undefined;
  /** Client: the final head came. Server: it was given. */
  readonly isAnswered: boolean;
  readonly hasPeerEnded: boolean;
  readonly hasPending: boolean;
  /** A frame of so many bytes came. False: more than was granted. */
  takes(bytes: number): boolean;
  receiveData(piece: Buffer): void;
  /** Bytes that count against the window and carry nothing: padding. */
  receivePadding(bytes: number): void;
  receiveEnd(): void;
  /** RST_STREAM. */
  receiveReset(code: number): void;
  /** It was reset by us, since the peer broke the rules. */
  brokeRules(code: number): void;
  /** It had something to send and no window for too long. */
  cutStalled(): void;
  /** The connection is gone; `cancel`: withdrawn by us. */
  connectionLost(why: 'cancel' | 'connect-error'): void;
  /** Sends what waits; says whether there is more. */
  pump(maxBytes: number): 'done' | 'more';
  releaseWindow(): void;
}

export type ConnectionOptions<F> = {
  readonly role: 'client' | 'server';
  readonly wire: Wire;
  readonly settings: H2Settings;
  readonly limits: H2Limits;
  readonly events: ConnectionEvents;
  /** Owned by the connection from here on. */
  readonly decoder: BlockDecoder<F>;
  /** SETTINGS_MAX_HEADER_LIST_SIZE, and what it holds the peer to. */
  readonly maxHeaderListBytes: number;
  /** Said in our SETTINGS beside the usual. */
  readonly moreSettings?: readonly (readonly [id: number, value: number])[];
  /** Milliseconds, never going back. */
  readonly now?: () => number;
};
