/**
 * The time series of one metric family. A series is resolved once per connection and is then a plain number: no hashing
 * on the hot path. Their number is bounded, and series that stopped changing are let go.
 */

/** What a family keeps about one combination of label values. */
export abstract class Series {
  readonly labelText: string;
  /** Changes with every write; the sweep compares it with what it saw last. */
  protected version = 0;
  #seenVersion = -1;
  #changedAtMs = 0;
  #attached = true;
  #reported: readonly number[] | undefined;
  /** Set once this one was let go and a newer series of the same labels took over. */
  protected successor: this | undefined;
  readonly #family: SeriesSet<Series>;

  constructor(family: SeriesSet<Series>, labelText: string) {
    this.#family = family;
    this.labelText = labelText;
  }

  /** Whether this series changed since the last sweep that saw it, or less than `idleMs` ago. */
  isFresh(nowMs: number, idleMs: number): boolean {
    if (this.version !== this.#seenVersion) {
      this.#seenVersion = this.version;
      this.#changedAtMs = nowMs;
    }
    return nowMs - this.#changedAtMs < idleMs;
  }

  detach(): void {
    this.#attached = false;
  }

  attach(): void {
    this.#attached = true;
  }

  /**
   * The series to write to: itself, or, after it was let go for being idle, whichever series holds its labels now.
   * A long-lived connection keeps its handle over such an expiry.
   */
  protected current(): this {
    if (this.#attached) return this;
    if (this.successor?.isAttached() === true) return this.successor;
    this.successor = undefined;
    const holder = this.#family.readmit(this) as this;
    if (holder !== this) this.successor = holder;
    return holder;
  }

  isAttached(): boolean {
    return this.#attached;
  }

  /** What has been added since the last call, to be summed elsewhere; undefined: nothing, and it was called before. */
  takeDelta(): readonly number[] | undefined {
    const reported = this.#reported;
    const now = this.parts();
    this.#reported = now;
    if (reported === undefined) return now;
    const delta = now.map((part, i) => part - (reported[i] ?? 0));
    return delta.some((part) => part !== 0) ? delta : undefined;
  }

  /** Adds what another series of the same labels took. */
  abstract add(delta: readonly number[]): void;

  /** All that it counts, as numbers that may be summed. */
  protected abstract parts(): readonly number[];

  /** Sample lines of this series for the family `name`. */
  abstract samples(name: string): string;
}

export type SeriesLimits = {
  /** Most series of one family; the next combination goes to one shared series whose labels all say `overflow`. */
  readonly maxSeries: number;
  /** How long a series may stay unchanged before it is let go. */
  readonly idleMs: number;
  readonly onOverflow: () => void;
};

/** Label values to series, bounded. */
export class SeriesSet<S extends Series> {
  readonly #labelNames: readonly string[];
  readonly #make: (set: SeriesSet<Series>, labelText: string) => S;
  readonly #limits: SeriesLimits;
  readonly #series = new Map<string, S>();
  #overflow: S | undefined;

  constructor(
    labelNames: readonly string[],
    limits: SeriesLimits,
    make: (set: SeriesSet<Series>, labelText: string) => S,
  ) {
    this.#labelNames = labelNames;
    this.#limits = limits;
    this.#make = make;
  }

  /** Values in the order of the family's label names; a missing one is the empty string. `more` are labels of this series alone. */
  resolve(values: readonly string[], more: readonly Label[]): S {
    const text = labelText(this.#labelNames, values);
    if (more.length === 0) return this.resolveText(text);
    return this.resolveText([text, ...more.map(formatLabel)].filter((part) => part !== '').join(','));
  }

  /** The same by the text of the labels, as `labelText` has it. */
  resolveText(text: string): S {
    const known = this.#series.get(text);
    if (known !== undefined) return known;
    if (this.#series.size >= this.#limits.maxSeries) return this.#spill();
    const series = this.#make(this as unknown as SeriesSet<Series>, text);
    this.#series.set(text, series);
    return series;
  }

  /** Takes back a series that was let go, unless its labels have another holder or there is no room. */
  readmit(series: S): S {
    const holder = this.#series.get(series.labelText);
    if (holder !== undefined) return holder;
    if (this.#series.size >= this.#limits.maxSeries) return this.#spill();
    series.attach();
    this.#series.set(series.labelText, series);
    return series;
  }

  /** Lets go of what has been unchanged for too long. A metric without labels has one series, and that one stays. */
  sweep(nowMs: number): void {
    if (this.#labelNames.length === 0) return;
    for (const [text, series] of this.#series) {
      if (series.isFresh(nowMs, this.#limits.idleMs)) continue;
      series.detach();
      this.#series.delete(text);
    }
  }

  *all(): Iterable<S> {
    yield* this.#series.values();
    if (this.#overflow !== undefined) yield this.#overflow;
  }

  get size(): number {
    return this.#series.size;
  }

  #spill(): S {
    this.#limits.onOverflow();
    this.#overflow ??= this.#make(
      this as unknown as SeriesSet<Series>,
      labelText(
        this.#labelNames,
        this.#labelNames.map(() => 'overflow'),
      ),
    );
    return this.#overflow;
  }
}

export type Label = { readonly name: string; readonly value: string };

/** `a="x",b="y"` with the escapes of the text format. Values in the order of the names; a missing one is the empty string. */
export function labelText(names: readonly string[], values: readonly string[]): string {
  let text = '';
  for (const [i, name] of names.entries()) text += `${i === 0 ? '' : ','}${name}="${escapeLabel(values[i] ?? '')}"`;
  return text;
}

const formatLabel = ({ name, value }: Label): string => `${name}="${escapeLabel(value)}"`;

function escapeLabel(value: string): string {
  return /["\\\n]/.test(value) ? value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : value;
}

/** `name{labels}` or the bare name. */
export function sampleName(name: string, labels: string, extra = ''): string {
  const all = labels === '' ? extra : extra === '' ? labels : `${labels},${extra}`;
  return all === '' ? name : `${name}{${all}}`;
}
