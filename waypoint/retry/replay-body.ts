/**
 * A request's body that can be sent again from its start, as long as it is small: what has flowed is kept, up to a bound. Each
 * attempt has its own view; when another begins, the one before hears nothing more.
 */
import type { Body, BodyEvents, HeaderFields, HttpError } from '../../core/http/index.ts';

export class ReplayBody implements BodyEvents {
  readonly #source: Body;
  readonly #limitBytes: number;
  /** Undefined once it has become too large, or nobody will ask again. */
  #kept: Buffer[] | undefined = [];
  #keptBytes = 0;
  #isStarted = false;
  #end: { readonly error: HttpError | undefined; readonly trailers: HeaderFields | undefined } | undefined;
  #view: View | undefined;
  #isSettled = false;

  constructor(source: Body, limitBytes: number) {
    this.#source = source;
    this.#limitBytes = limitBytes;
  }

  get length(): number | undefined {
    return this.#source.length;
  }

  /** Whether another view would see the whole of it. */
  get isWhole(): boolean {
    return this.#kept !== undefined;
  }

  /** For one attempt. */
  open(): Body {
    this.#view?.leave();
    this.#view = new View(this);
    return this.#view;
  }

  /** The last attempt was made: nothing is kept any more, and what that attempt does not want, nobody wants. */
  settle(): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#kept = undefined;
    if (this.#view?.isCancelled !== false) this.#drop();
  }

  data(view: Uint8Array): void {
    if (this.#kept !== undefined) {
      this.#keptBytes += view.length;
      if (this.#keptBytes > this.#limitBytes) this.#kept = undefined;
      else this.#kept.push(Buffer.from(view));
    }
    this.#view?.live(view);
  }

  end(trailers: HeaderFields | undefined): void {
    this.#end = { error: undefined, trailers };
    this.#view?.finish(this.#end);
  }

  failed(error: HttpError): void {
    this.#end = { error, trailers: undefined };
    this.#view?.finish(this.#end);
  }

  /** What a view has to be given before it hears what comes. */
  get past(): readonly Buffer[] {
    return this.#kept ?? [];
  }

  get over(): Ended | undefined {
    return this.#end;
  }

  /** A view has caught up, and wants what comes. */
  flow(): void {
    if (this.#end !== undefined) return;
    if (this.#isStarted) this.#source.resume();
    else {
      this.#isStarted = true;
      this.#source.deliver(this);
    }
  }

  hold(): void {
    if (this.#isStarted && this.#end === undefined) this.#source.pause();
  }

  cancelled(): void {
    if (this.#isSettled) this.#drop();
    else this.hold(); // the next attempt may want the rest
  }

  #drop(): void {
    if (this.#end === undefined) this.#source.cancel();
  }
}

type Ended = { readonly error: HttpError | undefined; readonly trailers: HeaderFields | undefined };

class View implements Body {
  isCancelled = false;
  readonly #of: ReplayBody;
  #to: BodyEvents | undefined;
  #isPaused = false;
  /** Pieces of the past that were given. */
  #given = 0;
  #isLive = false;
  #isOver = false;

  constructor(of: ReplayBody) {
    this.#of = of;
  }

  get length(): number | undefined {
    return this.#of.length;
  }

  deliver(to: BodyEvents): void {
    this.#to = to;
    this.#catchUp();
  }

  pause(): void {
    this.#isPaused = true;
    if (this.#isLive) this.#of.hold();
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#isLive) this.#of.flow();
    else this.#catchUp();
  }

  cancel(): void {
    if (this.isCancelled || this.#isOver) return;
    this.isCancelled = true;
    this.#to = undefined;
    this.#of.cancelled();
  }

  /** Another view takes over. */
  leave(): void {
    this.isCancelled = true;
    this.#to = undefined;
    this.#of.hold();
  }

  live(view: Uint8Array): void {
    if (this.#isLive) this.#to?.data(view);
  }

  finish(end: Ended): void {
    if (!this.#isLive || this.#isOver) return;
    this.#isOver = true;
    if (end.error === undefined) this.#to?.end(end.trailers);
    else this.#to?.failed(end.error);
  }

  #catchUp(): void {
    if (this.#to === undefined || this.#isLive) return;
    const { past } = this.#of;
    while (this.#given < past.length) {
      if (this.#isPaused || this.isCancelled) return;
      const piece = past[this.#given++];
      if (piece !== undefined) this.#to?.data(piece);
    }
    if (this.#isPaused || this.isCancelled) return;
    this.#isLive = true;
    const { over } = this.#of;
    if (over !== undefined) this.finish(over);
    else this.#of.flow();
  }
}
