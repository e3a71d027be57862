/** What the flow ledgers of the ztunnels hold, as far as the CLI reads it. */
import * as z from 'zod';
import type { Cluster } from './cluster.ts';
import { CliError } from './errors.ts';
import { askZtunnels, DEFAULT_ADMIN_PORT, type Silent } from './ztunnels.ts';

const answer = z.looseObject({
  flows: z.array(
    z.looseObject({
      source: z.string(),
      waypoint: z.string().optional(),
      destination: z.string(),
      port: z.number(),
      service: z.string().default(''),
      verdict: z.enum(['allow', 'deny']),
      count: z.number(),
      firstSeen: z.string(),
      lastSeen: z.string(),
    }),
  ),
});

export type Flow = z.infer<typeof answer>['flows'][number];

/** `asked` and `silent` are nodes; what a silent one has seen is not known. */
export type Ledgers = {
  readonly flows: readonly Flow[];
  readonly asked: readonly string[];
  readonly silent: readonly Silent[];
};

/** A saved answer of `/flows`, or several joined in one list of rows. Throws CliError naming the place and the field. */
export function parseFlows(text: string, place: string): readonly Flow[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new CliError(`${place}: not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const parsed = answer.safeParse(Array.isArray(json) ? { flows: json } : json);
  if (parsed.success) return parsed.data.flows;
  const issue = parsed.error.issues[0];
  throw new CliError(`${place}: not the flows of a ztunnel: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
}

/** Asks every ztunnel of the mesh in `namespace`. One that does not answer is named, never an error. */
export async function readLedgers(
  cluster: Cluster,
  namespace: string,
  adminPort = DEFAULT_ADMIN_PORT,
): Promise<Ledgers> {
  const asking = { path: '/flows', read: parseFlows };
  const { asked, answers, silent } = await askZtunnels({ cluster, namespace, adminPort }, asking);
  return { flows: answers.flatMap(({ value }) => value), asked, silent };
}
