/** One exporter for each collector that settings name, kept while they name it. */
import type { Tracing } from '../../mesh/index.ts';
import { type ExporterOptions, type Post, SpanExporter } from './exporter.ts';

export type ExportersOptions = Omit<ExporterOptions, 'post' | 'timeoutMs'> & {
  readonly postTo: (tracing: Tracing) => Post;
};

/** Settings change; whoever is not named any more has sent what it had long before it is closed. */
const MOST = 16;

export class SpanExporters implements Disposable {
  readonly #o: ExportersOptions;
  /** In order of last use. */
  readonly #held = new Map<string, SpanExporter>();

  constructor(options: ExportersOptions) {
    this.#o = options;
  }

  of(tracing: Tracing): SpanExporter {
    const { service, port, path, timeoutMs, headers } = tracing;
    const key = JSON.stringify([service, port, path, timeoutMs, headers]);
    const held = this.#held.get(key);
    const exporter = held ?? new SpanExporter({ ...this.#o, post: this.#o.postTo(tracing), timeoutMs });
    this.#held.delete(key);
    this.#held.set(key, exporter);
    const [oldest] = this.#held;
    if (this.#held.size > MOST && oldest !== undefined) {
      oldest[1][Symbol.dispose]();
      this.#held.delete(oldest[0]);
    }
    return exporter;
  }

  /** Sends what waits everywhere, for as long as `ms`. */
  async finish(ms: number): Promise<void> {
    await Promise.all([...this.#held.values()].map((exporter) => exporter.finish(ms)));
  }

  [Symbol.dispose](): void {
    for (const exporter of this.#held.values()) exporter[Symbol.dispose]();
    this.#held.clear();
  }
}
