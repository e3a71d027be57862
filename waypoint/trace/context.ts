/** The context of a trace as callers send it and endpoints get it: `traceparent` and `tracestate` (W3C Trace Context, level 1). */

export type TraceContext = {
  /** 32 lower-case hex digits, not all zero. */
  readonly traceId: string;
  /** 16 hex digits: the span that called us. */
  readonly parentId: string;
  readonly isSampled: boolean;
};

/** Later versions may say more behind what we read; version ff is none. */
const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const SAMPLED = 1;

/** Undefined for what is absent or no context: then a trace begins here. */
export function parseTraceparent(values: readonly string[]): TraceContext | undefined {
  const [header] = values;
  if (header === undefined || values.length > 1) return undefined;
  const match = TRACEPARENT.exec(header);
  if (match === null) return undefined;
  const [, version, traceId = '', parentId = '', flags = '', more] = match;
  if (version === '00' && more !== undefined) return undefined;
  return { traceId, parentId, isSampled: (Number.parseInt(flags, 16) & SAMPLED) !== 0 };
}

export function formatTraceContext(traceId: string, spanId: string, isSampled: boolean): string {
  return `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`;
}

/** More than that is not passed on: it is for tracing systems, and they promised to be short. */
const MOST_STATE = 2_048;

/** What tracing systems left for one another; undefined when it is not fit to be passed on. */
export function readTracestate(value: string | undefined): string | undefined {
  if (value === undefined || value.length === 0 || value.length > MOST_STATE) return undefined;
  return /^[\x20-\x7e]*$/.test(value) ? value : undefined;
}
