/** Bodies that are not a connection's: none, and one that is held. And how a body is relayed into a sink. */
import type { HeaderFields } from './header-fields.ts';
import { HttpError } from './http-error.ts';
import type { Body, BodyEvents, BodySink } from './message.ts';

/** No bytes and no trailers; any number of messages may share it. */
export const NO_BODY: Body = {
  length: 0,
  deliver: (to) => to.end(undefined),
  pause: () => {},
  resume: () => {},
  cancel: () => {},
};

/** A body that is known whole. */
export function bodyOf(content: string | Uint8Array): Body {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  if (bytes.length === 0) return NO_BODY;
  let isCancelled = false;
  return {
    length: bytes.length,
    deliver: (to) => {
      to.data(bytes);
      if (!isCancelled) to.end(undefined); // one that is paused has had all its bytes
    },
    pause: () => {},
    resume: () => {},
    cancel: () => {
      isCancelled = true;
    },
  };
}

/** Passes a body on as it comes. The sink's owner calls `writable` when there is room again, and `stop` when nobody reads any more. */
export class BodyRelay implements BodyEvents {
  bytes = 0;
  readonly #from: Body;
  readonly #to: BodySink;
  readonly #over: (() => void) | undefined;
  #isOver = false;

  /** `over` is told once, however it ended. */
  constructor(from: Body, to: BodySink, over?: () => void) {
    this.#from = from;
    this.#to = to;
    this.#over = over;
  }

  start(): void {
    this.#from.deliver(this);
  }

  writable(): void {
    if (!this.#isOver) this.#from.resume();
  }

  stop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#from.cancel();
    this.#over?.();
  }

  data(view: Uint8Array): void {
    if (this.#isOver) return;
    this.bytes += view.length;
    if (!this.#to.write(view)) this.#from.pause();
  }

  end(trailers: HeaderFields | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#to.end(trailers);
    this.#over?.();
  }

  failed(error: HttpError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#to.fail(error);
    this.#over?.();
  }
}

/** Holds a body whole. @throws HttpError `too-large` beyond the limit, or what the body failed with. */
export function readBody(body: Body, limitBytes: number): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const pieces: Buffer[] = [];
  let bytes = 0;
  body.deliver({
    data(view) {
      bytes += view.length;
      if (bytes <= limitBytes) {
        pieces.push(Buffer.from(view));
        return;
      }
      body.cancel();
      reject(
        new HttpError('too-large', `a body of more than ${limitBytes} bytes`, {
          detail: 'request_payload_too_large',
          status: 413,
        }),
      );
    },
    end: () => resolve(Buffer.concat(pieces)),
    failed: reject,
  });
  return promise;
}
