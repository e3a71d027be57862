/** HTTP/1.1 as a client speaks it, over a leg: one request at a time. */
import type { Leg, LegEvents, ResetCode } from '../../hbone/index.ts';
import { type Deadlines, threadDeadlines } from '../deadlines.ts';
import { HttpError } from '../http-error.ts';
import type { ClientCall, ClientConnection, ClientOptions, ClientRequest, HttpVersion } from '../message.ts';
import { ClientExchange, type Informed } from './client-exchange.ts';
import { ConnectionTimers, type TimersOwner } from './connection-timers.ts';
import { malformed } from './faults.ts';
import { type BodySource, IncomingBody } from './incoming-body.ts';
import { Inlet, type InletOwner } from './inlet.ts';
import { Outlet, type OutletOwner } from './outlet.ts';
import { planRequest, type RequestPlan } from './request-plan.ts';
import { parseResponseHead, type ResponseHead } from './response-head.ts';

/** For the server to close after us, when we have. */
const LINGER_MS = 5_000;
/** More interim responses than anybody sends before one final. */
const MAX_INTERIMS = 32;

/** `closing`: our side has ended. */
type Phase = 'idle' | 'exchange' | 'closing' | 'over';

class Http1Client implements ClientConnection, LegEvents, InletOwner, OutletOwner, BodySource, TimersOwner {
  readonly version: HttpVersion = 'HTTP/1.1';
  readonly closed: Promise<void>;
  readonly #leg: Leg;
  readonly #options: ClientOptions;
  readonly #inlet: Inlet;
  readonly #outlet: Outlet;
  readonly #timers: ConnectionTimers;
  #phase: Phase = 'idle';
  #exchange: ClientExchange | undefined;
  /** No other request follows. */
  #isLast = false;
  #isUpgraded = false;
  /** Requests that were answered on this connection. */
  #answered = 0;

  constructor(leg: Leg, options: ClientOptions, deadlines: Deadlines) {
    this.#leg = leg;
    this.closed = leg.closed;
    this.#options = options;
    const { limits } = options;
    this.#inlet = new Inlet(leg, this, limits);
    this.#timers = new ConnectionTimers(deadlines, limits, this);
    this.#outlet = new Outlet(leg, this, this.#timers.wantsTouch ? () => this.#touch() : undefined);
    this.#inlet.expectNothing();
  }

  get capacity(): number {
    return this.#phase === 'idle' && !this.#isLast ? 1 : 0;
  }

  get active(): number {
    return this.#exchange === undefined ? 0 : 1;
  }

  get isOver(): boolean {
    return this.#isLast || this.#phase === 'closing' || this.#phase === 'over';
  }

  send(request: ClientRequest, informed?: Informed): ClientCall {
    const exchange = new ClientExchange(request, informed, this.#cancel);
    if (this.capacity === 0) {
      exchange.fail(
        new HttpError('refused', 'the connection takes no request', {
          detail: 'connection_busy',
          status: 503,
          isProcessed: false,
        }),
      );
      return exchange;
    }
    let plan: RequestPlan;
    this.#phase = 'exchange';
    this.#exchange = exchange;
    this.#inlet.expectHead();
    try {
      plan = planRequest(request, false);
      if (plan.framing === 'none') this.#outlet.head(plan.head);
      else this.#outlet.message(plan.head, request.body, plan.framing);
    } catch (error) {
      this.#phase = 'idle';
      this.#exchange = undefined;
      this.#inlet.expectNothing();
      if (!(error instanceof HttpError)) throw error;
      exchange.fail(unsent(error));
      return exchange;
    }
    if (this.#exchange === exchange) this.#timers.exchange();
    return exchange;
  }

  drain(): void {
    if (this.isOver) return;
    this.#isLast = true;
    if (this.#phase === 'idle') this.#close();
    this.#options.onChange();
  }

  cut(): void {
    this.#fail(new HttpError('cancelled', 'the connection was cut on our side', { detail: 'connection_cut' }));
  }

  // What the leg tells.

  data(view: Uint8Array): void {
    this.#touch();
    this.#inlet.data(view);
  }

  writable(): void {
    this.#touch();
    this.#outlet.writable();
  }

  end(): void {
    this.#inlet.end();
  }

  reset(code: ResetCode): void {
    if (this.#phase === 'over') return;
    if (code === 'refused') {
      this.#gone(
        new HttpError('refused', 'the tunnel was refused', {
          detail: 'upstream_refused',
          status: 503,
          isProcessed: false,
        }),
      );
    } else {
      this.#gone(this.#lost('the upstream reset the connection'));
    }
  }

  // What the inlet tells.

  head(text: string): void {
    const exchange = this.#exchange as ClientExchange;
    const head = parseResponseHead(text, this.#options.limits.headFields, exchange.request.method);
    if (head.status === 101) {
      this.#upgrade(exchange, head);
    } else if (head.status < 200) {
      exchange.interims += 1;
      if (exchange.interims > MAX_INTERIMS) throw malformed('interim_responses', 'too many interim responses', 502);
      this.#inlet.expectHead();
      exchange.informed?.(head.status, head.headers);
    } else {
      this.#answer(exchange, head);
    }
  }

  bodyOver(): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    exchange.isResponseRead = true;
    this.#finishIfOver(exchange);
  }

  bodyTooLong(): void {
    this.#fail(new HttpError('cancelled', 'the rest of a response was not wanted', { detail: 'response_cancelled' }));
  }

  broken(error: HttpError): void {
    if (this.#phase === 'closing') {
      this.#leg.reset('cancel');
      return;
    }
    this.#fail(
      new HttpError(error.kind, error.message, { detail: error.detail, status: 502, isProcessed: true, cause: error }),
    );
  }

  ended(isWithinBody: boolean): void {
    if (this.#phase === 'closing' || this.#phase === 'over') return;
    const exchange = this.#exchange;
    if (exchange === undefined) {
      this.#closeForGood();
    } else if (isWithinBody || !exchange.isAnswered) {
      this.#fail(this.#lost('the upstream ended the connection'));
    }
  }

  // What the body of a response tells.

  wanted(): void {}

  go(): void {
    this.#inlet.go();
  }

  cancelled(body: IncomingBody): void {
    if (this.#exchange?.body !== body) return;
    if (this.#isUpgraded || !this.#inlet.canDrain()) this.bodyTooLong();
    else {
      this.#timers.linger(LINGER_MS);
      this.#inlet.go();
    }
  }

  // What the outlet tells.

  sent(): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    exchange.isRequestSent = true;
    this.#finishIfOver(exchange);
  }

  /** The request's body failed: its sender has gone, and the upstream must not take it for whole. */
  unsent(error: HttpError): void {
    this.#fail(error);
  }

  // The exchange.

  #answer(exchange: ClientExchange, head: ResponseHead): void {
    if (head.isLast) this.#isLast = true;
    this.#answered += 1;
    if (head.framing === 0) {
      exchange.isResponseRead = true;
      exchange.answer(head.status, head.headers, undefined);
      this.#finishIfOver(exchange);
      return;
    }
    const body = new IncomingBody(typeof head.framing === 'number' ? head.framing : undefined, this);
    this.#inlet.expectBody(body, head.framing);
    exchange.answer(head.status, head.headers, body);
  }

  #upgrade(exchange: ClientExchange, head: ResponseHead): void {
    const { upgrade, body: outgoing } = exchange.request;
    if (upgrade === undefined || head.upgrade !== upgrade.toLowerCase()) {
      throw malformed('unrequested_upgrade', 'a change of protocol that nobody asked for', 502);
    }
    this.#isLast = true;
    this.#isUpgraded = true;
    const body = new IncomingBody(undefined, this);
    this.#inlet.expectBody(body, 'close');
    exchange.answer(101, head.headers, body);
    this.#outlet.raw(outgoing);
  }

  #finishIfOver(exchange: ClientExchange): void {
    if (!exchange.isResponseRead) return;
    if (!exchange.isRequestSent && exchange.request.upgrade === undefined) {
      // The response was complete before the request: the rest is not wanted, and what is missing of it ends the connection.
      this.#isLast = true;
      this.#outlet.stop();
    } else if (this.#isUpgraded && !exchange.isRequestSent) {
      return; // our half goes on
    }
    this.#exchange = undefined;
    if (this.#inlet.hasMore) {
      this.#fail(malformed('unrequested_bytes', 'bytes behind a response', 502)); // they would be taken for the next one
      return;
    }
    if (this.#isLast) {
      this.#closeForGood();
      return;
    }
    this.#phase = 'idle';
    this.#timers.idle();
    this.#inlet.expectNothing();
    this.#options.onChange();
  }

  readonly #cancel = (exchange: ClientExchange, error: HttpError): void => {
    if (exchange === this.#exchange) this.#fail(error);
    else exchange.fail(error); // one that was refused has failed already
  };

  /** The other side is gone. Before its response it may have done the request: nobody can tell who has sent it anything. */
  #lost(message: string): HttpError {
    const isReused = this.#answered > 0;
    return new HttpError('closed', message, {
      status: 503,
      detail: this.#exchange?.isAnswered
        ? 'upstream_reset_after_response_started'
        : isReused
          ? 'upstream_reset_reused_connection'
          : 'upstream_reset_before_response_started',
    });
  }

  // Ends.

  #closeForGood(): void {
    this.#isLast = true;
    this.#close();
    this.#options.onChange();
  }

  #close(): void {
    if (this.#phase === 'closing' || this.#phase === 'over') return;
    this.#phase = 'closing';
    this.#timers.closing(LINGER_MS);
    this.#leg.end();
    this.#inlet.expectNothing();
    this.#inlet.go();
    void this.closed.then(this.#over);
  }

  #fail(error: HttpError): void {
    if (this.#phase === 'over') return;
    this.#leg.reset('cancel');
    this.#gone(error);
  }

  #gone(error: HttpError): void {
    this.#over();
    this.#isLast = true;
    this.#inlet.stop();
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#outlet.stop();
    exchange?.fail(error);
    this.#options.onChange();
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
    if (this.#phase === 'idle') this.#closeForGood();
    else if (this.#phase === 'closing') this.#leg.reset('cancel');
    else this.#fail(timeout('stream_idle_timeout', 'nothing moved in an exchange'));
  }

  exchangeDue(): void {
    this.#fail(timeout('max_duration_timeout', 'an exchange took too long'));
  }
}

const timeout = (detail: string, message: string): HttpError =>
  new HttpError('timeout', message, { detail, status: 504 });

const unsent = (error: HttpError): HttpError =>
  new HttpError(error.kind, error.message, {
    detail: error.detail,
    status: error.status,
    isProcessed: false,
    cause: error,
  });

/**
 * Speaks HTTP/1.1 to a server; owns the leg from here on. Errors: `malformed` for what is no HTTP (502), `closed` (503), by FIN or RST,
 * with `detail` `upstream_reset_before_response_started`, or `upstream_reset_reused_connection` when an earlier request had been
 * answered on it: then an idle connection was closed under our request, most likely, and one that is idempotent may be repeated.
 */
export function connectHttp1(
  leg: Leg,
  options: ClientOptions,
  deadlines: Deadlines = threadDeadlines(),
): ClientConnection {
  const client = new Http1Client(leg, options, deadlines);
  leg.deliver(client);
  return client;
}
