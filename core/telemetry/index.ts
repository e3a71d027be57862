/** Logs, metrics, and the small HTTP endpoints that show them. */
export { type AccessParty, type AccessRecord, accessLine } from './access-line.ts';
export { chooseCoding } from './compress.ts';
export { loggingRoute, metricsRoute, readinessRoute } from './endpoints.ts';
export { FlowLedger, type FlowRow } from './flow-ledger.ts';
export { type HttpEndpoint, type HttpReply, type ReplyStream, type Route, serveHttp } from './http.ts';
export { Counter, Gauge, Histogram } from './instruments.ts';
export { LogFilter, type LogLevel } from './log-filter.ts';
export { bare, describeError, type Fields, type LogFormat } from './log-format.ts';
export { createLogger, gathered, type Logger, standardOutput } from './logger.ts';
export { Readiness, type ReadinessTask } from './readiness.ts';
export { type Receipt, Receipts } from './receipts.ts';
export {
  type CounterFamily,
  type Family,
  type GaugeFamily,
  type HistogramFamily,
  Registry,
  type SeriesDelta,
} from './registry.ts';
export { labelText } from './series.ts';
export { ulid } from './ulid.ts';
