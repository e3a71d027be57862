import { isNotFound } from '../core/kube/index.ts';
import type { KubeObject } from '../mesh/index.ts';

/** A kind that the cluster does not serve has no objects. */
export async function ifServed(list: Promise<readonly KubeObject[]>): Promise<readonly KubeObject[]> {
  try {
    return await list;
  } catch (error) {
    if (error instanceof Error && isNotFound(error.cause)) return [];
    throw error;
  }
}
