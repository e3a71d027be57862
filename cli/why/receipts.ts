/** Finds a receipt among the proxies of a mesh: only the one that denied has it, a ztunnel or a waypoint. */
import * as z from 'zod';
import { CliError } from '../errors.ts';
import { askWaypoints, type SilentWaypoint } from '../waypoint/ask.ts';
import { type Asking, mustAskZtunnels, type Silent, type Ztunnels } from '../ztunnels.ts';

const party = { ip: z.string(), workload: z.string().optional() };
const receiptSchema = z.looseObject({
  id: z.string(),
  at: z.string(),
  direction: z.enum(['inbound', 'outbound']),
  src: z.looseObject({
    ...party,
    identity: z.string().optional(),
    original: z.looseObject({ identity: z.string(), ip: z.string() }).optional(),
  }),
  dst: z.looseObject({ ...party, port: z.number(), service: z.string().optional() }),
  /** What a waypoint saw. */
  request: z.looseObject({ method: z.string(), path: z.string(), host: z.string() }).optional(),
  verdict: z.enum(['deny', 'dry-run-deny', 'dry-run-allow']),
  because: z.string(),
  considered: z.array(z.string()).default([]),
  nearestMiss: z
    .looseObject({ policy: z.string(), rule: z.number(), field: z.string(), wanted: z.string(), got: z.string() })
    .optional(),
});

export type Receipt = z.infer<typeof receiptSchema>;

export type Found = {
  readonly receipt?: Receipt;
  /** Where it was. */
  readonly node?: string;
  /** Of the waypoint's pod that has it, `namespace/name`. */
  readonly waypoint?: string;
  readonly asked: number;
  readonly silent: readonly Silent[];
  /** Absent where there are none. */
  readonly waypoints?: { readonly asked: number; readonly silent: readonly SilentWaypoint[] };
};

/** As `core/telemetry` makes them: Crockford's base 32. */
export const RECEIPT_ID = /^[0-9A-HJKMNP-TV-Z]{26}$/i;

/** Asks every ztunnel and waypoint. Throws CliError when there is no ztunnel. */
export async function findReceipt(ztunnels: Ztunnels, id: string): Promise<Found> {
  const { cluster, adminPort } = ztunnels;
  const asking: Asking<Receipt | undefined> = {
    path: `/receipts?id=${id.toUpperCase()}`,
    read: parseReceipt,
    notFound: () => undefined,
  };
  const [nodes, gates] = await Promise.all([
    mustAskZtunnels(ztunnels, asking),
    askWaypoints(cluster, adminPort, asking),
  ]);
  const atNode = nodes.answers.find(({ value }) => value !== undefined);
  const atGate = gates.answers.find(({ value }) => value !== undefined);
  return {
    ...(atNode?.value && { receipt: atNode.value, node: atNode.node }),
    ...(atGate?.value && { receipt: atGate.value, waypoint: atGate.waypoint }),
    asked: nodes.asked.length,
    silent: nodes.silent,
    ...(gates.asked > 0 && { waypoints: { asked: gates.asked, silent: gates.silent } }),
  };
}

function parseReceipt(text: string, place: string): Receipt {
  try {
    return receiptSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new CliError(`${place} answered something that is no receipt`, { cause });
  }
}
