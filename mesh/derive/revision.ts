/** Several control planes may share a cluster, each with its objects of our kinds (controller.md section 1.2). */
import type { KubeObject } from '../kube-object.ts';
import { labelsOf } from './read.ts';

const REVISION_LABEL = 'istio.io/rev';

/** Whether the control plane of this revision is meant: the label, where there is one, is exactly it. '' takes all. */
export function isOfRevision(object: Pick<KubeObject, 'metadata'>, revision: string): boolean {
  const written = labelsOf(object.metadata.labels)[REVISION_LABEL];
  return revision === '' || written === undefined || written === revision;
}
