/**
 * Labels whose values are worked out for each request (Telemetry's `tagOverrides`). Requests for which all of them say the same are
 * counted by one set of rules: only finding that set costs something for each request.
 */
import { type Attributes, compileTagValue, type TagValue, type TelemetryConfig } from '../../mesh/index.ts';
import { type MetricRules, metricRules } from './metric-rules.ts';
import { type RequestFamilies, RequestMetrics } from './request-metrics.ts';

/** How things are counted. */
export type Counting = { readonly rules: MetricRules; readonly metrics: RequestMetrics };

/** Combinations of values: callers may choose them. Those that come later are counted together, and say `overflow`. */
const MOST_COMBINATIONS = 1_000;

export class ComputedLabels {
  readonly #config: TelemetryConfig;
  readonly #families: RequestFamilies;
  readonly #expressions: readonly string[];
  readonly #values: readonly TagValue[];
  readonly #countings = new Map<string, Counting>();
  #overflow: Counting | undefined;

  /** `onBad` is told of an expression that can not be read; its label is `unknown`. */
  constructor(config: TelemetryConfig, families: RequestFamilies, onBad: (problem: string) => void) {
    this.#config = config;
    this.#families = families;
    this.#expressions = [...new Set(config.tagValues.map(({ expression }) => expression))];
    this.#values = this.#expressions.map((expression) => {
      const compiled = compileTagValue(expression);
      if (compiled.kind === 'compiled') return compiled.ask;
      onBad(`${expression}: ${compiled.problem}`);
      return () => 'unknown';
    });
  }

  of(attributes: Attributes): Counting {
    const values = this.#values.map((value) => value(attributes));
    const key = values.length === 1 ? (values[0] ?? '') : JSON.stringify(values);
    const known = this.#countings.get(key);
    if (known !== undefined) return known;
    if (this.#countings.size >= MOST_COMBINATIONS) {
      this.#overflow ??= this.#counting(values.map(() => 'overflow'));
      return this.#overflow;
    }
    const counting = this.#counting(values);
    this.#countings.set(key, counting);
    return counting;
  }

  #counting(values: readonly string[]): Counting {
    const rules = metricRules(this.#config, (expression) => values[this.#expressions.indexOf(expression)] ?? '');
    return { rules, metrics: new RequestMetrics(this.#families, rules) };
  }
}
