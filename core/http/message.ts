/**
 * HTTP as the waypoint sees it, whatever version carries it: a request comes with a body that flows, a handler answers with a
 * response whose body flows. Nothing is held whole. `core/http/http1` and `core/http/http2` speak it over legs.
 */
import type { HeaderFields } from './header-fields.ts';
import type { HttpError } from './http-error.ts';

export type HttpVersion = 'HTTP/1.1' | 'HTTP/2';

/**
 * Bytes that arrive: a request's body at a server, a response's at a client. Starts paused. A view is valid only during the
 * call that passes it. Exactly one of `end` and `failed` comes last. After `cancel` nothing comes any more.
 */
export interface Body {
  /** Bytes, as Content-Length tells; 0 when there is no body; undefined when only its end will tell. */
  readonly length: number | undefined;
  /** Names the receiver and begins. Called once. With a body of no bytes, `end` may come from inside this call. */
  deliver(to: BodyEvents): void;
  pause(): void;
  resume(): void;
  /** The rest is not wanted: HTTP/2 resets the stream, HTTP/1.1 gives the connection up unless the rest is small. */
  cancel(): void;
}

export interface BodyEvents {
  data(view: Uint8Array): void;
  /** The whole body came. Trailers without those that RFC 9110 section 6.5.1 forbids. */
  end(trailers: HeaderFields | undefined): void;
  failed(error: HttpError): void;
}

/** Where a body is written to: by an engine, from a `Body`; the other half of a relay. */
export interface BodySink {
  /** Sends, keeping a copy of what does not fit. False: stop until `writable`. */
  write(view: Uint8Array): boolean;
  end(trailers: HeaderFields | undefined): void;
  /** Tells the other side that the message was cut: RST_STREAM, or a connection that ends in the middle of the message. */
  fail(error: HttpError): void;
}

/**
 * One request as a server took it, or as a client shall send it. Names of headers are in lower case; `host`, `connection`,
 * `transfer-encoding` and all that `connection` names are not among them (RFC 9110 section 7.6.1); `te` only as `trailers`;
 * `content-length` is: engines check it against the body, and write it from `body.length`.
 */
export interface HttpRequest {
  readonly version: HttpVersion;
  method: string;
  /** As in `:path`: absolute path and query, or `*` for OPTIONS. Never empty, no fragment. */
  target: string;
  /** Host, and port where there is one: `:authority`, or the Host field. */
  authority: string;
  /** `:scheme`; `http` at an HTTP/1.1 server without TLS. */
  scheme: string;
  readonly headers: HeaderFields;
  readonly body: Body;
  /**
   * Protocol that shall follow (`websocket`): HTTP/1.1 Upgrade, or extended CONNECT (RFC 8441; then `method` is `GET`, and the
   * engine translates). `body` is then what the caller sends after the answer 101, and delivers nothing before it. In lower case.
   */
  readonly upgrade: string | undefined;
  /** Set once the caller has gone or has withdrawn the request. */
  readonly aborted: HttpError | undefined;
  /** Calls back when the caller goes away before the response is complete; at once when it has. At most one listener. */
  onAbort(listener: (error: HttpError) => void): void;
  /** Sends an interim response (1xx, not 101) on; dropped where the version or the moment does not permit it. */
  inform(status: number, headers: HeaderFields): void;
}

/**
 * A final response. 101 answers `upgrade`: its `body` is then what the upstream sends, until either side ends (over HTTP/2 the
 * engine makes it 200). The same fields are left out of `headers` as in a request.
 */
export type HttpResponse = {
  status: number;
  readonly headers: HeaderFields;
  body: Body;
};

/** Answers each request, at once or later. A rejection that is no HttpError is our own bug: the engine answers 500. */
export type Handler = (request: HttpRequest) => HttpResponse | Promise<HttpResponse>;

/** What a server connection could not hand to its handler, and what it answered (0: it only closed). For logs and metrics. */
export type Refusal = {
  readonly status: number;
  readonly error: HttpError;
  /** What was read so far; for the log only. */
  readonly method?: string;
  readonly target?: string;
  readonly authority?: string;
};

/** Every limit of a server or client connection. Sizes in bytes. */
export type HttpLimits = {
  /** Start line and fields of a message together; beyond: 431 (`request_headers_too_large`). */
  readonly headBytes: number;
  /** Fields of a message; also of trailers. */
  readonly headFields: number;
  /** Concurrent streams of one HTTP/2 connection. */
  readonly streams: number;
  /** Of a server connection from its first byte of a head to the last: slow clients. 0: none, as for all that follow. */
  readonly headMs: number;
  /** Between two messages of a connection, no exchange under way. */
  readonly idleMs: number;
  /** Of an exchange under way, without a byte in either direction. */
  readonly streamIdleMs: number;
  /** Of a connection as a whole; it drains when it is over. */
  readonly connectionMs: number;
  /** Of one exchange as a whole. */
  readonly exchangeMs: number;
};

/** waypoint.md sections 1.11 and 1.12; a head must come within a minute, where the reference waits for ever. */
export const DEFAULT_LIMITS: HttpLimits = {
  headBytes: 60 * 1024,
  headFields: 100,
  streams: 100,
  headMs: 60_000,
  idleMs: 3_600_000,
  streamIdleMs: 0,
  connectionMs: 0,
  exchangeMs: 0,
};

export type ServerOptions = {
  readonly handler: Handler;
  readonly limits: HttpLimits;
  /** Told of each request that was refused before a handler saw it. Must not throw. */
  readonly onRefused: (refusal: Refusal) => void;
};

/** A connection that a client opened to us. It owns its leg. */
export interface ServerConnection {
  /** Requests whose responses are not complete. */
  readonly active: number;
  /** No further requests: `connection: close`, GOAWAY. Ends with what is under way. */
  drain(): void;
  /** Ends at once; what is under way fails. */
  cut(): void;
  /** Settles when the leg is closed. Never rejects. */
  readonly closed: Promise<void>;
}

/** What a client sends; an HttpRequest that a server took will do, after its fields were edited. */
export type ClientRequest = Pick<
  HttpRequest,
  'method' | 'target' | 'authority' | 'scheme' | 'headers' | 'body' | 'upgrade'
>;

export type ClientCall = {
  /** Resolves with the final head. Rejects with HttpError; `HttpError.isProcessed` false: it is safe to send it again. */
  readonly response: Promise<HttpResponse>;
  /** Not wanted any more: the stream is reset, an HTTP/1.1 connection closed. Harmless when the response is complete. */
  cancel(error: HttpError): void;
};

export type ClientOptions = {
  readonly limits: HttpLimits;
  /** It can take another request, or is gone: told whenever `capacity` has grown or become 0 for good. Must not throw. */
  readonly onChange: () => void;
};

/** A connection that we opened to a server. It owns its leg. */
export interface ClientConnection {
  readonly version: HttpVersion;
  /** Requests that it takes now. HTTP/1.1 is not pipelined: 1 or 0. */
  readonly capacity: number;
  readonly active: number;
  /** Takes no more requests, and will not again. */
  readonly isOver: boolean;
  /** `informed` hears interim responses. The request's body is not touched when the call rejects unprocessed. */
  send(request: ClientRequest, informed?: (status: number, headers: HeaderFields) => void): ClientCall;
  /** Ends with what is under way. */
  drain(): void;
  cut(): void;
  readonly closed: Promise<void>;
}
