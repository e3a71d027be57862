/** Counters, gauges and histograms: what a series counts. */
import { Series, type SeriesSet, sampleName } from './series.ts';

/** Only ever grows. */
export class Counter extends Series {
  #value = 0;

  get value(): number {
    return this.#value;
  }

  /** `n` may not be negative; nothing checks it on this path. */
  inc(n = 1): void {
    const series = this.current();
    series.#value += n;
    series.version += 1;
  }

  override add([n = 0]: readonly number[]): void {
    this.inc(n);
  }

  protected override parts(): readonly number[] {
    return [this.#value];
  }

  override samples(name: string): string {
    return `${sampleName(`${name}_total`, this.labelText)} ${this.#value}\n`;
  }
}

/** Goes up and down. */
export class Gauge extends Series {
  #value = 0;

  get value(): number {
    return this.#value;
  }

  set(value: number): void {
    const series = this.current();
    series.#value = value;
    series.version += 1;
  }

  inc(n = 1): void {
    const series = this.current();
    series.#value += n;
    series.version += 1;
  }

  dec(n = 1): void {
    this.inc(-n);
  }

  /** A gauge that tells the state of now is not idle because its value is steady. */
  override isFresh(nowMs: number, idleMs: number): boolean {
    return this.#value !== 0 || super.isFresh(nowMs, idleMs);
  }

  override add([n = 0]: readonly number[]): void {
    this.inc(n);
  }

  protected override parts(): readonly number[] {
    return [this.#value];
  }

  override samples(name: string): string {
    return `${sampleName(name, this.labelText)} ${this.#value}\n`;
  }
}

/** Observations counted by upper bound. */
export class Histogram extends Series {
  readonly #bounds: readonly number[];
  /** One more than bounds: the last one is +Inf. Not cumulative; the text is. */
  readonly #counts: number[];
  #sum = 0;

  constructor(family: SeriesSet<Series>, labelText: string, bounds: readonly number[]) {
    super(family, labelText);
    this.#bounds = bounds;
    this.#counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    const series = this.current();
    let i = 0;
    while (i < series.#bounds.length && value > (series.#bounds[i] ?? 0)) i += 1;
    series.#counts[i] = (series.#counts[i] ?? 0) + 1;
    series.#sum += value;
    series.version += 1;
  }

  override add(delta: readonly number[]): void {
    const series = this.current();
    for (const i of series.#counts.keys()) series.#counts[i] = (series.#counts[i] ?? 0) + (delta[i] ?? 0);
    series.#sum += delta[series.#counts.length] ?? 0;
    series.version += 1;
  }

  protected override parts(): readonly number[] {
    return [...this.#counts, this.#sum];
  }

  override samples(name: string): string {
    let out = '';
    let count = 0;
    for (const [i, bucket] of this.#counts.entries()) {
      count += bucket;
      const bound = this.#bounds[i];
      // OpenMetrics wants canonical floats as bounds: 1.0, not 1
      const le = bound === undefined ? '+Inf' : Number.isInteger(bound) ? `${bound}.0` : String(bound);
      out += `${sampleName(`${name}_bucket`, this.labelText, `le="${le}"`)} ${count}\n`;
    }
    const sum = `${sampleName(`${name}_sum`, this.labelText)} ${this.#sum}\n`;
    return `${sum}${sampleName(`${name}_count`, this.labelText)} ${count}\n${out}`;
  }
}
