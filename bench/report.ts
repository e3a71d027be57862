/** What was measured, as rows: medians over rounds, spread, ratios, as a table and as JSON. Pure. */

export type Metric = {
  readonly suite: string;
  readonly name: string;
  readonly metric: string;
  readonly unit: string;
  readonly better: 'higher' | 'lower';
  /** One of several sizes at which the same thing was measured: drawn as a curve. */
  readonly growth?: Growth;
};

export type Growth = {
  readonly of: string /** What there was more and more of. */;
  readonly by: string;
  readonly at: number;
};

export type Row = Metric & {
  /** Median over the rounds. */
  readonly ambit?: number;
  readonly peers: Readonly<Record<string, number>>;
  /** Half the distance between the largest and the smallest of the rounds over their median, the worst of all that took part. */
  readonly spread: number;
};

/** The targets compare with the best of these; no proxy at all is a yardstick, nginx a neighbour. */
export const RIVALS: readonly string[] = ['haproxy', 'envoy', 'ztunnel'];
export const AMBIT = 'ambit';

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

export function spreadOf(values: readonly number[]): number {
  const middle = median(values);
  return values.length < 2 || middle === 0 ? 0 : (Math.max(...values) - Math.min(...values)) / 2 / Math.abs(middle);
}

/** Collects what each round measured, in the order in which metrics were first seen. */
export class Samples {
  readonly #byMetric = new Map<string, { readonly metric: Metric; readonly values: Map<string, number[]> }>();

  add(metric: Metric, who: string, value: number): void {
    const key = `${metric.suite}/${metric.name}/${metric.metric}`;
    const known = this.#byMetric.get(key) ?? { metric, values: new Map<string, number[]>() };
    this.#byMetric.set(key, known);
    const values = known.values.get(who) ?? [];
    known.values.set(who, values);
    values.push(value);
  }

  rows(): Row[] {
    return [...this.#byMetric.values()].map(({ metric, values }) => {
      const medians = new Map([...values].map(([who, of]) => [who, median(of)]));
      const ambit = medians.get(AMBIT);
      medians.delete(AMBIT);
      const spread = Math.max(...[...values.values()].map(spreadOf));
      return { ...metric, ...(ambit === undefined ? {} : { ambit }), peers: Object.fromEntries(medians), spread };
    });
  }
}

/** The best rival, by name. */
export function bestRival(row: Row): { readonly name: string; readonly value: number } | undefined {
  const sign = row.better === 'higher' ? -1 : 1;
  return Object.entries(row.peers)
    .filter(([name]) => RIVALS.includes(name))
    .map(([name, value]) => ({ name, value }))
    .sort((a, b) => sign * (a.value - b.value))[0];
}

/** Ambit over the best rival, whichever way is better; undefined when one of them is missing. */
export function ratio(row: Row): number | undefined {
  const best = bestRival(row);
  return row.ambit === undefined || best === undefined || best.value === 0 ? undefined : row.ambit / best.value;
}

/** Three significant digits, and whole numbers from 100 on. */
export function showNumber(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '-';
  return Math.abs(value) >= 100 ? Math.round(value).toString() : Number(value.toPrecision(3)).toString();
}

export function table(rows: readonly Row[]): string {
  const peers = [...new Set(rows.flatMap((row) => Object.keys(row.peers)))];
  const head = ['what', 'unit', 'better', AMBIT, ...peers, 'ratio', 'spread'];
  const body = rows.map((row) => {
    const best = bestRival(row);
    const over = ratio(row);
    return [
      `${row.suite}: ${row.name}, ${row.metric}`,
      row.unit,
      row.better,
      showNumber(row.ambit),
      ...peers.map((peer) => showNumber(row.peers[peer])),
      over === undefined ? '-' : `${over.toFixed(2)} of ${best?.name}`,
      `±${(row.spread * 100).toFixed(0)} %`,
    ];
  });
  const widths = head.map((title, column) =>
    Math.max(title.length, ...body.map((cells) => cells[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => (column < 3 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd();
  return [line(head), ...body.map(line)].join('\n');
}
