/** A CustomResourceDefinition object. All versions have one schema (crds.md section 1.1). */
import type * as z from 'zod';
import type { KubeObject } from '../../../mesh/index.ts';
import { structuralSchema } from './openapi.ts';
import { status } from './shared.ts';

export type PrinterColumn = {
  readonly name: string;
  readonly type: 'string' | 'date';
  readonly jsonPath: string;
  readonly description: string;
  /** Above 0 it is shown by `-o wide` only. */
  readonly priority?: number;
};

export const AGE: PrinterColumn = {
  name: 'Age',
  type: 'date',
  jsonPath: '.metadata.creationTimestamp',
  description: 'Time since creation.',
};

export const column = (name: string, jsonPath: string, description: string): PrinterColumn => ({
  name,
  type: 'string',
  jsonPath,
  description,
});

/** What differs from kind to kind. */
type Kind = {
  readonly group: string;
  readonly kind: string;
  readonly description: string;
  readonly plural: string;
  readonly shortNames: readonly string[];
  /** The first is stored unless `stored` names another. */
  readonly versions: readonly string[];
  readonly columns: readonly PrinterColumn[];
  readonly spec: z.ZodType;
  /** Whether an object without spec is refused. */
  readonly specRequired?: boolean;
};

/** What differs from family to family. */
type Family = {
  readonly categories: readonly string[];
  readonly annotations: Readonly<Record<string, string>>;
  readonly scope: 'Namespaced' | 'Cluster';
  readonly stored: string | undefined;
  /** None: the kind has neither status nor the subresource. */
  readonly status: z.ZodType | undefined;
};

/** A kind of Istio's API. */
export function customResourceDefinition(kind: Kind): KubeObject {
  return definition(kind, {
    categories: ['istio-io', `${kind.group.split('.')[0]}-istio-io`],
    annotations: { 'helm.sh/resource-policy': 'keep' },
    scope: 'Namespaced',
    stored: kind.versions[0],
    status,
  });
}

export function definition(d: Kind, family: Family): KubeObject {
  const openAPIV3Schema = {
    type: 'object',
    description: d.description,
    ...(d.specRequired === true && { required: ['spec'] }),
    properties: {
      spec: structuralSchema(d.spec),
      ...(family.status !== undefined && { status: structuralSchema(family.status) }),
    },
  };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${d.plural}.${d.group}`,
      labels: { 'app.kubernetes.io/part-of': 'ambit' },
      annotations: family.annotations,
    },
    spec: {
      group: d.group,
      names: {
        kind: d.kind,
        listKind: `${d.kind}List`,
        plural: d.plural,
        singular: d.kind.toLowerCase(),
        shortNames: d.shortNames,
        categories: family.categories,
      },
      scope: family.scope,
      versions: d.versions.map((name) => ({
        name,
        served: true,
        storage: name === family.stored,
        ...(family.status !== undefined && { subresources: { status: {} } }),
        additionalPrinterColumns: d.columns,
        schema: { openAPIV3Schema },
      })),
    },
  };
}
