/** One request of ours under way, and who waits for its response. */
import { NO_BODY } from '../body.ts';
import type { HeaderFields } from '../header-fields.ts';
import type { HttpError } from '../http-error.ts';
import type { Body, ClientCall, ClientRequest, HttpResponse } from '../message.ts';
import type { IncomingBody } from './incoming-body.ts';

export type Informed = ((status: number, headers: HeaderFields) => void) | undefined;

export class ClientExchange implements ClientCall {
  readonly response: Promise<HttpResponse>;
  readonly request: ClientRequest;
  readonly informed: Informed;
  /** Of the response, while it comes. */
  body: IncomingBody | undefined;
  interims = 0;
  isRequestSent = false;
  isAnswered = false;
  isResponseRead = false;
  readonly #cancel: (exchange: ClientExchange, error: HttpError) => void;
  readonly #resolve: (response: HttpResponse) => void;
  readonly #reject: (error: HttpError) => void;

  constructor(
    request: ClientRequest,
    informed: Informed,
    cancel: (exchange: ClientExchange, error: HttpError) => void,
  ) {
    const { promise, resolve, reject } = Promise.withResolvers<HttpResponse>();
    this.response = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    this.request = request;
    this.informed = informed;
    this.#cancel = cancel;
  }

  cancel(error: HttpError): void {
    this.#cancel(this, error);
  }

  answer(status: number, headers: HeaderFields, body: IncomingBody | undefined): void {
    this.isAnswered = true;
    this.body = body;
    this.#resolve({ status, headers, body: (body as Body | undefined) ?? NO_BODY });
  }

  /** Rejects, or fails the body of the response that is under way. */
  fail(error: HttpError): void {
    if (this.isAnswered) {
      this.body?.fail(error);
      return;
    }
    this.isAnswered = true;
    this.response.catch(() => {}); // who has withdrawn from it may not look at it any more
    this.#reject(error);
  }
}
