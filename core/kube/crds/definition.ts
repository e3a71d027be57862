/** A CustomResourceDefinition object. All versions have one schema; the first is stored (crds.md section 1.1). */
import type { z } from 'zod';
import type { KubeObject } from '../../../mesh/index.ts';
import { structuralSchema } from './openapi.ts';
import { status } from './shared.ts';

export type PrinterColumn = {
  readonly name: string;
  readonly type: 'string' | 'date';
  readonly jsonPath: string;
  readonly description: string;
};

export type Definition = {
  readonly group: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly versions: readonly string[];
  readonly columns: readonly PrinterColumn[];
  readonly spec: z.ZodType;
};

export function customResourceDefinition(d: Definition): KubeObject {
  const openAPIV3Schema = {
    type: 'object',
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
        singular: d.singular,
        shortNames: d.shortNames,
        categories: d.categories,
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
