/** A body whose beginning is looked at before it goes on its way, whole. */
import type { Body, BodyEvents, HeaderFields, HttpError } from '../../core/http/index.ts';

export type Peeked = { readonly bytes: Buffer; readonly isWhole: boolean };

type End = { readonly error: HttpError | undefined; readonly trailers: HeaderFields | undefined };

export class PeekedBody implements Body, BodyEvents {
  readonly #source: Body;
  readonly #limitBytes: number;
  readonly #kept: Buffer[] = [];
  #keptBytes = 0;
  #end: End | undefined;
  #seen: (() => void) | undefined;
  #to: BodyEvents | undefined;
  #isCancelled = false;
  #isPaused = false;

  constructor(source: Body, limitBytes: number) {
    this.#source = source;
    this.#limitBytes = limitBytes;
  }

  get length(): number | undefined {
    return this.#source.length;
  }

  /** The first bytes, as many as the limit permits; called once, before anybody reads. Rejects with what the body failed with. */
  async peek(): Promise<Peeked> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#seen = resolve;
    this.#source.deliver(this);
    await promise;
    this.#seen = undefined;
    if (this.#end?.error !== undefined) throw this.#end.error;
    const bytes = Buffer.concat(this.#kept);
    return { bytes: bytes.subarray(0, this.#limitBytes), isWhole: bytes.length <= this.#limitBytes };
  }

  deliver(to: BodyEvents): void {
    this.#to = to;
    for (const piece of this.#kept.splice(0)) {
      if (this.#isCancelled) return;
      to.data(piece); // one that is paused has had what was kept, which is bounded
    }
    if (this.#isCancelled) return;
    if (this.#end === undefined) {
      if (!this.#isPaused) this.#source.resume();
    } else this.#finish(this.#end);
  }

  pause(): void {
    this.#isPaused = true;
    this.#source.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#source.resume();
  }

  cancel(): void {
    this.#isCancelled = true;
    this.#kept.length = 0;
    if (this.#end === undefined) this.#source.cancel();
  }

  data(view: Uint8Array): void {
    if (this.#to !== undefined) {
      this.#to.data(view);
      return;
    }
    this.#kept.push(Buffer.from(view));
    this.#keptBytes += view.length;
    if (this.#keptBytes <= this.#limitBytes) return;
    this.#source.pause();
    this.#seen?.();
  }

  end(trailers: HeaderFields | undefined): void {
    this.#finish({ error: undefined, trailers });
  }

  failed(error: HttpError): void {
    this.#finish({ error, trailers: undefined });
  }

  #finish(end: End): void {
    this.#end = end;
    this.#seen?.();
    const to = this.#to;
    if (to === undefined) return;
    if (end.error === undefined) to.end(end.trailers);
    else to.failed(end.error);
  }
}
