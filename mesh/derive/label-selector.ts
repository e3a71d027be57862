/** Label selectors as Kubernetes writes them: `matchLabels` and `matchExpressions`. */
import { isFields, type Labels, labelsOf, text, texts } from './read.ts';

/** As in Kubernetes: all of it must hold, and an empty selector selects everything. */
export type LabelSelector = {
  readonly matchLabels?: Labels;
  readonly matchExpressions?: readonly LabelExpression[];
};

type LabelExpression = {
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  readonly values?: readonly string[];
};

/** No selector selects everything, as an empty one does. */
export function selectorHolds(selector: LabelSelector | undefined, labels: Labels): boolean {
  for (const [key, value] of Object.entries(selector?.matchLabels ?? {})) if (labels[key] !== value) return false;
  return (selector?.matchExpressions ?? []).every((expression) => expressionHolds(expression, labels));
}

function expressionHolds({ key, operator, values = [] }: LabelExpression, labels: Labels): boolean {
  const value = labels[key];
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
  }
}

/** Undefined when it can not be read: whom it means is then not known. */
export function readLabelSelector(value: unknown): LabelSelector | undefined {
  if (!isFields(value)) return undefined;
  const { matchLabels = {}, matchExpressions = [] } = value;
  if (!isFields(matchLabels) || !Array.isArray(matchExpressions)) return undefined;
  const labels = labelsOf(matchLabels);
  if (Object.keys(labels).length !== Object.keys(matchLabels).length) return undefined;
  const expressions: LabelExpression[] = [];
  for (const entry of matchExpressions) {
    const expression = isFields(entry) ? readExpression(text(entry['key']), text(entry['operator']), entry) : undefined;
    if (expression === undefined) return undefined;
    expressions.push(expression);
  }
  return { matchLabels: labels, matchExpressions: expressions };
}

function readExpression(key: string, operator: string, { values }: Readonly<Record<string, unknown>>) {
  if (key === '') return undefined;
  if (operator === 'Exists' || operator === 'DoesNotExist') return { key, operator } as const;
  return operator === 'In' || operator === 'NotIn' ? ({ key, operator, values: texts(values) } as const) : undefined;
}
