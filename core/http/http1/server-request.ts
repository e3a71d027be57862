/** A request as a server took it. */
import type { HeaderFields } from '../header-fields.ts';
import type { HttpError } from '../http-error.ts';
import type { Body, HttpRequest, HttpVersion } from '../message.ts';
import type { RequestHead } from './request-head.ts';

/** Sends an interim response of this request, if it may still. */
export type Informer = { inform(request: ServerRequest, status: number, headers: HeaderFields): void };

export class ServerRequest implements HttpRequest {
  readonly version: HttpVersion = 'HTTP/1.1';
  method: string;
  target: string;
  authority: string;
  scheme = 'http';
  readonly headers: HeaderFields;
  readonly body: Body;
  readonly upgrade: string | undefined;
  aborted: HttpError | undefined;
  readonly #informer: Informer;
  #listener: ((error: HttpError) => void) | undefined;

  constructor(head: RequestHead, body: Body, informer: Informer) {
    this.method = head.method;
    this.target = head.target;
    this.authority = head.authority;
    this.headers = head.headers;
    this.upgrade = head.upgrade;
    this.body = body;
    this.#informer = informer;
  }

  onAbort(listener: (error: HttpError) => void): void {
    if (this.aborted !== undefined) listener(this.aborted);
    else this.#listener = listener;
  }

  inform(status: number, headers: HeaderFields): void {
    this.#informer.inform(this, status, headers);
  }

  /** The caller has gone, or waits no longer. */
  abort(error: HttpError): void {
    if (this.aborted !== undefined) return;
    this.aborted = error;
    const listener = this.#listener;
    this.#listener = undefined;
    listener?.(error);
  }
}
