/** Exchanges and answers for tests of layers: what matters is named, the rest is an ordinary request of an ordinary caller. */
import {
  type Body,
  bodyOf,
  Deadlines,
  HeaderFields,
  type HttpError,
  type HttpRequest,
  type HttpResponse,
  NO_BODY,
} from '../core/http/index.ts';
import { type HttpAction, mustParseIp, type Service, spiffeId, spiffeParts } from '../mesh/index.ts';
import { Exchange } from './exchange.ts';
import { Routing } from './routing.ts';
import type { Source } from './source.ts';

const identity = spiffeId('cluster.local', 'web', 'client');

export const SOURCE: Source = {
  identity,
  parts: spiffeParts(identity),
  ip: mustParseIp('10.0.0.200'),
  port: 40_000,
  baggage: undefined,
  traceId: '',
  header: `${identity};10.0.0.200`,
};

export type RequestFields = {
  readonly method?: string;
  readonly target?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Body;
  readonly upgrade?: string;
};

/** Its caller can leave. */
export class TestRequest implements HttpRequest {
  readonly version = 'HTTP/1.1';
  method: string;
  target: string;
  authority = 'cart';
  scheme = 'http';
  readonly headers: HeaderFields;
  readonly body: Body;
  readonly upgrade: string | undefined;
  aborted: HttpError | undefined;
  #listener: ((error: HttpError) => void) | undefined;

  constructor({ method = 'GET', target = '/', headers = {}, body = NO_BODY, upgrade }: RequestFields = {}) {
    this.method = method;
    this.target = target;
    this.headers = HeaderFields.of(headers);
    this.body = body;
    this.upgrade = upgrade;
  }

  onAbort(listener: (error: HttpError) => void): void {
    this.#listener = listener;
  }

  inform(): void {}

  leave(error: HttpError): void {
    this.aborted = error;
    this.#listener?.(error);
  }
}

export function exchange(fields: RequestFields | TestRequest = {}): Exchange {
  const request = fields instanceof TestRequest ? fields : new TestRequest(fields);
  const called = {
    kind: 'service',
    service: { namespace: 'shop' } as Service,
    workload: undefined,
    port: 80,
    ip: undefined,
  } as const;
  return new Exchange(request, SOURCE, called, { kind: 'service', service: 'shop/cart', port: 80 }, 0);
}

/** What a table with this one action makes of every request. */
export function ruleOf(action: Partial<HttpAction>): Exchange['route'] {
  const whole: HttpAction = {
    name: 'r',
    backends: [],
    mirrors: [],
    requestTimeoutMs: 0,
    backendTimeoutMs: 0,
    ...action,
  };
  const match = { headers: [], queryParams: [], sourceNamespace: '' };
  return new Routing([{ clientNamespace: '', entries: [{ match, action: 0 }], actions: [whole] }]).choose(exchange());
}

export function answer(status: number, headers: Readonly<Record<string, string>> = {}, body = ''): HttpResponse {
  return { status, headers: HeaderFields.of(headers), body: bodyOf(body) };
}

/** A body that a test feeds, and that remembers what was done to it. */
export class FedBody implements Body {
  readonly length: number | undefined = undefined;
  isPaused = false;
  isCancelled = false;
  #to: Parameters<Body['deliver']>[0] | undefined;

  get isRead(): boolean {
    return this.#to !== undefined;
  }

  deliver(to: Parameters<Body['deliver']>[0]): void {
    this.#to = to;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  cancel(): void {
    this.isCancelled = true;
  }

  feed(text: string): void {
    this.#to?.data(Buffer.from(text));
  }

  finish(trailers?: HeaderFields): void {
    this.#to?.end(trailers);
  }

  fail(error: HttpError): void {
    this.#to?.failed(error);
  }
}

/** What was delivered, as text; how it ended. */
export class Sink {
  text = '';
  end: 'open' | 'ended' | HttpError = 'open';
  trailers: HeaderFields | undefined;

  data(view: Uint8Array): void {
    this.text += Buffer.from(view).toString();
  }

  ended(trailers: HeaderFields | undefined): void {
    this.end = 'ended';
    this.trailers = trailers;
  }

  /** Reads a body. */
  static of(body: Body): Sink {
    const sink = new Sink();
    body.deliver({
      data: (view) => sink.data(view),
      end: (trailers) => sink.ended(trailers),
      failed: (error) => {
        sink.end = error;
      },
    });
    return sink;
  }
}

/** A clock that a test moves. */
export class Hand {
  #now = 0;
  #waiting: { readonly at: number; readonly work: () => void }[] = [];
  readonly deadlines = new Deadlines({
    now: () => this.#now,
    after: (ms, work) => {
      const one = { at: this.#now + ms, work };
      this.#waiting.push(one);
      return { [Symbol.dispose]: () => this.#forget(one) };
    },
  });

  advance(ms: number): void {
    this.#now += ms;
    for (const one of this.#waiting.filter(({ at }) => at <= this.#now)) {
      this.#forget(one);
      one.work();
    }
  }

  #forget(one: object): void {
    this.#waiting = this.#waiting.filter((other) => other !== one);
  }
}
