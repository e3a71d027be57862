/** What a Gateway asks for, read with care: its definition may be that of another bundle. */
import * as z from 'zod';
import type { KubeObject } from '../../mesh/index.ts';

const reference = z.object({ group: z.string(), kind: z.string(), name: z.string() });
const texts = z.record(z.string(), z.string());

const listener = z.object({
  name: z.string(),
  port: z.number(),
  protocol: z.string(),
  allowedRoutes: z
    .object({ kinds: z.array(z.object({ group: z.string().optional(), kind: z.string() })).default([]) })
    .default({ kinds: [] }),
});

const schema = z.object({
  gatewayClassName: z.string(),
  listeners: z.array(listener).default([]),
  addresses: z.array(z.object({ type: z.string().default('IPAddress'), value: z.string().default('') })).default([]),
  infrastructure: z
    .object({ labels: texts.optional(), annotations: texts.optional(), parametersRef: reference.optional() })
    .default({}),
});

export type Listener = Readonly<z.infer<typeof listener>>;

export type WaypointWish = {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly generation: number;
  readonly className: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly listeners: readonly Listener[];
  /** Addresses that are asked for; those without a value ask for nothing. */
  readonly addresses: readonly { readonly type: string; readonly value: string }[];
  readonly infrastructure: z.infer<typeof schema>['infrastructure'];
};

/** The problem as text, where the object is none that a definition of Gateway API would have let in. */
export function readWish(gateway: KubeObject): WaypointWish | string {
  const read = schema.safeParse(gateway['spec'] ?? {});
  if (!read.success) return z.prettifyError(read.error);
  const { name, namespace = '', uid = '', generation = 0, labels = {}, annotations = {} } = gateway.metadata;
  const { gatewayClassName: className, listeners, addresses, infrastructure } = read.data;
  return {
    name,
    namespace,
    uid,
    generation,
    className,
    labels,
    annotations,
    listeners,
    addresses: addresses.filter(({ value }) => value !== ''),
    infrastructure,
  };
}
