/** What the mesh configuration says of telemetry (waypoint.md section 5): providers, and what holds where no Telemetry object says otherwise. */
import * as z from 'zod';
import { parseDuration } from '../../validate/durations.ts';
import type { AccessLog, NamedValue } from '../model.ts';

/** Somebody whom Telemetry objects can name. */
export type TelemetryProvider =
  | { readonly kind: 'log'; readonly name: string; readonly log: AccessLog }
  | { readonly kind: 'traces'; readonly name: string; readonly collector: Collector }
  | { readonly kind: 'metrics'; readonly name: string }
  /** Why it can not be used here. */
  | { readonly kind: 'unusable'; readonly name: string; readonly problem: string };

export type Collector = {
  /** `namespace/hostname`. */
  readonly service: string;
  readonly port: number;
  readonly path: string;
  readonly timeoutMs: number;
  readonly headers: readonly NamedValue[];
};

export type MeshTelemetry = {
  /** By name; of two with one name the later. */
  readonly providers: readonly TelemetryProvider[];
  /** Names of those that are used where no Telemetry object names any. */
  readonly defaultLogs: readonly string[];
  readonly defaultTraces: readonly string[];
  readonly samplingPercentage: number;
};

/** The provider that is always there: standard output, in the format of the mesh configuration. */
export const BUILT_IN_LOG = 'envoy';
const DEFAULT_SAMPLING = 1;
const DEFAULT_TIMEOUT_MS = 10_000;
const MAX_TIMEOUT_MS = 60_000;

const names = z.array(z.string()).default([]);
const timeout = z
  .string()
  .transform((written, context): number => {
    const ms = parseDuration(written);
    if (ms !== undefined && ms >= 1) return Math.min(Math.round(ms), MAX_TIMEOUT_MS);
    context.addIssue({ code: 'custom', message: 'must be a duration, such as 5s' });
    return z.NEVER;
  })
  .default(DEFAULT_TIMEOUT_MS);

const header = z.object({ name: z.string().min(1), value: z.string().default(''), envName: z.string().optional() });
const opentelemetry = z.object({
  service: z.string().min(1),
  port: z.number().int().min(1).max(65_535),
  http: z
    .object({ path: z.string().startsWith('/').default('/v1/traces'), timeout, headers: z.array(header).default([]) })
    .optional(),
});
const fileLog = z.object({
  path: z.string().optional(),
  logFormat: z.object({ text: z.string().optional(), labels: z.record(z.string(), z.unknown()).optional() }).optional(),
});
const provider = z.looseObject({
  name: z.string().min(1),
  opentelemetry: opentelemetry.optional(),
  envoyFileAccessLog: fileLog.optional(),
});

/** Keys of the mesh configuration. */
export const meshTelemetrySchema = z.object({
  accessLogFile: z.string().default(''),
  accessLogEncoding: z.enum(['TEXT', 'JSON']).default('TEXT'),
  accessLogFormat: z.string().default(''),
  extensionProviders: z.array(provider).default([]),
  defaultProviders: z.object({ accessLogging: names, tracing: names }).default({ accessLogging: [], tracing: [] }),
  defaultConfig: z
    .object({ tracing: z.object({ sampling: z.number().min(0).max(100).optional() }).optional() })
    .default({}),
});

export type MeshTelemetryInput = z.infer<typeof meshTelemetrySchema>;

export function meshTelemetryOf(input: MeshTelemetryInput, clusterDomain: string): MeshTelemetry {
  const builtIn: TelemetryProvider = {
    kind: 'log',
    name: BUILT_IN_LOG,
    log: { encoding: input.accessLogEncoding, format: input.accessLogFormat, filter: '' },
  };
  const all = [
    builtIn,
    { kind: 'metrics', name: 'prometheus' } as const,
    ...input.extensionProviders.map((written) => providerOf(written, clusterDomain)),
  ];
  const { accessLogging, tracing } = input.defaultProviders;
  return {
    providers: [...new Map(all.map((one) => [one.name, one])).values()],
    defaultLogs: accessLogging.length > 0 ? accessLogging : input.accessLogFile === '' ? [] : [BUILT_IN_LOG],
    defaultTraces: tracing,
    samplingPercentage: input.defaultConfig.tracing?.sampling ?? DEFAULT_SAMPLING,
  };
}

export const DEFAULT_MESH_TELEMETRY: MeshTelemetry = meshTelemetryOf(meshTelemetrySchema.parse({}), '');

function providerOf(written: z.infer<typeof provider>, clusterDomain: string): TelemetryProvider {
  const { name, opentelemetry, envoyFileAccessLog } = written;
  const unusable = (problem: string): TelemetryProvider => ({ kind: 'unusable', name, problem });
  if ('prometheus' in written) return { kind: 'metrics', name };
  if (envoyFileAccessLog !== undefined) {
    const { text, labels } = envoyFileAccessLog.logFormat ?? {};
    if (labels === undefined) return { kind: 'log', name, log: { encoding: 'TEXT', format: text ?? '', filter: '' } };
    return { kind: 'log', name, log: { encoding: 'JSON', format: JSON.stringify(labels), filter: '' } };
  }
  if (opentelemetry !== undefined) {
    const { service, port, http } = opentelemetry;
    if (http === undefined)
      return unusable('waypoints send spans as OTLP over HTTP: say so by opentelemetry.http.path');
    if (http.headers.some(({ envName }) => envName !== undefined))
      return unusable('opentelemetry.http.headers: values from the environment are not for waypoints');
    const key = serviceKey(service, clusterDomain);
    if (key === undefined)
      return unusable(
        `opentelemetry.service: write ${service} as namespace/hostname, or as the full name of a Service`,
      );
    const headers = http.headers.map((one) => ({ name: one.name.toLowerCase(), value: one.value }));
    return {
      kind: 'traces',
      name,
      collector: { service: key, port, path: http.path, timeoutMs: http.timeout, headers },
    };
  }
  return unusable('waypoints log to standard output and send spans as OTLP over HTTP, and know no other provider');
}

/** `[namespace/]hostname`; without namespace, that of the Service whose full name it is. */
function serviceKey(written: string, clusterDomain: string): string | undefined {
  if (written.includes('/')) return written;
  const [, namespace = '', ...rest] = written.split('.');
  return rest.join('.') === `svc.${clusterDomain}` ? `${namespace}/${written}` : undefined;
}
