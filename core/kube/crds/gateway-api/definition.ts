/** The definition of a kind of Gateway API (crds.md section 1.2). */
import type * as z from 'zod';
import type { KubeObject } from '../../../../mesh/index.ts';
import { BUNDLE_ANNOTATIONS } from '../../gateway-bundle.ts';
import { definition, type PrinterColumn } from '../definition.ts';

const GROUP = 'gateway.networking.k8s.io';

type GatewayApiKind = {
  readonly kind: string;
  readonly plural: string;
  readonly description: string;
  readonly shortNames?: readonly string[];
  readonly scope?: 'Namespaced' | 'Cluster';
  /** Served versions. Those that a bundle names but does not serve have no place in a definition that begins here. */
  readonly versions: readonly string[];
  /** Default: the first. */
  readonly stored?: string;
  readonly columns: readonly PrinterColumn[];
  readonly spec: z.ZodType;
  /** None: no status. */
  readonly status?: z.ZodType;
};

export function gatewayApiDefinition(k: GatewayApiKind): KubeObject {
  return definition(
    { ...k, group: GROUP, shortNames: k.shortNames ?? [], specRequired: true },
    {
      categories: ['gateway-api'],
      annotations: { ...BUNDLE_ANNOTATIONS, 'helm.sh/resource-policy': 'keep' },
      scope: k.scope ?? 'Namespaced',
      stored: k.stored ?? k.versions[0],
      status: k.status,
    },
  );
}
