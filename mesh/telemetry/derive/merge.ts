/** Levels of Telemetry objects into one configuration: the more specific wins, field by field (waypoint.md section 5.1). */
import { type AccessLog, METRICS, type MetricName, type TelemetryConfig, type Tracing } from '../model.ts';
import { BUILT_IN_LOG, type MeshTelemetry } from './mesh-telemetry.ts';
import type { TelemetryReading, TracingWish } from './read-telemetry.ts';

/** `levels`: the widest first. Undefined: numbers, and no more. */
export function mergeTelemetry(mesh: MeshTelemetry, levels: readonly TelemetryReading[]): TelemetryConfig | undefined {
  const accessLogs = logsOf(mesh, levels);
  const tracing = tracingOf(mesh, levels);
  const metrics = metricsOf(levels);
  const isNothing = accessLogs.length + metrics.disabledMetrics.length + metrics.removedTags.length === 0;
  return isNothing && tracing === undefined ? undefined : { accessLogs, ...(tracing && { tracing }), ...metrics };
}

function logsOf(mesh: MeshTelemetry, levels: readonly TelemetryReading[]): readonly AccessLog[] {
  let names = new Set(mesh.defaultLogs);
  for (const { logs } of levels) {
    if (logs.length === 0) continue;
    const above = names.size > 0 ? names : new Set(mesh.defaultLogs.length > 0 ? mesh.defaultLogs : [BUILT_IN_LOG]);
    const [on, off] = [logs.filter(({ disabled }) => !disabled), logs.filter(({ disabled }) => disabled)];
    // Who only switches one off keeps the others.
    const next = new Set(
      on.length === 0 ? names : on.flatMap((o) => (o.providers.length > 0 ? o.providers : [...above])),
    );
    for (const { providers } of off) for (const name of providers.length > 0 ? providers : [...next]) next.delete(name);
    names = next;
  }
  return mesh.providers.flatMap((p) => (p.kind === 'log' && names.has(p.name) ? [p.log] : []));
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

function metricsOf(levels: readonly TelemetryReading[]): Pick<TelemetryConfig, 'disabledMetrics' | 'removedTags'> {
  const disabled = new Set<MetricName>();
  const removed = new Map<string, { readonly metric: MetricName; readonly tag: string }>();
  for (const wish of levels.flatMap(({ metrics }) => metrics)) {
    for (const metric of wish.metrics) {
      if (wish.disabled === true) disabled.add(metric);
      else if (wish.disabled === false) disabled.delete(metric);
      for (const tag of wish.removedTags) removed.set(`${metric} ${tag}`, { metric, tag });
    }
  }
  return { disabledMetrics: METRICS.filter((name) => disabled.has(name)), removedTags: [...removed.values()] };
}
