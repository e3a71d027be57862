/** A body that is watched on its way: how many bytes, and when and how it ended. */
import type { Body, BodyEvents, HeaderFields, HttpError } from '../core/http/index.ts';

export type BodyEnd = {
  readonly error: HttpError | undefined;
  readonly trailers: HeaderFields | undefined;
};

export class TrackedBody implements Body, BodyEvents {
  bytes = 0;
  /** Nothing comes any more, or nobody wants it. */
  isOver = false;
  readonly #body: Body;
  readonly #over: (end: BodyEnd) => void;
  #to: BodyEvents | undefined;
  #brokenOff: BodyEnd | undefined;

  /** `over` is told once: at the end, at a failure, or when nobody wants the rest (then without an error). */
  constructor(body: Body, over: (end: BodyEnd) => void) {
    this.#body = body;
    this.#over = over;
  }

  get length(): number | undefined {
    return this.#body.length;
  }

  deliver(to: BodyEvents): void {
    this.#to = to;
    if (this.#brokenOff === undefined) this.#body.deliver(this);
    else this.#tell(this.#brokenOff);
  }

  pause(): void {
    this.#body.pause();
  }

  resume(): void {
    this.#body.resume();
  }

  cancel(): void {
    this.#body.cancel();
    this.#finish(undefined, undefined);
  }

  /** Ends it for its reader, whatever was still to come: as failed, or, without an error, by these trailers. */
  breakOff(end: BodyEnd): void {
    if (this.isOver) return;
    this.#brokenOff = end;
    this.#finish(end.error, end.trailers);
    this.#body.cancel();
    this.#tell(end);
  }

  data(view: Uint8Array): void {
    this.bytes += view.length;
    this.#to?.data(view);
  }

  end(trailers: HeaderFields | undefined): void {
    this.#finish(undefined, trailers);
    this.#to?.end(trailers);
  }

  failed(error: HttpError): void {
    this.#finish(error, undefined);
    this.#to?.failed(error);
  }

  #tell({ error, trailers }: BodyEnd): void {
    const to = this.#to;
    this.#to = undefined;
    if (error === undefined) to?.end(trailers);
    else to?.failed(error);
  }

  #finish(error: HttpError | undefined, trailers: HeaderFields | undefined): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#over({ error, trailers });
  }
}
