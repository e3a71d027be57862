/** HTTP/2 at the side that answers. */
import { H2, type HeaderBlock } from '../../h2/index.ts';
import type { Leg } from '../../hbone/index.ts';
import { NO_BODY } from '../body.ts';
import { Deadline } from '../deadlines.ts';
import { HeaderFields } from '../header-fields.ts';
import { HttpError } from '../http-error.ts';
import type { Body, BodyEvents, HttpRequest, HttpResponse, ServerConnection, ServerOptions } from '../message.ts';
import { HttpConnection, type HttpConnectionOptions, type Length } from './connection.ts';
import type { HttpField } from './fields.ts';
import { type RequestHead, readRequest, readTrailers } from './heads.ts';
import { type Carrier, MessageStream } from './message-stream.ts';
import { ACCEPT_FIELD, KEY_FIELD, newKey } from './websocket.ts';

const NO_FIELDS = new HeaderFields();

interface ServerCarrier extends Carrier {
  readonly exchangeMs: number;
  respond(stream: ServerStream, status: number, headers: HeaderFields, length: Length, isLast: boolean): void;
  inform(stream: ServerStream, status: number, headers: HeaderFields): void;
}

/** One request, its response, and their stream. */
class ServerStream extends MessageStream implements HttpRequest {
  readonly version = 'HTTP/2';
  method: string;
  target: string;
  authority: string;
  scheme: string;
  readonly headers: HeaderFields;
  readonly body: Body;
  readonly upgrade: string | undefined;
  aborted: HttpError | undefined;
  readonly #server: ServerCarrier;
  readonly #isHead: boolean;
  #owes100: boolean;
  readonly #limit: Deadline | undefined;
  #onAbort: ((error: HttpError) => void) | undefined;

  constructor(id: number, sendWindow: number, server: ServerCarrier, head: RequestHead, isLast: boolean) {
    super(id, sendWindow, server);
    this.#server = server;
    this.method = head.method;
    this.target = head.target;
    this.authority = head.authority;
    this.scheme = head.scheme;
    this.headers = head.headers;
    this.upgrade = head.upgrade;
    this.#isHead = head.method === 'HEAD';
    this.length = isLast ? 0 : head.length === 0 ? undefined : head.length; // trailers may come after no content
    this.body = isLast ? NO_BODY : this;
    this.expectBytes(head.length);
    this.#owes100 = !isLast && head.headers.get('expect')?.toLowerCase() === '100-continue';
    // For whoever speaks HTTP/1.1 behind us (RFC 6455 section 4.1); RFC 8441 does without.
    if (head.upgrade !== undefined) head.headers.set(KEY_FIELD, newKey());
    if (server.exchangeMs <= 0) return;
    this.#limit = new Deadline(server.deadlines, () =>
      this.timedOut('max_duration_timeout', 'the exchange took too long'),
    );
    this.#limit.set(server.exchangeMs);
  }

  onAbort(listener: (error: HttpError) => void): void {
    if (this.aborted !== undefined) listener(this.aborted);
    else this.#onAbort = listener;
  }

  inform(status: number, headers: HeaderFields): void {
    if (this.isAnswered || this.isOffWire || status < 100 || status > 199 || status === 101) return;
    if (status === 100) {
      if (!this.#owes100) return;
      this.#owes100 = false;
    }
    this.#server.inform(this, status, headers);
  }

  /** Who wants the body makes the caller send it (RFC 9110 section 10.1.1). */
  override deliver(to: BodyEvents): void {
    if (this.#owes100) this.inform(100, NO_FIELDS);
    super.deliver(to);
  }

  respond(response: HttpResponse): void {
    if (this.isAnswered || this.isOffWire) {
      response.body.cancel();
      return;
    }
    const { body } = response;
    const isUpgraded = response.status === 101 && this.upgrade !== undefined;
    const status = isUpgraded ? 200 : response.status;
    if (!Number.isInteger(status) || status < 200 || status > 999) {
      body.cancel();
      throw new Error(`a response with status ${status}`);
    }
    const isBodiless = this.#isHead || status === 204 || status === 304;
    const isLast = isBodiless || body.length === 0;
    let length: Length = isUpgraded || status === 204 ? undefined : body.length;
    // Whoever has nothing to send may know how much it would be (RFC 9110 section 8.6).
    if (length === 0) length = isBodiless ? 'as-told' : response.headers.has('content-length') ? 0 : undefined;
    if (isUpgraded) response.headers.remove(ACCEPT_FIELD);
    this.isAnswered = true;
    this.#server.respond(this, status, response.headers, length, isLast);
    if (!isLast) this.send(body, isUpgraded ? undefined : body.length);
    else {
      body.cancel(); // one of no bytes as well: whoever watches it is told
      this.sentEnd();
    }
  }

  /** The handler gave up. What it threw, if it was no HttpError, is our own bug. */
  refuse(error: unknown): void {
    const known = error instanceof HttpError ? error : undefined;
    if (this.isOffWire) return;
    if (this.isAnswered) {
      this.breakOff(H2.INTERNAL_ERROR, known ?? new HttpError('cancelled', 'the handler failed', { cause: error }));
      return;
    }
    if (known?.status === 0) return void this.breakOff(this.codeFor(known), known);
    this.respond({ status: known?.status ?? 500, headers: new HeaderFields(), body: NO_BODY });
  }

  override receiveReset(code: number): void {
    const what =
      code === H2.CANCEL || code === H2.NO_ERROR ? 'withdrew the request' : `reset the stream (code ${code})`;
    this.cut(new HttpError('reset', `the caller ${what}`, { detail: 'http2.remote_reset' }));
  }

  override timedOut(detail: string, message: string): void {
    const error = new HttpError('timeout', message, { detail, status: 408 });
    if (this.isAnswered || this.isOffWire) return void this.breakOff(H2.CANCEL, error);
    this.#abort(error);
    this.refuse(error);
  }

  /** RST_STREAM would take the response with it: the peer is stopped by its window, and told when the response is out. */
  protected override unwanted(): void {}

  /** RFC 9113 section 8.1: after a complete response, the rest of the request is not wanted. */
  protected override sentFirst(): void {
    const error = new HttpError('cancelled', 'the response was complete before the request');
    this.carrier.sendReset(this, H2.NO_ERROR);
    this.endEarly(error);
  }

  protected override broken(error: HttpError): void {
    this.#abort(error);
  }

  protected override codeFor(error: HttpError): number {
    if (error.kind === 'refused' && !error.isProcessed) return H2.REFUSED_STREAM;
    // RFC 8441 section 5: as the RST of a connection. Of a response, CANCEL would pass for its end with some clients.
    if (error.kind === 'denied') return this.upgrade === undefined ? H2.INTERNAL_ERROR : H2.CANCEL;
    return error.kind === 'cancelled' || error.kind === 'timeout' ? H2.CANCEL : H2.INTERNAL_ERROR;
  }

  protected override gone(): void {
    this.#limit?.close();
  }

  #abort(error: HttpError): void {
    if (this.aborted !== undefined) return;
    this.aborted = error;
    const listener = this.#onAbort;
    this.#onAbort = undefined;
    listener?.(error);
  }
}

class Http2Server extends HttpConnection<ServerStream> implements ServerConnection, ServerCarrier {
  readonly exchangeMs: number;
  readonly #o: ServerOptions;

  constructor(leg: Leg, o: ServerOptions, more: Partial<HttpConnectionOptions>) {
    super({ ...more, role: 'server', leg, limits: o.limits });
    this.exchangeMs = o.limits.exchangeMs;
    this.#o = o;
  }

  get active(): number {
    return this.streamCount;
  }

  override start(first?: Uint8Array): void {
    super.start(first);
  }

  respond(stream: ServerStream, status: number, headers: HeaderFields, length: Length, isLast: boolean): void {
    this.sendHead(stream.id, [':status', String(status)], headers, length, isLast);
  }

  inform(stream: ServerStream, status: number, headers: HeaderFields): void {
    this.sendHead(stream.id, [':status', String(status)], headers, undefined, false);
  }

  protected override changed(): void {} // it opens no streams

  protected override opened({ streamId, endStream, fields }: HeaderBlock<HttpField>): void {
    if (fields === 'too-large') {
      const { headBytes, headFields } = this.limits;
      const error = new HttpError('too-large', `a head of more than ${headBytes} bytes or ${headFields} fields`, {
        detail: 'request_headers_too_large',
        status: 431,
      });
      return void this.#refuse(streamId, endStream, error, []);
    }
    const head = readRequest(fields);
    if (head instanceof HttpError) return void this.#refuse(streamId, endStream, head, fields);
    if (endStream && head.length !== undefined && head.length > 0) {
      const error = new HttpError('malformed', `no content, where content-length says ${head.length}`);
      return void this.#refuse(streamId, endStream, error, fields);
    }
    const stream = new ServerStream(streamId, this.peerSettings.initialWindowBytes, this, head, endStream);
    stream.hasPeerEnded = endStream;
    this.addStream(stream);
    this.#serve(stream);
  }

  protected override answered(): void {} // servers have no streams of their own

  protected override trailers(stream: ServerStream, { endStream, fields }: HeaderBlock<HttpField>): void {
    const trailers = fields === 'too-large' ? undefined : readTrailers(fields);
    if (!endStream || fields === 'too-large' || trailers instanceof HttpError)
      this.streamFault(stream.id, H2.PROTOCOL_ERROR);
    else stream.receiveTrailers(trailers);
  }

  #serve(stream: ServerStream): void {
    try {
      const response = this.#o.handler(stream);
      if (response instanceof Promise) {
        response.then(
          (late) => this.#respond(stream, late),
          (error: unknown) => stream.refuse(error),
        );
      } else this.#respond(stream, response);
    } catch (error) {
      stream.refuse(error);
    }
  }

  #respond(stream: ServerStream, response: HttpResponse): void {
    try {
      stream.respond(response);
    } catch (error) {
      stream.refuse(error);
    }
  }

  /** Without a stream: by an answer where one is fit, or by a reset. */
  #refuse(streamId: number, endStream: boolean, error: HttpError, fields: readonly HttpField[]): void {
    this.#o.onRefused({ status: error.status, error, ...sightOf(fields) });
    if (error.status === 0) return void this.streamFault(streamId, H2.PROTOCOL_ERROR);
    this.countRefused();
    this.sendHead(streamId, [':status', String(error.status)], NO_FIELDS, undefined, true);
    if (!endStream) this.resetStream(streamId, H2.NO_ERROR);
  }
}

/** For the log. */
function sightOf(fields: readonly HttpField[]): { method?: string; target?: string; authority?: string } {
  const find = (name: string) => fields.find((field) => field.name === name)?.value;
  const [method, target, authority] = [find(':method'), find(':path'), find(':authority') ?? find('host')];
  return {
    ...(method === undefined ? {} : { method }),
    ...(target === undefined ? {} : { target }),
    ...(authority === undefined ? {} : { authority }),
  };
}

/**
 * Serves HTTP/2 with prior knowledge (RFC 9113 section 3.3) on a leg, which it owns from here on. `first`: what was read of it
 * already, the preface or a part of it and whatever followed; copied.
 */
export function serveHttp2(
  leg: Leg,
  options: ServerOptions,
  first?: Uint8Array,
  more: Partial<HttpConnectionOptions> = {},
): ServerConnection {
  const server = new Http2Server(leg, options, more);
  const heard = first === undefined ? undefined : Buffer.from(first);
  queueMicrotask(() => server.start(heard)); // no handler runs before the caller has the connection
  return server;
}
