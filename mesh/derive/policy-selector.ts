/** The selector of a policy. What can not be read is told apart from what selects everything. */
import { isFields, type Labels, labelsOf } from './read.ts';

export type PolicySelector =
  | { readonly kind: 'none' }
  | { readonly kind: 'labels'; readonly labels: Labels }
  /** With path and reason. */
  | { readonly kind: 'unreadable'; readonly problem: string };

/** Labels may be empty: such a selector selects every workload, whether or not it spells out the empty map. */
export function readPolicySelector(value: unknown): PolicySelector {
  if (value === undefined || value === null) return { kind: 'none' };
  if (!isFields(value)) return unreadable('', 'not an object');
  const { matchLabels, ...others } = value;
  const [other] = Object.keys(others);
  if (other !== undefined) return unreadable(`.${other}`, 'unknown field');
  const written = matchLabels ?? {};
  const labels = labelsOf(written);
  if (!isFields(written) || Object.keys(labels).length !== Object.keys(written).length) {
    return unreadable('.matchLabels', 'not a map of labels');
  }
  // The API refuses them, and nobody would match: a policy that was meant for many would hold for none.
  const pattern = Object.entries(labels)
    .flat()
    .find((text) => text.includes('*'));
  if (pattern !== undefined) return unreadable('.matchLabels', `${JSON.stringify(pattern)} is a pattern, not a label`);
  return { kind: 'labels', labels };
}

function unreadable(where: string, what: string): PolicySelector {
  return { kind: 'unreadable', problem: `spec.selector${where}: ${what}` };
}
