import * as z from 'zod';
import { CliError } from '../errors.ts';

/**
 * What the ztunnel's `/config_dump` holds, as far as the CLI reads it (spec ztunnel.md 8.3). Unknown keys stay: a dump
 * of the reference's ztunnel is read just as well.
 */
const gateway = z.looseObject({ destination: z.string() });
const certificate = z.looseObject({
  pem: z.string().optional(),
  serialNumber: z.string(),
  validFrom: z.string(),
  expirationTime: z.string(),
});
const connection = z.looseObject({
  src: z.string(),
  originalDst: z.string().nullish(),
  actualDst: z.string(),
  protocol: z.string(),
});

const dumpSchema = z.looseObject({
  workloads: z
    .array(
      z.looseObject({
        uid: z.string(),
        name: z.string(),
        namespace: z.string(),
        workloadIps: z.array(z.string()).default([]),
        node: z.string().default(''),
        protocol: z.string().default('TCP'),
        serviceAccount: z.string().default('default'),
        waypoint: gateway.optional(),
      }),
    )
    .default([]),
  services: z
    .array(
      z.looseObject({
        name: z.string(),
        namespace: z.string(),
        hostname: z.string(),
        vips: z.array(z.string()).default([]),
        waypoint: gateway.optional(),
        endpoints: z.record(z.string(), z.looseObject({ status: z.string().default('Healthy') })).default({}),
      }),
    )
    .default([]),
  policies: z
    .array(
      z.looseObject({
        name: z.string(),
        namespace: z.string(),
        scope: z.string(),
        action: z.string(),
        dryRun: z.boolean().optional(),
      }),
    )
    .default([]),
  certificates: z
    .array(
      z.looseObject({
        identity: z.string(),
        state: z.string(),
        certChain: z.array(certificate).default([]),
        rootCerts: z.array(certificate).default([]),
      }),
    )
    .default([]),
  workloadState: z
    .record(
      z.string(),
      z.looseObject({
        state: z.string(),
        connections: z
          .looseObject({ inbound: z.array(connection).default([]), outbound: z.array(connection).default([]) })
          .optional(),
        info: z.looseObject({ name: z.string(), namespace: z.string(), serviceAccount: z.string() }).optional(),
      }),
    )
    .default({}),
});

export type ConfigDump = z.infer<typeof dumpSchema>;
export type DumpCertificate = z.infer<typeof certificate>;

/** A dump with where it came from (a node's name, or a file's). */
export type NodeDump = { readonly node: string; readonly dump: ConfigDump };

/** Throws CliError naming the place and the field when the text is not a ztunnel's config dump. */
export function parseDump(text: string, place: string): ConfigDump {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new CliError(`${place}: not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const parsed = dumpSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new CliError(`${place}: not a ztunnel config dump: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
}
