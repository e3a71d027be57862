/** What a waypoint shows of its requests, and to whom: in just the JSON form of `core/xds/proto/ambit/waypoint/v1/telemetry.proto`. */

export type TelemetryConfig = {
  /** None: nothing is written, save denials. */
  readonly accessLogs: readonly AccessLog[];
  /** Absent: nobody traces. */
  readonly tracing?: Tracing;
  /** Names of {@link METRICS} that are not counted. */
  readonly disabledMetrics: readonly MetricName[];
  /** Labels that stay empty. */
  readonly removedTags: readonly RemovedTag[];
  /** Labels whose values are worked out; also such as the metric has not by itself. */
  readonly tagValues: readonly TagExpression[];
};

export type AccessLog = {
  readonly encoding: 'TEXT' | 'JSON';
  /** With operators; '' is the default of the encoding. Of JSON: an object, as JSON, whose values are such texts. */
  readonly format: string;
  /** CEL: only lines for which it does not say false; '': all. */
  readonly filter: string;
};

export type Tracing = {
  /** Its name, for people. */
  readonly provider: string;
  /** Whom spans are sent to, as OTLP over HTTP: key of a service that is among the references. */
  readonly service: string;
  readonly port: number;
  readonly path: string;
  readonly timeoutMs: number;
  readonly headers: readonly NamedValue[];
  /** Of the traces that begin here: 0 to 100. */
  readonly samplingPercentage: number;
  readonly customTags: readonly CustomTag[];
  readonly istioTags: boolean;
  /** Context is passed on, spans are not sent. */
  readonly disableSpanReporting: boolean;
};

export type NamedValue = { readonly name: string; readonly value: string };

export type CustomTag = {
  readonly name: string;
  readonly kind: 'LITERAL' | 'ENVIRONMENT' | 'HEADER';
  /** The text, or the name of the variable or of the header. */
  readonly value: string;
  readonly defaultValue: string;
};

/** As Telemetry objects call them. */
export const METRICS = [
  'REQUEST_COUNT',
  'REQUEST_DURATION',
  'REQUEST_SIZE',
  'RESPONSE_SIZE',
  'TCP_OPENED_CONNECTIONS',
  'TCP_CLOSED_CONNECTIONS',
  'TCP_SENT_BYTES',
  'TCP_RECEIVED_BYTES',
  'GRPC_REQUEST_MESSAGES',
  'GRPC_RESPONSE_MESSAGES',
] as const;
export type MetricName = (typeof METRICS)[number];

export type RemovedTag = { readonly metric: MetricName; readonly tag: string };

/** `expression` is CEL. */
export type TagExpression = { readonly metric: MetricName; readonly tag: string; readonly expression: string };

export const NO_TELEMETRY: TelemetryConfig = { accessLogs: [], disabledMetrics: [], removedTags: [], tagValues: [] };
