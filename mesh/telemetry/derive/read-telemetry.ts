/** A Telemetry object (crds.md section 10), as far as waypoints can do what it says; the rest is told. */
import { type Fields, fields, isFields, list, text, texts } from '../../derive/read.ts';
import { type PolicyTarget, readTargets } from '../../http-policy/derive/targets.ts';
import type { KubeObject } from '../../kube-object.ts';
import { compileLogFilter, compileTagValue } from '../expressions.ts';
import { type CustomTag, METRICS, type MetricName } from '../model.ts';

export type TelemetryReading = {
  /** Undefined: for all of its namespace, or from the root namespace for the mesh. */
  readonly targets: readonly PolicyTarget[] | undefined;
  readonly logs: readonly LogWish[];
  /** Undefined: it says nothing of traces. */
  readonly tracing: TracingWish | undefined;
  readonly metrics: readonly MetricWish[];
  /** What is not done, each with its path. */
  readonly problems: readonly string[];
};

/** No providers: those of the level above. */
export type LogWish = {
  readonly providers: readonly string[];
  readonly disabled: boolean;
  /** CEL that can be read. Undefined: that of the level above, if there is one. */
  readonly filter: string | undefined;
};
/** What is undefined comes from the level above. */
export type TracingWish = {
  readonly provider: string | undefined;
  readonly samplingPercentage: number | undefined;
  readonly disableSpanReporting: boolean | undefined;
  readonly istioTags: boolean | undefined;
  readonly customTags: readonly CustomTag[] | undefined;
};
export type MetricWish = {
  /** None: all that have numbers. */
  readonly providers: readonly string[];
  readonly metrics: readonly MetricName[];
  readonly disabled: boolean | undefined;
  readonly tags: readonly TagWish[];
};
/** `expression` is CEL that can be read; '': the label is to be empty. */
export type TagWish = { readonly tag: string; readonly expression: string };

/** Undefined: it is not about waypoints. */
export function readTelemetry({ spec, metadata }: KubeObject, rootNamespace: string): TelemetryReading | undefined {
  const written = fields(spec);
  if (isFields(written['selector'])) return undefined;
  const attached = readTargets(written, metadata.namespace ?? '', rootNamespace);
  const problems = [...(attached?.problems ?? [])];
  return {
    targets: attached?.targets,
    logs: entries(written['accessLogging'], 'spec.accessLogging', problems).flatMap((entry) =>
      readLog(entry, problems),
    ),
    tracing: readTracing(entries(written['tracing'], 'spec.tracing', problems), problems),
    metrics: entries(written['metrics'], 'spec.metrics', problems).flatMap((entry) => readMetrics(entry, problems)),
    problems,
  };
}

type Entry = { readonly at: string; readonly value: Fields };

/** What is about callers of a proxy is not about waypoints, which serve. */
function entries(value: unknown, at: string, problems: string[]): readonly Entry[] {
  return list(value).flatMap((item, index): readonly Entry[] => {
    const entry = { at: `${at}[${index}]`, value: fields(item) };
    if (text(fields(entry.value['match'])['mode']) !== 'CLIENT') return [entry];
    problems.push(`${entry.at}.match.mode: waypoints serve and are no CLIENT; this entry is left out`);
    return [];
  });
}

function providersOf(value: Fields): readonly string[] {
  return list(value['providers'])
    .map((item) => text(fields(item)['name']))
    .filter((name) => name !== '');
}

function readLog({ at, value }: Entry, problems: string[]): readonly LogWish[] {
  const expression = text(fields(value['filter'])['expression']);
  const filter = expression === '' ? undefined : compileLogFilter(expression);
  if (filter?.kind === 'invalid') {
    problems.push(`${at}.filter.expression: ${filter.problem}; this entry is left out`);
    return [];
  }
  return [{ providers: providersOf(value), disabled: value['disabled'] === true, filter: expression || undefined }];
}

function readTracing([entry, ...others]: readonly Entry[], problems: string[]): TracingWish | undefined {
  if (entry === undefined) return undefined;
  for (const other of others) problems.push(`${other.at}: of several entries the first counts`);
  const { at, value } = entry;
  if (providersOf(value).length > 1) problems.push(`${at}.providers: of several providers the first counts`);
  for (const field of ['useRequestIdForTraceSampling', 'disableContextPropagation'] as const) {
    if (value[field] === true) problems.push(`${at}.${field}: not known here`);
  }
  const sampling = value['randomSamplingPercentage'];
  const tags = isFields(value['customTags']) ? Object.entries(value['customTags']) : undefined;
  return {
    provider: providersOf(value)[0],
    samplingPercentage: typeof sampling === 'number' && sampling >= 0 && sampling <= 100 ? sampling : undefined,
    disableSpanReporting: flag(value['disableSpanReporting']),
    istioTags: flag(value['enableIstioTags']),
    customTags: tags?.flatMap(([name, tag]) => readTag(name, fields(tag), `${at}.customTags.${name}`, problems)),
  };
}

function readTag(name: string, tag: Fields, at: string, problems: string[]): readonly CustomTag[] {
  const { literal, environment, header } = tag;
  if (isFields(literal)) return [{ name, kind: 'LITERAL', value: text(literal['value']), defaultValue: '' }];
  const named = isFields(header) ? header : isFields(environment) ? environment : undefined;
  if (named === undefined) {
    problems.push(`${at}: waypoints know literal, environment and header`);
    return [];
  }
  const kind = isFields(header) ? 'HEADER' : 'ENVIRONMENT';
  return [{ name, kind, value: text(named['name']), defaultValue: text(named['defaultValue']) }];
}

function readMetrics({ at, value }: Entry, problems: string[]): readonly MetricWish[] {
  if (text(value['reportingInterval']) !== '') {
    problems.push(`${at}.reportingInterval: numbers are current whenever somebody asks for them`);
  }
  const providers = providersOf(value);
  return entries(value['overrides'], `${at}.overrides`, problems).flatMap((override): readonly MetricWish[] => {
    const { match, tagOverrides, disabled } = override.value;
    const { metric, customMetric } = fields(match);
    if (text(customMetric) !== '') {
      problems.push(`${override.at}.match.customMetric: waypoints have the standard metrics`);
      return [];
    }
    const named = text(metric);
    const metrics = named === '' || named === 'ALL_METRICS' ? METRICS : METRICS.filter((known) => known === named);
    const tags = isFields(tagOverrides) ? Object.entries(tagOverrides) : [];
    return [
      {
        providers,
        metrics,
        disabled: flag(disabled),
        tags: tags.flatMap(([tag, change]) =>
          readOverride(tag, fields(change), `${override.at}.tagOverrides.${tag}`, problems),
        ),
      },
    ];
  });
}

const LABEL = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
/** What a format of metrics keeps for itself. */
const RESERVED = /^(?:__.*|le|quantile)$/;

function readOverride(tag: string, change: Fields, at: string, problems: string[]): readonly TagWish[] {
  const leftOut = (problem: string): readonly TagWish[] => {
    problems.push(`${at}${problem}; it is left out`);
    return [];
  };
  if (!LABEL.test(tag) || RESERVED.test(tag)) return leftOut(': no label can have this name');
  if (text(change['operation']) === 'REMOVE') return [{ tag, expression: '' }];
  const expression = text(change['value']);
  if (expression === '') return leftOut('.value: a label that is not removed needs one');
  const compiled = compileTagValue(expression);
  return compiled.kind === 'invalid' ? leftOut(`.value: ${compiled.problem}`) : [{ tag, expression }];
}

function flag(value: unknown): boolean | undefined {
  return typeof value === 'boolean' ? value : undefined;
}

/** All providers that it names. */
export function namedProviders({ logs, tracing, metrics }: TelemetryReading): readonly string[] {
  const named = [...logs, ...metrics].flatMap(({ providers }) => providers);
  return [...new Set([...named, ...texts([tracing?.provider])])];
}
