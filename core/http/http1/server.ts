/** HTTP/1.1 as a server speaks it, over a leg. */
import type { Leg, LegEvents } from '../../hbone/index.ts';
import { NO_BODY } from '../body.ts';
import { type Deadlines, threadDeadlines } from '../deadlines.ts';
import { HeaderFields } from '../header-fields.ts';
import { HttpError } from '../http-error.ts';
import type { HttpResponse, ServerConnection, ServerOptions } from '../message.ts';
import { ConnectionTimers, type TimersOwner } from './connection-timers.ts';
import { HeadText, statusLine } from './head-text.ts';
import { type BodySource, IncomingBody } from './incoming-body.ts';
import { Inlet, type InletOwner } from './inlet.ts';
import { Outlet, type OutletOwner } from './outlet.ts';
import { parseRequestHead, type RequestHead, startLineOf } from './request-head.ts';
import { planResponse, upgradeHead } from './response-plan.ts';
import { type Informer, ServerRequest } from './server-request.ts';

/** For the client to close after us, when we have; and for the rest of a body that is read to keep a connection. */
const LINGER_MS = 10_000;
/** The same where our last bytes still wait for a slow client. */
const SLOW_LINGER_MS = 60_000;

/**
 *     idle -> head -> exchange (answering, then response under way) -> idle …
 *       \______________\_______\--> closing (our side has ended) -> over
 */
type Phase = 'idle' | 'head' | 'exchange' | 'closing' | 'over';

class Http1Server implements ServerConnection, LegEvents, InletOwner, OutletOwner, BodySource, Informer, TimersOwner {
  readonly closed: Promise<void>;
  readonly #leg: Leg;
  readonly #options: ServerOptions;
  readonly #inlet: Inlet;
  readonly #outlet: Outlet;
  readonly #timers: ConnectionTimers;
  #phase: Phase = 'idle';
  /** No request follows the one under way. */
  #isLast = false;
  #request: ServerRequest | undefined;
  #wantsTrailers = false;
  /** Of the request under way, when it has one. */
  #body: IncomingBody | undefined;
  /** The client may be waiting for 100. */
  #owes100 = false;
  #isAnswered = false;
  #isUpgraded = false;
  #isResponseSent = false;
  #sawEmptyLine = false;

  constructor(leg: Leg, options: ServerOptions, deadlines: Deadlines) {
    this.#leg = leg;
    this.closed = leg.closed;
    this.#options = options;
    const { limits } = options;
    this.#inlet = new Inlet(leg, this, limits);
    this.#timers = new ConnectionTimers(deadlines, limits, this);
    this.#outlet = new Outlet(leg, this, this.#timers.wantsTouch ? () => this.#touch() : undefined);
    this.#inlet.expectHead();
  }

  get active(): number {
    return this.#request === undefined ? 0 : 1;
  }

  drain(): void {
    this.#isLast = true;
    if (this.#phase === 'idle') this.#close();
  }

  cut(): void {
    this.#cut(new HttpError('cancelled', 'the connection was cut on our side', { detail: 'connection_cut' }));
  }

  // What the leg tells.

  data(view: Uint8Array): void {
    this.#touch();
    this.#inlet.data(view);
    this.#noticeHead();
  }

  writable(): void {
    this.#touch();
    this.#outlet.writable();
  }

  end(): void {
    this.#inlet.end();
  }

  reset(): void {
    this.#gone(
      new HttpError('closed', 'the client reset the connection', { detail: 'downstream_remote_disconnect' }),
      false,
    );
  }

  // What the inlet tells.

  head(text: string): void {
    if (text.length === 2 && !this.#sawEmptyLine) {
      this.#sawEmptyLine = true; // RFC 9112 section 2.2: one before a request line is ignored
      this.#inlet.expectHead();
      return;
    }
    this.#sawEmptyLine = false;
    let head: RequestHead;
    try {
      head = parseRequestHead(text, this.#options.limits.headFields);
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      this.#refuse(error, text);
      return;
    }
    this.#begin(head);
  }

  bodyOver(): void {
    this.#body = undefined;
    this.#finishIfOver();
  }

  bodyTooLong(): void {
    if (this.#isResponseSent) this.#closeWithinRequest();
  }

  broken(error: HttpError): void {
    if (this.#phase === 'closing') {
      this.#leg.reset('cancel');
      return;
    }
    if (this.#request === undefined) {
      this.#refuse(error, '');
      return;
    }
    // Within the body: the handler has heard, and its answer, or ours, is the last one.
    this.#body = undefined;
    this.#isLast = true;
    this.#request.abort(error);
    if (!this.#isAnswered) this.#answer(error.status || 400);
    else this.#finishIfOver();
  }

  ended(isWithinBody: boolean): void {
    if (this.#phase === 'closing' || this.#phase === 'over') return;
    this.#isLast = true;
    if (this.#request === undefined) this.#close();
    // A client that has said everything gets its answer. One that ends within its request, or before the upgrade, has gone.
    else if (isWithinBody || (this.#request.upgrade !== undefined && !this.#isAnswered)) this.#cut(clientGone());
  }

  // What a body of a request tells.

  wanted(body: IncomingBody): void {
    if (!this.#owes100 || this.#body !== body || this.#isAnswered) return;
    this.#owes100 = false;
    if (!this.#inlet.hasMore) this.#outlet.head(new HeadText(statusLine(100)).end());
  }

  go(): void {
    this.#inlet.go();
  }

  cancelled(body: IncomingBody): void {
    if (this.#body !== body) return;
    // Nobody takes what the client says, and it has heard all: of the connection that was upgraded nothing is left.
    if (this.#isUpgraded && this.#isResponseSent) this.#cut(new HttpError('closed', 'the other side has gone'));
    else this.#inlet.go();
  }

  inform(request: ServerRequest, status: number, headers: HeaderFields): void {
    if (request !== this.#request || this.#isAnswered || status < 100 || status > 199 || status === 101) return;
    if (status === 100) {
      if (!this.#owes100) return;
      this.#owes100 = false;
    }
    const head = new HeadText(statusLine(status));
    try {
      head.addAll(headers);
      this.#outlet.head(head.end());
    } catch (error) {
      if (!(error instanceof HttpError)) throw error; // one that can't be sent is left out, as any may be
    }
  }

  // The exchange.

  #begin(head: RequestHead): void {
    this.#phase = 'exchange';
    this.#timers.exchange();
    if (head.isLast) this.#isLast = true;
    this.#owes100 = head.expectsContinue;
    this.#isAnswered = false;
    this.#isResponseSent = false;
    this.#wantsTrailers = head.headers.has('te');
    let body: IncomingBody | undefined;
    if (head.upgrade !== undefined) body = new IncomingBody(undefined, this);
    else if (head.length !== 0) {
      body = new IncomingBody(head.length, this);
      this.#inlet.expectBody(body, head.length ?? 'chunked');
    }
    this.#body = body;
    const request = new ServerRequest(head, body ?? NO_BODY, this);
    this.#request = request;
    let answer: HttpResponse | Promise<HttpResponse>;
    try {
      answer = this.#options.handler(request);
    } catch (error) {
      this.#rejected(error);
      return;
    }
    if (answer instanceof Promise) answer.then(this.#respond, this.#rejected);
    else this.#respond(answer);
  }

  /** At most one handler is at work, and none begins before the last one's answer: no need to know whose it is. */
  readonly #respond = (response: HttpResponse): void => {
    const request = this.#request;
    if (request === undefined || this.#isAnswered) {
      response.body.cancel(); // too late: the client has gone, or has been answered already
      return;
    }
    try {
      this.#write(request, response);
    } catch (error) {
      response.body.cancel();
      if (!(error instanceof HttpError)) {
        // A bug of who made the response ends this connection, not the process; `onAbort` hears of it.
        this.#cut(
          new HttpError('cancelled', 'a response that can not be written', { detail: 'internal', cause: error }),
        );
        return;
      }
      this.#isAnswered = false; // nothing of it was written
      this.#answer(500);
    }
  };

  readonly #rejected = (error: unknown): void => {
    if (this.#request === undefined || this.#isAnswered) return;
    if (!(error instanceof HttpError)) this.#answer(500);
    else if (error.status !== 0) this.#answer(error.status);
    else this.#cut(error);
  };

  #write(request: ServerRequest, response: HttpResponse): void {
    const { status } = response;
    if (status === 101 && request.upgrade !== undefined) {
      this.#upgrade(response, request.upgrade);
      return;
    }
    if (!(status >= 200 && status <= 599)) throw new HttpError('malformed', `no status to answer with: ${status}`);
    this.#settleRequestBody(request);
    const plan = planResponse(response, request.method, this.#wantsTrailers, this.#isLast);
    this.#isAnswered = true;
    // Nobody reads a body of no bytes either: whoever watches it is told all the same.
    if (plan.framing === 'none' || plan.framing === 0) response.body.cancel();
    this.#outlet.message(plan.head, response.body, plan.framing);
  }

  /** What of the request may follow an answer that is not waited for: before the head of the answer says whether we close. */
  #settleRequestBody(request: ServerRequest): void {
    const body = this.#body;
    if (body === undefined) return;
    if (request.upgrade !== undefined) {
      this.#body = undefined; // refused: the client goes on in HTTP, unless it was hasty
      if (this.#inlet.hasMore) this.#isLast = true;
      body.abandon(new HttpError('unsupported', 'the upgrade was refused', { detail: 'upgrade_refused' }));
    } else if (this.#owes100) {
      this.#isLast = true; // it may send the body all the same, or not: nobody can tell (RFC 9110 section 10.1.1)
    } else if ((body.isCancelled || !body.isWanted) && !this.#inlet.canDrain()) {
      this.#isLast = true;
    }
  }

  #upgrade(response: HttpResponse, protocol: string): void {
    this.#outlet.head(upgradeHead(response, protocol)); // nothing has changed when it can't be sent
    this.#isAnswered = true;
    this.#isUpgraded = true;
    this.#isLast = true;
    this.#inlet.expectBody(this.#body as IncomingBody, 'close');
    this.#outlet.raw(response.body);
    this.#inlet.go();
  }

  /** A short answer of the engine's own. */
  #answer(status: number): void {
    this.#isLast = true;
    this.#respond({ status, headers: new HeaderFields(), body: NO_BODY });
  }

  sent(): void {
    this.#isResponseSent = true;
    this.#finishIfOver();
  }

  unsent(error: HttpError): void {
    this.#cut(error);
  }

  #finishIfOver(): void {
    if (!this.#isResponseSent || this.#request === undefined) return;
    const body = this.#body;
    if (body !== undefined) {
      if (this.#isUpgraded) return; // the client's half goes on
      this.#abandonBody(body);
      return;
    }
    this.#request = undefined;
    if (this.#isLast || this.#isUpgraded) {
      this.#close();
      return;
    }
    this.#phase = 'idle';
    this.#timers.idle();
    this.#inlet.expectHead();
    this.#inlet.go();
    this.#noticeHead();
  }

  #noticeHead(): void {
    if (this.#phase !== 'idle' || !this.#inlet.isInHead) return;
    this.#phase = 'head';
    this.#timers.head();
  }

  /** The response is complete: nobody needs the rest of the request, but the next one comes only after it. */
  #abandonBody(body: IncomingBody): void {
    body.abandon(
      new HttpError('cancelled', 'the response was complete before the request', { detail: 'early_response' }),
    );
    if (this.#isLast || !this.#inlet.canDrain()) {
      this.#closeWithinRequest();
      return;
    }
    this.#timers.linger(LINGER_MS);
    this.#inlet.go();
  }

  #closeWithinRequest(): void {
    this.#body = undefined;
    this.#request = undefined;
    this.#close();
  }

  // Ends.

  #refuse(error: HttpError, text: string): void {
    const { onRefused } = this.#options;
    const status = error.status || 400;
    onRefused({ status, error, ...startLineOf(text) });
    const head = new HeadText(statusLine(status));
    if (status === 426) {
      head.add('upgrade', 'HTTP/1.1'); // RFC 9110 section 15.5.22
      head.add('connection', 'upgrade, close');
    } else {
      head.add('connection', 'close');
    }
    head.add('content-length', '0');
    this.#outlet.head(head.end());
    this.#close();
  }

  /** Ends our side; what still comes is dropped, so that the client reads our last answer before it hears of a reset. */
  #close(): void {
    if (this.#phase === 'closing' || this.#phase === 'over') return;
    this.#phase = 'closing';
    this.#timers.closing(this.#outlet.isBlocked ? SLOW_LINGER_MS : LINGER_MS);
    this.#leg.end();
    this.#inlet.discard();
    void this.closed.then(this.#over);
  }

  #cut(error: HttpError): void {
    if (this.#phase === 'over') return;
    this.#leg.reset('cancel');
    this.#gone(error, true);
  }

  /** The leg is no more. */
  #gone(error: HttpError, isOurs: boolean): void {
    if (this.#phase === 'over') return;
    this.#over();
    this.#inlet.stop();
    const request = this.#request;
    const body = this.#body;
    this.#request = undefined;
    this.#body = undefined;
    body?.fail(error);
    if (request !== undefined && (!this.#isResponseSent || isOurs)) request.abort(error);
    this.#outlet.stop();
  }

  readonly #over = (): void => {
    this.#phase = 'over';
    this.#timers.close();
  };

  // Time.

  #touch(): void {
    if (this.#phase === 'exchange') this.#timers.touch();
  }

  phaseDue(): void {
    switch (this.#phase) {
      case 'idle':
        this.#close();
        break;
      case 'head':
        this.#inlet.stop();
        this.#refuse(timeout('request_header_timeout', 'a head took too long', 408), '');
        break;
      case 'exchange':
        if (this.#isResponseSent) this.#cut(timeout('request_body_timeout', 'the rest of a body took too long', 408));
        else this.#timeOut('stream_idle_timeout', 'nothing moved in an exchange');
        break;
      case 'closing':
        this.#leg.reset('cancel');
        break;
      case 'over':
        break;
    }
  }

  exchangeDue(): void {
    this.#timeOut('max_duration_timeout', 'an exchange took too long');
  }

  /** waypoint.md section 1.13: 408 while the request is not complete, else 504; cut once the response is under way. */
  #timeOut(detail: string, message: string): void {
    const request = this.#request;
    if (request === undefined) return;
    const error = timeout(detail, message, this.#body !== undefined && request.upgrade === undefined ? 408 : 504);
    if (this.#isAnswered) {
      this.#cut(error);
      return;
    }
    this.#body?.abandon(error);
    request.abort(error);
    if (!this.#isAnswered) this.#answer(error.status);
  }
}

const clientGone = (): HttpError =>
  new HttpError('closed', 'the client ended within its request', { detail: 'downstream_remote_disconnect' });

const timeout = (detail: string, message: string, status: number): HttpError =>
  new HttpError('timeout', message, { detail, status });

/**
 * Serves HTTP/1.1; owns the leg from here on. `first`: bytes that were read from it already, to find out what it speaks. Requests that
 * come without waiting are answered one after another. A handler may be called before this returns.
 */
export function serveHttp1(
  leg: Leg,
  options: ServerOptions,
  first?: Uint8Array,
  deadlines: Deadlines = threadDeadlines(),
): ServerConnection {
  const server = new Http1Server(leg, options, deadlines);
  if (first !== undefined && first.length > 0) server.data(first);
  leg.deliver(server);
  return server;
}
