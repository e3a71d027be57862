/** Levels of Telemetry objects into one configuration: the more specific wins, field by field (waypoint.md section 5.1). */
import {
  type AccessLog,
  METRICS,
  type MetricName,
  type TagExpression,
  type TelemetryConfig,
  type Tracing,
} from '../model.ts';
import { BUILT_IN_LOG, type MeshTelemetry } from './mesh-telemetry.ts';
import type { LogWish, TelemetryReading, TracingWish } from './read-telemetry.ts';

/** `levels`: the widest first. Undefined: numbers, and no more. */
export function mergeTelemetry(mesh: MeshTelemetry, levels: readonly TelemetryReading[]): TelemetryConfig | undefined {
  const accessLogs = logsOf(mesh, levels);
  const tracing = tracingOf(mesh, levels);
  const metrics = metricsOf(mesh, levels);
  const { disabledMetrics, removedTags, tagValues } = metrics;
  const isNothing = accessLogs.length + disabledMetrics.length + removedTags.length + tagValues.length === 0;
  return isNothing && tracing === undefined ? undefined : { accessLogs, ...(tracing && { tracing }), ...metrics };
}

function logsOf(mesh: MeshTelemetry, levels: readonly TelemetryReading[]): readonly AccessLog[] {
  let names = new Set(mesh.defaultLogs);
  const filters = new Map<string, string>();
  for (const { logs } of levels) {
    if (logs.length === 0) continue;
    const above = names.size > 0 ? names : new Set(mesh.defaultLogs.length > 0 ? mesh.defaultLogs : [BUILT_IN_LOG]);
    const [on, off] = [logs.filter(({ disabled }) => !disabled), logs.filter(({ disabled }) => disabled)];
    // Who only switches one off keeps the others.
    const next = new Set(on.length === 0 ? names : on.flatMap((o) => providersOf(o, above)));
    for (const o of off) for (const name of providersOf(o, next)) next.delete(name);
    for (const o of on)
      if (o.filter !== undefined) for (const name of providersOf(o, above)) filters.set(name, o.filter);
    names = next;
  }
  return mesh.providers.flatMap((p) =>
    p.kind === 'log' && names.has(p.name) ? [{ ...p.log, filter: filters.get(p.name) ?? '' }] : [],
  );
}

function providersOf({ providers }: LogWish, otherwise: Iterable<string>): readonly string[] {
  return providers.length > 0 ? providers : [...otherwise];
}

function tracingOf(mesh: MeshTelemetry, levels: readonly TelemetryReading[]): Tracing | undefined {
  const wishes = levels.flatMap(({ tracing }) => tracing ?? []);
  const last = <K extends keyof TracingWish>(key: K): TracingWish[K] | undefined =>
    wishes.findLast((wish) => wish[key] !== undefined)?.[key];
  const name = last('provider') ?? mesh.defaultTraces[0];
  const provider = mesh.providers.find((p) => p.name === name);
  if (provider?.kind !== 'traces') return undefined;
  return {
    provider: provider.name,
    ...provider.collector,
    samplingPercentage: last('samplingPercentage') ?? mesh.samplingPercentage,
    customTags: last('customTags') ?? [],
    istioTags: last('istioTags') ?? true,
    disableSpanReporting: last('disableSpanReporting') ?? false,
  };
}

type MetricSettings = Pick<TelemetryConfig, 'disabledMetrics' | 'removedTags' | 'tagValues'>;

/** What is said of numbers that somebody else should get, is not about ours. */
function metricsOf({ providers }: MeshTelemetry, levels: readonly TelemetryReading[]): MetricSettings {
  const ours = new Set(providers.flatMap(({ kind, name }) => (kind === 'metrics' ? [name] : [])));
  const disabled = new Set<MetricName>();
  const tags = new Map<string, TagExpression>();
  for (const wish of levels.flatMap(({ metrics }) => metrics)) {
    if (wish.providers.length > 0 && !wish.providers.some((name) => ours.has(name))) continue;
    for (const metric of wish.metrics) {
      if (wish.disabled === true) disabled.add(metric);
      else if (wish.disabled === false) disabled.delete(metric);
      for (const { tag, expression } of wish.tags) tags.set(`${metric} ${tag}`, { metric, tag, expression });
    }
  }
  const all = [...tags.values()];
  return {
    disabledMetrics: METRICS.filter((name) => disabled.has(name)),
    removedTags: all.filter(({ expression }) => expression === '').map(({ metric, tag }) => ({ metric, tag })),
    tagValues: all.filter(({ expression }) => expression !== ''),
  };
}
