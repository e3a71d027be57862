/** Finds a receipt among the ztunnels of a mesh: only the node where the connection ended has it. */
import { z } from 'zod';
import { RESOURCES } from '../../core/kube/index.ts';
import type { KubeObject } from '../../mesh/index.ts';
import type { Cluster } from '../cluster.ts';
import { isLive } from '../enrolment.ts';
import { CliError } from '../errors.ts';
import { HttpStatusError } from '../http-over.ts';

const party = { ip: z.string(), workload: z.string().optional() };
const receiptSchema = z.looseObject({
  id: z.string(),
  at: z.string(),
  direction: z.enum(['inbound', 'outbound']),
  src: z.looseObject({ ...party, identity: z.string().optional() }),
  dst: z.looseObject({ ...party, port: z.number(), service: z.string().optional() }),
  verdict: z.enum(['deny', 'dry-run-deny', 'dry-run-allow']),
  because: z.string(),
  considered: z.array(z.string()).default([]),
  nearestMiss: z
    .looseObject({ policy: z.string(), rule: z.number(), field: z.string(), wanted: z.string(), got: z.string() })
    .optional(),
});

export type Receipt = z.infer<typeof receiptSchema>;

/** Nodes with the reason why they did not answer. */
export type Silent = { readonly node: string; readonly reason: string };

export type Found = {
  readonly receipt?: Receipt;
  /** Where it was. */
  readonly node?: string;
  readonly asked: number;
  readonly silent: readonly Silent[];
};

/** As `core/telemetry` makes them: Crockford's base 32. */
export const RECEIPT_ID = /^[0-9A-HJKMNP-TV-Z]{26}$/i;

/** Asks every ztunnel at once. Throws CliError when there is none, or when an answer is no receipt. */
export async function findReceipt(cluster: Cluster, namespace: string, port: number, id: string): Promise<Found> {
  const pods = (await cluster.list(RESOURCES.Pod, { namespace, labelSelector: 'app=ztunnel' })).filter(isLive);
  if (pods.length === 0) {
    throw new CliError(`no ztunnel runs in namespace ${namespace}: is the mesh installed? Try \`ambit status\``);
  }
  const answers = await Promise.all(pods.map((pod) => ask(cluster, namespace, port, id, pod)));
  const holder = answers.find((answer) => answer.receipt !== undefined);
  const silent = answers.flatMap(({ node, reason }) => (reason === undefined ? [] : [{ node, reason }]));
  return { ...(holder?.receipt && { receipt: holder.receipt, node: holder.node }), asked: pods.length, silent };
}

type Answer = { readonly node: string; readonly receipt?: Receipt; readonly reason?: string };

async function ask(cluster: Cluster, namespace: string, port: number, id: string, pod: KubeObject): Promise<Answer> {
  const { name } = pod.metadata;
  const node = (pod['spec'] as { nodeName?: string } | undefined)?.nodeName ?? name;
  try {
    const text = await cluster.podHttp({ namespace, name }, port, `/receipts?id=${id.toUpperCase()}`);
    return { node, receipt: parseReceipt(text, name) };
  } catch (error) {
    if (error instanceof HttpStatusError && error.status === 404) return { node };
    return { node, reason: error instanceof Error ? error.message : String(error) };
  }
}

function parseReceipt(text: string, place: string): Receipt {
  try {
    return receiptSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new CliError(`${place} answered something that is no receipt`, { cause });
  }
}
