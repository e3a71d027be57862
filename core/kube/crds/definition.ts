/** A CustomResourceDefinition object. All versions have one schema; the first is stored (crds.md section 1.1). */
import type { z } from 'zod';
import type { KubeObject } from '../../../mesh/index.ts';
import { structuralSchema } from './openapi.ts';
import { status } from './shared.ts';

type PrinterColumn = {
  readonly name: string;
  readonly type: 'string' | 'date';
  readonly jsonPath: string;
  readonly description: string;
};

export const AGE: PrinterColumn = {
  name: 'Age',
  type: 'date',
  jsonPath: '.metadata.creationTimestamp',
  description: 'Time since creation.',
};

/** What differs from kind to kind. */
type Definition = {
  readonly group: string;
  readonly kind: string;
  readonly description: string;
  readonly plural: string;
  readonly shortNames: readonly string[];
  readonly versions: readonly string[];
  readonly columns: readonly PrinterColumn[];
  readonly spec: z.ZodType;
  /** Whether an object without spec is refused. */
  readonly specRequired?: boolean;
};

export function customResourceDefinition(d: Definition): KubeObject {
  const openAPIV3Schema = {
    type: 'object',
    description: d.description,
    ...(d.specRequired === true && { required: ['spec'] }),
    properties: { spec: structuralSchema(d.spec), status: structuralSchema(status) },
  };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${d.plural}.${d.group}`,
      labels: { 'app.kubernetes.io/part-of': 'ambit' },
      annotations: { 'helm.sh/resource-policy': 'keep' },
    },
    spec: {
      group: d.group,
      names: {
        kind: d.kind,
        listKind: `${d.kind}List`,
        plural: d.plural,
        singular: d.kind.toLowerCase(),
        shortNames: d.shortNames,
        categories: ['istio-io', `${d.group.split('.')[0]}-istio-io`],
      },
      scope: 'Namespaced',
      versions: d.versions.map((name, index) => ({
        name,
        served: true,
        storage: index === 0,
        subresources: { status: {} },
        additionalPrinterColumns: d.columns,
        schema: { openAPIV3Schema },
      })),
    },
  };
}
