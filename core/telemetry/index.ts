/** Logs, metrics, and the small HTTP endpoints that show them. */
export { type AccessParty, type AccessRecord, accessLine } from './access-line.ts';
export { type ContentCoding, chooseCoding, compress } from './compress.ts';
export { loggingRoute, metricsRoute, readinessRoute } from './endpoints.ts';
export { type FlowKey, FlowLedger, type FlowRow } from './flow-ledger.ts';
export {
  type HttpEndpoint,
  type HttpHandler,
  type HttpReply,
  type HttpRequest,
  type Route,
  type ServeHttpOptions,
  serveHttp,
} from './http.ts';
export { Counter, Gauge, Histogram } from './instruments.ts';
export { LogFilter, type LogLevel } from './log-filter.ts';
export { Bare, bare, describeError, type Fields, type FieldValue, formatTime, type LogFormat } from './log-format.ts';
export { createLogger, type Logger, type LoggerOptions } from './logger.ts';
export { Readiness, type ReadinessTask } from './readiness.ts';
export { type Receipt, Receipts, type ReceiptsOptions } from './receipts.ts';
export {
  type CounterFamily,
  type Exposition,
  type Family,
  type GaugeFamily,
  type HistogramFamily,
  Registry,
  type RegistryOptions,
} from './registry.ts';
export { ulid } from './ulid.ts';
