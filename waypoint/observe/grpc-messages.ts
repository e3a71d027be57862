/** How many messages a gRPC body carries: each has a flag, its length in four bytes, and as many bytes. */
import type { Body } from '../../core/http/index.ts';
import { type BodyEnd, TrackedBody } from '../tracked-body.ts';

const HEAD_BYTES = 5;

/** Counts a message when its head is complete. */
export class MessageCounter {
  count = 0;
  /** Bytes of the head that came. */
  #head = 0;
  #length = 0;
  /** Bytes of the message that are still to come. */
  #rest = 0;

  see(view: Uint8Array): void {
    let at = 0;
    while (at < view.length) {
      if (this.#rest > 0) {
        const taken = Math.min(this.#rest, view.length - at);
        this.#rest -= taken;
        at += taken;
        continue;
      }
      if (this.#head > 0) this.#length = this.#length * 256 + (view[at] as number);
      this.#head += 1;
      at += 1;
      if (this.#head < HEAD_BYTES) continue;
      this.count += 1;
      this.#rest = this.#length;
      this.#head = 0;
      this.#length = 0;
    }
  }
}

/** A body that is watched, and whose messages are counted. */
export class GrpcBody extends TrackedBody {
  readonly #messages = new MessageCounter();

  get messages(): number {
    return this.#messages.count;
  }

  override data(view: Uint8Array): void {
    this.#messages.see(view);
    super.data(view);
  }
}

/** A body to be watched, as the protocol wants it. */
export function watched(body: Body, isGrpc: boolean, over: (end: BodyEnd) => void): TrackedBody | GrpcBody {
  return isGrpc ? new GrpcBody(body, over) : new TrackedBody(body, over);
}

export function messagesIn(body: TrackedBody | GrpcBody): number {
  return body instanceof GrpcBody ? body.messages : 0;
}
