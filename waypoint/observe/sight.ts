/** What telemetry settings come to, made ready once for all requests that they are about. */
import type { Logger } from '../../core/telemetry/index.ts';
import {
  type AccessLog,
  type GatewayConfig,
  NO_TELEMETRY,
  type ServiceConfig,
  type TelemetryConfig,
  type Tracing,
} from '../../mesh/index.ts';
import type { SpanExporter } from '../trace/exporter.ts';
import type { SpanTags } from '../trace/span.ts';
import { type Logs, logsOf } from './access-log.ts';
import { ComputedLabels, type Counting } from './computed-labels.ts';
import { EVERYTHING, metricRules } from './metric-rules.ts';
import { type RequestFamilies, RequestMetrics } from './request-metrics.ts';

/** The gateway's are for workloads that are called by their own address; those of a service have all that is for it. */
export function telemetryOf(of: {
  readonly gateway: GatewayConfig | undefined;
  readonly service: ServiceConfig | undefined;
}): TelemetryConfig {
  return (of.service === undefined ? of.gateway?.telemetry : of.service.telemetry) ?? NO_TELEMETRY;
}

export type Sight = {
  readonly logs: Logs;
  readonly counting: Counting;
  /** Undefined: `counting` is for all. */
  readonly computed: ComputedLabels | undefined;
  /** Where spans go; undefined: nowhere. */
  readonly spans: { readonly exporter: SpanExporter; readonly tags: SpanTags } | undefined;
};

export type SightParts = {
  readonly log: Logger;
  readonly families: RequestFamilies;
  /** Written whatever the settings say. */
  readonly always: readonly AccessLog[];
  readonly exporterOf: (tracing: Tracing) => SpanExporter;
};

export class Sights {
  readonly #parts: SightParts;
  readonly #metrics: RequestMetrics;
  /** Settings are replaced whole when they change. */
  readonly #made = new WeakMap<TelemetryConfig, Sight>();

  constructor(parts: SightParts) {
    this.#parts = parts;
    this.#metrics = new RequestMetrics(parts.families);
  }

  of(config: TelemetryConfig): Sight {
    let sight = this.#made.get(config);
    if (sight === undefined) {
      sight = this.#make(config);
      this.#made.set(config, sight);
    }
    return sight;
  }

  #make(config: TelemetryConfig): Sight {
    const { log, families, always, exporterOf } = this.#parts;
    const onBad = (error: unknown) => log.warn('what an access log shall show', { error: error as Error });
    const onBadTag = (problem: string) => log.warn('what a label shall say', { problem });
    const rules = metricRules(config);
    const { tracing } = config;
    return {
      logs: logsOf(config.accessLogs.length > 0 ? config.accessLogs : always, onBad),
      counting: { rules, metrics: rules === EVERYTHING ? this.#metrics : new RequestMetrics(families, rules) },
      computed: config.tagValues.length === 0 ? undefined : new ComputedLabels(config, families, onBadTag),
      spans:
        tracing === undefined || tracing.disableSpanReporting
          ? undefined
          : { exporter: exporterOf(tracing), tags: { istio: tracing.istioTags, custom: tracing.customTags } },
    };
  }
}
