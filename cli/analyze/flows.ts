/** What the flow ledgers of the ztunnels hold, as far as the CLI reads it. */
import { z } from 'zod';
import { RESOURCES } from '../../core/kube/index.ts';
import type { KubeObject } from '../../mesh/index.ts';
import type { Cluster } from '../cluster.ts';
import { isLive } from '../enrolment.ts';
import { CliError } from '../errors.ts';

const ADMIN_PORT = 15_000;
/** Port-forwards at a time; a mesh may have a thousand nodes. */
const AT_ONCE = 16;

const answer = z.looseObject({
  flows: z.array(
    z.looseObject({
      source: z.string(),
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
  readonly silent: readonly { readonly node: string; readonly reason: string }[];
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
export async function readLedgers(cluster: Cluster, namespace: string): Promise<Ledgers> {
  const pods = (await cluster.list(RESOURCES.Pod, { namespace, labelSelector: 'app=ztunnel' })).filter(isLive);
  const flows: Flow[] = [];
  const silent: { node: string; reason: string }[] = [];
  for (let first = 0; first < pods.length; first += AT_ONCE) {
    await Promise.all(
      pods.slice(first, first + AT_ONCE).map(async (pod) => {
        try {
          const text = await cluster.podHttp({ namespace, name: pod.metadata.name }, ADMIN_PORT, '/flows');
          flows.push(...answer.parse(JSON.parse(text)).flows);
        } catch (error) {
          silent.push({ node: nodeOf(pod), reason: error instanceof Error ? error.message : String(error) });
        }
      }),
    );
  }
  return { flows, asked: pods.map(nodeOf), silent };
}

const nodeOf = (pod: KubeObject) =>
  (pod['spec'] as { readonly nodeName?: string } | undefined)?.nodeName ?? pod.metadata.name;
