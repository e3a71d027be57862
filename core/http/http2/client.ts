/** HTTP/2 at the side that asks. */
import { H2, type HeaderBlock } from '../../h2/index.ts';
import type { Leg } from '../../hbone/index.ts';
import { NO_BODY } from '../body.ts';
import { Deadline } from '../deadlines.ts';
import type { HeaderFields } from '../header-fields.ts';
import { HttpError } from '../http-error.ts';
import type { Body, ClientCall, ClientConnection, ClientOptions, ClientRequest, HttpResponse } from '../message.ts';
import { HttpConnection, type HttpConnectionOptions, type Length } from './connection.ts';
import type { HttpField } from './fields.ts';
import { type ResponseHead, readResponse, readTrailers } from './heads.ts';
import { type Carrier, MessageStream } from './message-stream.ts';
import { ACCEPT_FIELD, acceptOf, KEY_FIELD } from './websocket.ts';

const nobodyCares = () => {};

type Informed = (status: number, headers: HeaderFields) => void;

/** A call, and its stream. */
class ClientStream extends MessageStream implements ClientCall {
  readonly response: Promise<HttpResponse>;
  readonly informed: Informed | undefined;
  readonly #resolve: (response: HttpResponse) => void;
  readonly #reject: (error: HttpError) => void;
  readonly #isHead: boolean;
  /** Of an upgrade, until it is answered. */
  #later: Body | undefined;
  readonly #limit: Deadline | undefined;
  /** Of an upgrade: what its 101 has to prove that it has read. */
  readonly #key: string | undefined;
  readonly #isUpgrade: boolean;

  constructor(
    id: number,
    sendWindow: number,
    carrier: Carrier,
    request: ClientRequest,
    o: { readonly informed: Informed | undefined; readonly exchangeMs: number },
  ) {
    super(id, sendWindow, carrier);
    const { promise, resolve, reject } = Promise.withResolvers<HttpResponse>();
    this.response = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    this.informed = o.informed;
    this.#isHead = request.method === 'HEAD';
    this.#isUpgrade = request.upgrade !== undefined;
    this.#key = this.#isUpgrade ? request.headers.first(KEY_FIELD) : undefined;
    if (o.exchangeMs <= 0) return;
    this.#limit = new Deadline(carrier.deadlines, () =>
      this.timedOut('max_duration_timeout', 'the exchange took too long'),
    );
    this.#limit.set(o.exchangeMs);
  }

  /** The head has gone. */
  begin(body: Body, isLast: boolean): void {
    if (this.#isUpgrade) this.#later = body;
    else if (isLast) this.sentEnd();
    else this.send(body, body.length);
  }

  receiveTooLarge(): void {
    this.breakOff(
      H2.CANCEL,
      new HttpError('too-large', 'the head of the response is too large', {
        detail: 'response_headers_too_large',
        status: 502,
      }),
    );
  }

  receiveHead(head: ResponseHead, isLast: boolean): void {
    this.isAnswered = true;
    const { status, headers } = head;
    const isBodiless = this.#isHead || status === 204 || status === 304;
    const isUpgraded = this.#isUpgrade && status >= 200 && status < 300;
    const length = isUpgraded ? undefined : head.length;
    if (isBodiless) this.expectBytes(0);
    else this.expectBytes(length);
    // Trailers may come after no content.
    this.length = isLast || isBodiless ? 0 : length === 0 ? undefined : length;
    if (isLast) {
      if (!isBodiless && length !== undefined && length > 0) return void this.carrier.fault(this, H2.PROTOCOL_ERROR);
      this.receiveEnd();
    }
    const later = this.#later;
    this.#later = undefined;
    if (isUpgraded && this.#key !== undefined) headers.set(ACCEPT_FIELD, acceptOf(this.#key));
    if (later !== undefined && isUpgraded) this.send(later, undefined);
    else if (later !== undefined && !this.isOffWire) {
      later.cancel();
      this.finishSending();
    }
    this.#resolve({ status: isUpgraded ? 101 : status, headers, body: this.length === 0 ? NO_BODY : this });
  }

  override cancel(error?: HttpError): void {
    // As a body: its reader does not want the rest. As a call: nobody wants any of it.
    if (error === undefined) super.cancel();
    else this.breakOff(H2.CANCEL, error);
  }

  override receiveReset(code: number): void {
    // RFC 9113 section 8.1: the response is complete, and the rest of the request is not wanted.
    if (this.hasPeerEnded) this.#leave();
    else if (code === H2.REFUSED_STREAM) {
      this.cut(
        new HttpError('refused', 'the server did not look at the request', {
          isProcessed: false,
          detail: 'http2.remote_refuse',
        }),
      );
    } else
      this.cut(new HttpError('reset', `the server reset the stream (code ${code})`, { detail: 'http2.remote_reset' }));
  }

  override connectionLost(why: 'cancel' | 'connect-error'): void {
    if (this.hasPeerEnded) this.#leave();
    else super.connectionLost(why);
  }

  override timedOut(detail: string, message: string): void {
    this.breakOff(H2.CANCEL, new HttpError('timeout', message, { detail }));
  }

  protected override unwanted(): void {
    this.carrier.sendReset(this, H2.CANCEL);
    this.#leave();
  }

  protected override sentFirst(): void {} // the response comes now

  protected override broken(error: HttpError): void {
    this.#later?.cancel();
    this.#later = undefined;
    this.response.catch(nobodyCares); // who has withdrawn it need not listen
    this.#reject(error); // harmless once it was answered
  }

  protected override codeFor(): number {
    return H2.CANCEL;
  }

  protected override gone(): void {
    this.#limit?.close();
  }

  /** The response is complete, or not wanted: so is the request then. */
  #leave(): void {
    this.leaveWire();
    this.stopSending();
  }
}

/** A call that waits for the peer's SETTINGS, which come or end the connection by a deadline. */
class LateCall implements ClientCall {
  readonly response: Promise<HttpResponse>;
  readonly #request: ClientRequest;
  readonly #informed: Informed | undefined;
  readonly #settle: PromiseWithResolvers<HttpResponse>;
  #call: ClientCall | undefined;
  #isOver = false;

  constructor(request: ClientRequest, informed: Informed | undefined) {
    this.#request = request;
    this.#informed = informed;
    this.#settle = Promise.withResolvers<HttpResponse>();
    this.response = this.#settle.promise;
    this.response.catch(nobodyCares);
  }

  go(client: ClientConnection): void {
    if (this.#isOver) return;
    this.#call = client.send(this.#request, this.#informed);
    this.#call.response.then(this.#settle.resolve, this.#settle.reject);
  }

  cancel(error: HttpError): void {
    this.#isOver = true;
    this.#call?.cancel(error);
    this.#settle.reject(error);
  }
}

class Http2Client extends HttpConnection<ClientStream> implements ClientConnection {
  readonly version = 'HTTP/2';
  readonly #o: ClientOptions;
  #waiting: LateCall[] = [];

  constructor(leg: Leg, o: ClientOptions, more: Partial<HttpConnectionOptions>) {
    super({ ...more, role: 'client', leg, limits: o.limits });
    this.#o = o;
  }

  get active(): number {
    return this.streamCount;
  }

  get isOver(): boolean {
    return !this.isUsable;
  }

  get capacity(): number {
    if (!this.isUsable) return 0;
    const most = Math.min(this.limits.streams, this.peerSettings.maxConcurrentStreams);
    // Who reads slowly fills this connection, and not its memory: what others ask finds another one.
    return Math.max(0, most - this.streamCount - this.unreadStreams - this.#waiting.length);
  }

  send(request: ClientRequest, informed?: Informed): ClientCall {
    const { upgrade, body, method } = request;
    if (this.capacity === 0) return refused('refused', 'the connection takes no more requests');
    if (upgrade !== undefined && !this.isSettled) return this.#later(request, informed);
    if (upgrade !== undefined && !this.peerSettings.takesConnectProtocol) {
      return refused('unsupported', `the server does not take ${upgrade} over HTTP/2`);
    }
    const stream = new ClientStream(this.takeStreamId(), this.peerSettings.initialWindowBytes, this, request, {
      informed,
      exchangeMs: this.limits.exchangeMs,
    });
    this.addStream(stream);
    const isLast = upgrade === undefined && body.length === 0;
    const headers = upgrade === undefined ? request.headers : request.headers.clone();
    if (upgrade !== undefined) headers.remove(KEY_FIELD);
    const pseudo = [':method', upgrade === undefined ? method : 'CONNECT', ':scheme', request.scheme];
    pseudo.push(':authority', request.authority, ':path', request.target);
    if (upgrade !== undefined) pseudo.push(':protocol', upgrade);
    let length: Length = upgrade === undefined ? body.length : undefined;
    if (length === 0 && !request.headers.has('content-length')) length = undefined;
    this.sendHead(stream.id, pseudo, headers, length, isLast);
    stream.begin(body, isLast);
    return stream;
  }

  override drain(): void {
    super.drain();
    this.changed();
  }

  override start(): void {
    super.start();
  }

  override forget(stream: ClientStream): void {
    super.forget(stream);
    this.changed();
  }

  protected override changed(): void {
    if (this.#waiting.length > 0 && (this.isSettled || !this.isUsable)) {
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const call of waiting) call.go(this);
    }
    this.#o.onChange();
  }

  /** Only the peer's SETTINGS say whether it takes extended CONNECT. */
  #later(request: ClientRequest, informed: Informed | undefined): ClientCall {
    const call = new LateCall(request, informed);
    this.#waiting.push(call);
    return call;
  }

  protected override opened(): void {} // servers open none: the number is refused before

  protected override answered(stream: ClientStream, { endStream, fields }: HeaderBlock<HttpField>): void {
    if (fields === 'too-large') return void stream.receiveTooLarge();
    const head = readResponse(fields);
    if (head instanceof HttpError) return void this.streamFault(stream.id, H2.PROTOCOL_ERROR);
    if (head.status >= 200) return void stream.receiveHead(head, endStream);
    this.countControl();
    // Section 8.6: there is no switching of protocols. And nothing ends before its final answer.
    if (endStream || head.status === 101) this.streamFault(stream.id, H2.PROTOCOL_ERROR);
    else stream.informed?.(head.status, head.headers);
  }

  protected override trailers(stream: ClientStream, { endStream, fields }: HeaderBlock<HttpField>): void {
    const trailers = fields === 'too-large' ? undefined : readTrailers(fields);
    if (!endStream || fields === 'too-large' || trailers instanceof HttpError)
      this.streamFault(stream.id, H2.PROTOCOL_ERROR);
    else stream.receiveTrailers(trailers);
  }
}

function refused(kind: 'refused' | 'unsupported', why: string): ClientCall {
  const response = Promise.reject(new HttpError(kind, why, { isProcessed: false }));
  response.catch(nobodyCares);
  return { response, cancel: () => {} };
}

/** Speaks HTTP/2 with prior knowledge on a leg, which it owns from here on. Requests may be sent at once. */
export function connectHttp2(
  leg: Leg,
  options: ClientOptions,
  more: Partial<HttpConnectionOptions> = {},
): ClientConnection {
  const client = new Http2Client(leg, options, more);
  queueMicrotask(() => client.start());
  return client;
}
