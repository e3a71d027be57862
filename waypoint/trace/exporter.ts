/** Spans on their way to a collector: gathered, sent in batches, and dropped, counted, where it does not keep up. */
import type { CounterFamily, Logger } from '../../core/telemetry/index.ts';
import type { Clock } from '../../core/time/index.ts';
import { type Attribute, attributes, type OtlpSpan } from './span.ts';

/** Sends one document; resolves with the status of the answer. Rejects when there is none in time. */
export type Post = (body: string, signal: AbortSignal) => Promise<number>;

export type ExporterOptions = {
  readonly post: Post;
  /** Who the spans are of: `service.name` and the like. */
  readonly resource: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Labels: what became of them. */
  readonly spans: CounterFamily;
  readonly timeoutMs: number;
};

/** As many wait at most. */
const MOST_WAITING = 2_048;
const BATCH = 512;
/** How long the first of a batch waits for others. */
const GATHER_MS = 1_000;
const SCOPE = { name: 'ambit-waypoint' };

export class SpanExporter implements Disposable {
  readonly #o: ExporterOptions;
  readonly #resource: { readonly attributes: readonly Attribute[] };
  readonly #sent;
  readonly #dropped;
  readonly #failed;
  #waiting: OtlpSpan[] = [];
  #timer: Disposable | undefined;
  #underWay: { readonly abort: AbortController; readonly done: Promise<void> } | undefined;
  #isClosed = false;
  #wasFailing = false;

  constructor(options: ExporterOptions) {
    this.#o = options;
    this.#resource = { attributes: attributes(Object.entries(options.resource)) };
    this.#sent = options.spans.labels(['sent']);
    this.#dropped = options.spans.labels(['dropped']);
    this.#failed = options.spans.labels(['failed']);
  }

  add(span: OtlpSpan): void {
    if (this.#isClosed || this.#waiting.length >= MOST_WAITING) {
      this.#dropped.inc();
      return;
    }
    this.#waiting.push(span);
    if (this.#waiting.length >= BATCH) this.#send();
    else this.#wait();
  }

  /** Sends what waits, for as long as `ms`. */
  async finish(ms: number): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    let isLate = false;
    using _timer = this.#o.clock.after(ms, () => {
      isLate = true;
      resolve();
    });
    while (!isLate && (this.#waiting.length > 0 || this.#underWay !== undefined)) {
      this.#send();
      await Promise.race([this.#underWay?.done, late]);
    }
  }

  /** What waits is dropped. */
  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#timer?.[Symbol.dispose]();
    this.#dropped.inc(this.#waiting.length);
    this.#waiting = [];
    this.#underWay?.abort.abort();
  }

  #wait(): void {
    this.#timer ??= this.#o.clock.after(GATHER_MS, () => {
      this.#timer = undefined;
      this.#send();
    });
  }

  /** One at a time: a collector that is slow gets less, not more. */
  #send(): void {
    if (this.#underWay !== undefined || this.#waiting.length === 0) return;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    const batch = this.#waiting.splice(0, BATCH);
    const abort = new AbortController();
    const deadline = this.#o.clock.after(this.#o.timeoutMs, () => abort.abort());
    const done = this.#post(batch, abort.signal).finally(() => {
      deadline[Symbol.dispose]();
      this.#underWay = undefined;
      if (this.#waiting.length >= BATCH) this.#send();
      else if (this.#waiting.length > 0 && !this.#isClosed) this.#wait();
    });
    this.#underWay = { abort, done };
  }

  async #post(spans: readonly OtlpSpan[], signal: AbortSignal): Promise<void> {
    const scopeSpans = [{ scope: SCOPE, spans }];
    const body = JSON.stringify({ resourceSpans: [{ resource: this.#resource, scopeSpans }] });
    try {
      const status = await this.#o.post(body, signal);
      if (status < 200 || status >= 300) throw new Error(`the collector answers ${status}`);
      this.#sent.inc(spans.length);
      this.#wasFailing = false;
    } catch (error) {
      this.#failed.inc(spans.length);
      if (this.#wasFailing || this.#isClosed) return; // said once, until it works again
      this.#wasFailing = true;
      this.#o.log.warn('traces can not be sent', { error: error instanceof Error ? error.message : String(error) });
    }
  }
}
