import { MeshError } from '../../mesh/index.ts';
import { Counter, Gauge, Histogram } from './instruments.ts';
import { type Label, type Series, SeriesSet } from './series.ts';

/** A metric with its label names; `labels` resolves one series, to be kept by whoever counts. */
export interface Family<S> {
  readonly name: string;
  /** Values in the order of the label names; then labels that this series has beside those of the family. */
  labels(values: readonly string[], more?: readonly Label[]): S;
  /** The same by the text of the labels ({@link labelText}): for who asks several families of the same labels. */
  byText(text: string): S;
}
export type CounterFamily = Family<Counter>;
export type GaugeFamily = Family<Gauge>;
export type HistogramFamily = Family<Histogram>;

export type RegistryOptions = {
  readonly now?: () => number;
  /** Per family; default 10 000. */
  readonly maxSeries?: number;
  /** Default one hour. */
  readonly idleMs?: number;
};

type Kind = 'counter' | 'gauge' | 'histogram';

/** What one series of another thread has grown by since it was asked before. */
export type SeriesDelta = {
  readonly name: string;
  readonly kind: Kind;
  readonly labelText: string;
  readonly delta: readonly number[];
};

export type Exposition = { readonly contentType: string; readonly body: string };

const OPENMETRICS = 'application/openmetrics-text';

/**
 * The numbers of one process and their text. Names are given without `_total`: the text adds it to the samples of
 * counters and not to their HELP and TYPE.
 */
export class Registry {
  readonly #families = new Map<string, RegisteredFamily>();
  readonly #collectors: (() => void)[] = [];
  readonly #now: () => number;
  readonly #maxSeries: number;
  readonly #idleMs: number;
  readonly #overflowed: CounterFamily;

  constructor(options: RegistryOptions = {}) {
    this.#now = options.now ?? Date.now;
    this.#maxSeries = options.maxSeries ?? 10_000;
    this.#idleMs = options.idleMs ?? 3_600_000;
    this.#overflowed = this.counter(
      'ambit_metric_series_overflow',
      'Lookups of a metric that had no room for another series (unstable).',
      ['metric'],
    );
  }

  /** Throws `METRIC_DUPLICATE` when the name is taken. */
  counter(name: string, help: string, labelNames: readonly string[] = []): CounterFamily {
    return this.#register(name, help, 'counter', labelNames, (set, text) => new Counter(set, text));
  }

  /** Throws `METRIC_DUPLICATE` when the name is taken. */
  gauge(name: string, help: string, labelNames: readonly string[] = []): GaugeFamily {
    return this.#register(name, help, 'gauge', labelNames, (set, text) => new Gauge(set, text));
  }

  /** `bounds` are ascending upper bounds; +Inf is implied. Throws `METRIC_DUPLICATE` when the name is taken. */
  histogram(name: string, help: string, labelNames: readonly string[], bounds: readonly number[]): HistogramFamily {
    return this.#register(name, help, 'histogram', labelNames, (set, text) => new Histogram(set, text, bounds));
  }

  /** Runs before every rendering: for gauges that are read rather than kept, such as open descriptors. */
  onCollect(collect: () => void): void {
    this.#collectors.push(collect);
  }

  /** Forgets series that have not changed for the idle time. Rendering does it, too. */
  sweep(): void {
    const now = this.#now();
    for (const family of this.#families.values()) family.set.sweep(now);
  }

  /**
   * What has changed since the last call, for the registry of another thread to sum. A series may expire here afterwards
   * without a trace there: it has been counted.
   */
  takeDeltas(): readonly SeriesDelta[] {
    for (const collect of this.#collectors) collect();
    const deltas: SeriesDelta[] = [];
    for (const [name, { kind, set }] of this.#families) {
      for (const series of set.all()) {
        const delta = series.takeDelta();
        if (delta !== undefined) deltas.push({ name, kind, labelText: series.labelText, delta });
      }
    }
    this.sweep();
    return deltas;
  }

  /** Adds what another registry took. Families that are not here are left out. */
  absorb(deltas: readonly SeriesDelta[]): void {
    for (const { name, labelText, delta } of deltas) this.#families.get(name)?.set.resolveText(labelText).add(delta);
  }

  /** The text of all families that have samples. The body is OpenMetrics whatever was asked; the type follows `accept`. */
  render(accept?: string): Exposition {
    for (const collect of this.#collectors) collect();
    this.sweep();
    let body = '';
    for (const family of this.#families.values()) body += family.text();
    const open = (accept ?? '').split(',').some((item) => item.split(';')[0]?.trim().toLowerCase() === OPENMETRICS);
    const contentType = open ? `${OPENMETRICS};charset=utf-8;version=1.0.0` : 'text/plain; charset=utf-8';
    return { contentType, body: `${body}# EOF\n` };
  }

  #register<S extends Series>(
    name: string,
    help: string,
    type: Kind,
    labelNames: readonly string[],
    make: (set: SeriesSet<Series>, labelText: string) => S,
  ): Family<S> {
    if (this.#families.has(name)) throw new MeshError('METRIC_DUPLICATE', `metric ${name} is registered twice`);
    const onOverflow = () => this.#overflowed.labels([name]).inc();
    const limits = { maxSeries: this.#maxSeries, idleMs: this.#idleMs, onOverflow };
    const set = new SeriesSet<S>(labelNames, limits, make);
    const text = (): string => {
      let samples = '';
      for (const series of set.all()) samples += series.samples(name);
      return samples === '' ? '' : `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${samples}`;
    };
    this.#families.set(name, { kind: type, set, text });
    return { name, labels: (values, more = []) => set.resolve(values, more), byText: (text) => set.resolveText(text) };
  }
}

type RegisteredFamily = {
  readonly kind: Kind;
  readonly set: {
    sweep(nowMs: number): void;
    all(): Iterable<Series>;
    resolveText(labelText: string): Series;
  };
  text(): string;
};
