/** One finished request, as a waypoint's `/tap` tells it on a line of its own. */
import * as z from 'zod';
import { CliError } from '../errors.ts';

const text = z.string().optional();
const number = z.number().optional();

const entry = z.looseObject({
  /** RFC 3339. */
  at: z.string(),
  method: text,
  authority: text,
  path: text,
  status: number,
  flags: text,
  details: text,
  durationMs: z.number(),
  upstreamMs: number,
  protocol: text,
  source: z.looseObject({ principal: text, ip: text, workload: text, namespace: text }).default({}),
  destination: z.looseObject({ service: text, port: number, endpoint: text }).default({}),
  /** What was called, where a route has led to another service. */
  called: z.looseObject({ service: text, port: number }).optional(),
  route: text,
  policy: z.looseObject({ verdict: text, because: text }).optional(),
  bytesReceived: number,
  bytesSent: number,
  traceId: text,
  requestId: text,
  receipt: text,
});

export type TapEntry = z.infer<typeof entry>;

/** Where a reader is too slow, waypoints go on, and say of how many requests they did not tell. */
const gap = z.strictObject({ lost: z.number() });
export type TapGap = z.infer<typeof gap>;

/** Throws CliError naming the place and the field. */
export function parseLine(line: string, place: string): TapEntry | TapGap {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    throw new CliError(`${place}: not JSON: ${line.slice(0, 80)}`);
  }
  const missed = gap.safeParse(json);
  if (missed.success) return missed.data;
  const parsed = entry.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new CliError(`${place}: not a request: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
}
