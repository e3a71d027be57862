/** Is this pod part of the mesh? One predicate for the CNI plugin, the node agent, the controller and people who ask. */
import type { KubeObject } from '../kube-object.ts';
import { type LabelSelector, selectorHolds } from './label-selector.ts';
import { fields, type Labels } from './read.ts';

/** Both halves must select. */
export type EnablementSelector = {
  readonly podSelector?: LabelSelector;
  readonly namespaceSelector?: LabelSelector;
};

export type Enrolment = { readonly enrolled: boolean; readonly because: string };

const MODE = 'istio.io/dataplane-mode';
const SIDECAR = 'sidecar.istio.io/status';

const DEFAULT_ENABLEMENT_SELECTORS: readonly EnablementSelector[] = [
  { podSelector: { matchLabels: { [MODE]: 'ambient' } } },
  {
    namespaceSelector: { matchLabels: { [MODE]: 'ambient' } },
    podSelector: { matchExpressions: [{ key: MODE, operator: 'NotIn', values: ['none'] }] },
  },
];
export const DEFAULT_EXCLUDED_NAMESPACES: readonly string[] = ['kube-system'];

/**
 * Whether a pod with these labels, in a namespace with those, is to be captured. Phase, readiness and the redirection
 * annotation (which is written because of this answer) play no part. Without selectors in the list nobody is enrolled.
 */
export function enrolled(
  pod: KubeObject,
  namespaceLabels: Labels,
  options: {
    readonly selectors?: readonly EnablementSelector[];
    readonly excludedNamespaces?: readonly string[];
  } = {},
): Enrolment {
  const no = (because: string): Enrolment => ({ enrolled: false, because });
  const namespace = pod.metadata.namespace ?? '';
  const labels = pod.metadata.labels ?? {};
  if (fields(pod['spec'])['hostNetwork'] === true) return no("it uses the host's network");
  if (Object.hasOwn(pod.metadata.annotations ?? {}, SIDECAR)) return no(`it has a sidecar (annotation ${SIDECAR})`);
  if ((options.excludedNamespaces ?? DEFAULT_EXCLUDED_NAMESPACES).includes(namespace)) {
    return no(`namespace ${namespace} is excluded`);
  }
  for (const selector of options.selectors ?? DEFAULT_ENABLEMENT_SELECTORS) {
    if (selectorHolds(selector.podSelector, labels) && selectorHolds(selector.namespaceSelector, namespaceLabels)) {
      return { enrolled: true, because: whichLabel(labels, namespaceLabels) };
    }
  }
  if (labels[MODE] !== undefined) return no(`the pod's label ${MODE} is ${labels[MODE]}`);
  return no(`neither the pod nor its namespace is labelled ${MODE}=ambient`);
}

function whichLabel(labels: Labels, namespaceLabels: Labels): string {
  if (labels[MODE] === 'ambient') return `the pod is labelled ${MODE}=ambient`;
  if (namespaceLabels[MODE] === 'ambient') return `its namespace is labelled ${MODE}=ambient`;
  return 'an enablement selector selects it';
}
