import { enrolled, type KubeObject } from '../mesh/index.ts';

export const DATAPLANE_LABEL = 'istio.io/dataplane-mode';
export const REDIRECTION = 'ambient.istio.io/redirection';

type PodStatus = { readonly phase?: string };

/** Where a pod stands: what it should be by its labels, and what the CNI agent says it is. */
export type PodEnrolment = 'enrolled' | 'pending' | 'missing' | 'leaving' | 'outside';

/** `missing`: it should be in the mesh and is not: the state that must never be silent. */
export function podEnrolment(pod: KubeObject, namespaceLabels: Readonly<Record<string, string>>): PodEnrolment {
  const annotation = pod.metadata.annotations?.[REDIRECTION];
  const wanted = enrolled(pod, namespaceLabels, { excludedNamespaces: ['kube-system'] }).enrolled;
  if (annotation === 'enabled') return wanted ? 'enrolled' : 'leaving';
  if (annotation === 'pending') return wanted ? 'pending' : 'leaving';
  return wanted ? 'missing' : 'outside';
}

/** Pods that run or will: finished ones no longer take part in anything. */
export function isLive(pod: KubeObject): boolean {
  const phase = ((pod['status'] ?? {}) as PodStatus).phase;
  return phase !== 'Succeeded' && phase !== 'Failed';
}
