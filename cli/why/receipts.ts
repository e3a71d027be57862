/** Finds a receipt among the ztunnels of a mesh: only the node where the connection ended has it. */
import { z } from 'zod';
import { CliError } from '../errors.ts';
import { mustAskZtunnels, type Silent, type Ztunnels } from '../ztunnels.ts';

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
  readonly asked: number;
  readonly silent: readonly Silent[];
};

/** As `core/telemetry` makes them: Crockford's base 32. */
export const RECEIPT_ID = /^[0-9A-HJKMNP-TV-Z]{26}$/i;

/** Asks every ztunnel. Throws CliError when there is none. */
export async function findReceipt(ztunnels: Ztunnels, id: string): Promise<Found> {
  const { asked, answers, silent } = await mustAskZtunnels<Receipt | undefined>(ztunnels, {
    path: `/receipts?id=${id.toUpperCase()}`,
    read: parseReceipt,
    notFound: () => undefined,
  });
  const holder = answers.find(({ value }) => value !== undefined);
  return { ...(holder?.value && { receipt: holder.value, node: holder.node }), asked: asked.length, silent };
}

function parseReceipt(text: string, place: string): Receipt {
  try {
    return receiptSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new CliError(`${place} answered something that is no receipt`, { cause });
  }
}
