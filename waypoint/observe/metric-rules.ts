/** What Telemetry objects make of the standard metrics: whole ones are taken away, labels too, and others are given. */
import type { MetricName, TelemetryConfig } from '../../mesh/index.ts';

export interface MetricRules {
  /** The labels that are to be counted under; undefined: it is not to be counted. A label that was taken away is empty. */
  apply(metric: MetricName, names: readonly string[], values: readonly string[]): MetricLabels | undefined;
}

export type MetricLabels = {
  /** Of the labels that the metric has by itself. */
  readonly values: readonly string[];
  /** Beside them. */
  readonly more: readonly { readonly name: string; readonly value: string }[];
};

const NO_MORE: MetricLabels['more'] = [];

export const EVERYTHING: MetricRules = { apply: (_metric, _names, values) => ({ values, more: NO_MORE }) };

type Settings = Pick<TelemetryConfig, 'disabledMetrics' | 'removedTags' | 'tagValues'>;

/** `saidBy`: what an expression of `tagValues` says. */
export function metricRules(config: Settings, saidBy: (expression: string) => string = () => ''): MetricRules {
  const disabled = new Set(config.disabledMetrics);
  const given = new Map<MetricName, Map<string, string>>();
  const give = (metric: MetricName, tag: string, value: string): void => {
    const tags = given.get(metric) ?? new Map<string, string>();
    given.set(metric, tags.set(tag, value));
  };
  for (const { metric, tag } of config.removedTags) give(metric, tag, '');
  for (const { metric, tag, expression } of config.tagValues) give(metric, tag, saidBy(expression));
  if (disabled.size === 0 && given.size === 0) return EVERYTHING;
  return {
    apply: (metric, names, values) => {
      if (disabled.has(metric)) return undefined;
      const tags = given.get(metric);
      if (tags === undefined) return { values, more: NO_MORE };
      const more = [...tags].filter(([name, value]) => value !== '' && !names.includes(name));
      return {
        values: values.map((value, i) => tags.get(names[i] ?? '') ?? value),
        more: more.map(([name, value]) => ({ name, value })),
      };
    },
  };
}
