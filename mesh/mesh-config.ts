/** The mesh configuration that people write: key `mesh` of ConfigMap `istio` (controller.md section 11). */
import { parse } from 'yaml';
import * as z from 'zod';
import { type LabelSelector, readLabelSelector } from './derive/label-selector.ts';
import { MeshError } from './error.ts';
import { authorizersOf, extensionProviders } from './http-policy/derive/authorizers.ts';
import type { PathNormalization } from './http-policy/model.ts';
import { DEFAULT_MESH_CONFIG, type KubeObject, type MeshConfig, type VisibilityRules } from './kube-object.ts';
import { meshTelemetryOf, meshTelemetrySchema } from './telemetry/derive/mesh-telemetry.ts';

/** What the environment settles; the rest comes from the ConfigMap. */
export type MeshSurroundings = Pick<MeshConfig, 'clusterId' | 'clusterDomain' | 'revision'>;

// `@` is written for user-like domains and becomes `.` in identities (controller.md section 5.1).
const trustDomain = z
  .string()
  .transform((text) => text.replaceAll('@', '.'))
  .pipe(z.string().regex(/^[a-z0-9._-]{1,255}$/, 'must be lower-case letters, digits, dots, dashes, underscores'));

const visibility = z.enum(['PUBLIC', 'NAMESPACE', 'NONE']);
const labelSelector = z.unknown().transform((value, context): LabelSelector => {
  const selector = readLabelSelector(value);
  if (selector !== undefined) return selector;
  context.addIssue({ code: 'custom', message: 'must be a label selector' });
  return z.NEVER;
});
const serviceEntryVisibility = z
  .object({
    defaultVisibility: visibility.default('PUBLIC'),
    policies: z
      .array(z.object({ visibility, matchingRules: z.array(z.object({ namespaceSelector: labelSelector })).min(1) }))
      .default([]),
  })
  .transform(
    ({ defaultVisibility, policies }): VisibilityRules => ({
      default: defaultVisibility,
      policies: policies.map(({ visibility, matchingRules }) => ({
        visibility,
        namespaces: matchingRules.map(({ namespaceSelector }) => namespaceSelector),
      })),
    }),
  );

/** DEFAULT is BASE (waypoint.md section 4.5). */
const pathNormalization = z
  .object({
    normalization: z.enum(['DEFAULT', 'NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES']).default('DEFAULT'),
  })
  .default({ normalization: 'DEFAULT' })
  .transform(({ normalization }): PathNormalization => (normalization === 'DEFAULT' ? 'BASE' : normalization));

/** Only what this mesh uses; other keys of the reference are accepted and have no effect here. */
const SCHEMA = z.object({
  trustDomain: trustDomain.default(DEFAULT_MESH_CONFIG.trustDomain),
  trustDomainAliases: z.array(trustDomain).default([]),
  rootNamespace: z
    .string()
    .regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'must be the name of a namespace')
    .optional(),
  discoverySelectors: z.array(labelSelector).default([]),
  serviceEntryVisibility: serviceEntryVisibility.optional(),
  pathNormalization,
  /** What the reference does not know. */
  ambit: z.strictObject({ receiptHeader: z.boolean().default(false) }).default({ receiptHeader: false }),
  extensionProviders,
});

/** Name of the ConfigMap of a revision. */
export function meshConfigMapName(revision: string): string {
  return revision === '' || revision === 'default' ? 'istio' : `istio-${revision}`;
}

/**
 * The configuration in force. No ConfigMap, or one without the key, means the defaults.
 * Throws MESH_CONFIG_INVALID naming the field and the reason.
 */
export function readMeshConfig(
  configMap: KubeObject | undefined,
  surroundings: MeshSurroundings,
  systemNamespace: string,
): MeshConfig {
  const text = (configMap?.['data'] as Readonly<Record<string, unknown>> | undefined)?.['mesh'];
  const where = `ConfigMap ${systemNamespace}/${configMap?.metadata.name ?? 'istio'}, key mesh`;
  let value: unknown;
  try {
    value = typeof text === 'string' ? (parse(text) ?? {}) : {};
  } catch (cause) {
    throw new MeshError('MESH_CONFIG_INVALID', `${where}: not YAML: ${String(cause)}`, { cause });
  }
  const result = SCHEMA.safeParse(value);
  const telemetry = meshTelemetrySchema.safeParse(value);
  if (!result.success || !telemetry.success) {
    const issues = [...(result.error?.issues ?? []), ...(telemetry.error?.issues ?? [])];
    const problems = issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new MeshError('MESH_CONFIG_INVALID', `${where}: ${problems.join('; ')}`);
  }
  const { trustDomain, trustDomainAliases, rootNamespace, discoverySelectors, serviceEntryVisibility } = result.data;
  const authorizers = authorizersOf(result.data.extensionProviders, surroundings.clusterDomain);
  return {
    trustDomain,
    trustDomainAliases: [...new Set(trustDomainAliases)].sort(),
    rootNamespace: rootNamespace ?? systemNamespace,
    clusterId: surroundings.clusterId,
    clusterDomain: surroundings.clusterDomain,
    revision: surroundings.revision,
    discoverySelectors,
    serviceEntryVisibility,
    pathNormalization: result.data.pathNormalization,
    receiptHeader: result.data.ambit.receiptHeader,
    authorizers,
    telemetry: meshTelemetryOf(telemetry.data, surroundings.clusterDomain),
    network: DEFAULT_MESH_CONFIG.network, // a label of the system namespace says which network this is
  };
}
