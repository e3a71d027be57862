/** What Telemetry objects take away from the standard metrics: whole ones, and labels of them. */
import type { MetricName, TelemetryConfig } from '../../mesh/index.ts';

export interface MetricRules {
  /** The values that are to be counted under; undefined: it is not to be counted. A label that was taken away is empty. */
  apply(metric: MetricName, names: readonly string[], values: readonly string[]): readonly string[] | undefined;
}

export const EVERYTHING: MetricRules = { apply: (_metric, _names, values) => values };

export function metricRules(config: Pick<TelemetryConfig, 'disabledMetrics' | 'removedTags'>): MetricRules {
  const disabled = new Set(config.disabledMetrics);
  const removed = new Set(config.removedTags.map(({ metric, tag }) => `${metric} ${tag}`));
  if (disabled.size === 0 && removed.size === 0) return EVERYTHING;
  return {
    apply: (metric, names, values) => {
      if (disabled.has(metric)) return undefined;
      return values.map((value, i) => (removed.has(`${metric} ${names[i]}`) ? '' : value));
    },
  };
}
