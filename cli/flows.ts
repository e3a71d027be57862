/** What the ledgers of the ztunnels hold of connections, and those of the waypoints of requests, as far as the CLI reads it. */
import * as z from 'zod';
import type { Cluster } from './cluster.ts';
import { CliError } from './errors.ts';
import { askWaypoints, type SilentWaypoint } from './waypoint/ask.ts';
import { askZtunnels, DEFAULT_ADMIN_PORT, type Silent } from './ztunnels.ts';

const seen = {
  source: z.string(),
  destination: z.string(),
  port: z.number(),
  verdict: z.enum(['allow', 'deny']),
  count: z.number(),
  firstSeen: z.string(),
  lastSeen: z.string(),
};
const flow = z.looseObject({ ...seen, waypoint: z.string().optional(), service: z.string().default('') });
const request = z.looseObject({
  ...seen,
  waypoint: z.string(),
  method: z.string(),
  paths: z.string(),
  example: z.looseObject({ method: z.string(), path: z.string(), host: z.string() }),
});
const answer = z
  .looseObject({ flows: z.array(flow).optional(), requests: z.array(request).optional() })
  .refine(({ flows, requests }) => flows !== undefined || requests !== undefined, 'neither `flows` nor `requests`');

type Flow = z.infer<typeof flow>;
type Request = z.infer<typeof request>;
type Rows = { readonly flows: readonly Flow[]; readonly requests: readonly Request[] };

/** `asked` and `silent` are nodes; what a silent one has seen is not known. */
export type Ledgers = {
  readonly flows: readonly Flow[];
  readonly asked: readonly string[];
  readonly silent: readonly Silent[];
};

/**
 * Saved answers of `/flows`, of a ztunnel or a waypoint: one, a list of them, or their rows in one list. Throws CliError naming the
 * place and the field.
 */
export function parseFlows(text: string, place: string): Rows {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new CliError(`${place}: not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const parsed = z.array(answer).safeParse(Array.isArray(json) ? json.map(answerOf) : [json]);
  if (parsed.success) return joined(parsed.data);
  const issue = parsed.error.issues[0];
  const [index, ...path] = issue?.path ?? [];
  const field = (Array.isArray(json) ? [index, ...path] : path).join('.');
  throw new CliError(`${place}: not the flows of a ztunnel or a waypoint: ${field}: ${issue?.message ?? ''}`);
}

/** A row is an answer of one row. */
function answerOf(row: unknown): unknown {
  if (typeof row !== 'object' || row === null || 'flows' in row || 'requests' in row) return row;
  return 'paths' in row ? { requests: [row] } : { flows: [row] };
}

export function joined(parts: readonly { readonly [K in keyof Rows]?: Rows[K] | undefined }[]): Rows {
  return {
    flows: parts.flatMap(({ flows = [] }) => flows),
    requests: parts.flatMap(({ requests = [] }) => requests),
  };
}

/** Asks every ztunnel of the mesh in `namespace`. One that does not answer is named, never an error. */
export async function readLedgers(
  cluster: Cluster,
  namespace: string,
  adminPort = DEFAULT_ADMIN_PORT,
): Promise<Ledgers> {
  const { asked, answers, silent } = await askZtunnels({ cluster, namespace, adminPort }, ASKING);
  return { flows: joined(answers.map(({ value }) => value)).flows, asked, silent };
}

/** Asks every pod of every waypoint, likewise. */
export async function readRequests(
  cluster: Cluster,
  adminPort = DEFAULT_ADMIN_PORT,
): Promise<{ readonly requests: readonly Request[]; readonly silent: readonly SilentWaypoint[] }> {
  const { answers, silent } = await askWaypoints(cluster, adminPort, ASKING);
  return { requests: joined(answers.map(({ value }) => value)).requests, silent };
}

const ASKING = { path: '/flows', read: parseFlows };
