import type { ResourceType } from '../core/kube/index.ts';
import type { KubeObject } from '../mesh/index.ts';

export type ListOptions = {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
};

/**
 * What the commands need of a cluster, and no more. Absence is `undefined`; every other refusal of the API is thrown
 * with its message.
 */
export interface Cluster {
  get(resource: ResourceType, name: string, namespace?: string): Promise<KubeObject | undefined>;
  list(resource: ResourceType, options?: ListOptions): Promise<readonly KubeObject[]>;
  /** Server-side apply in the name of the CLI; what others own is taken over. */
  apply(object: KubeObject, options?: { readonly dryRun?: boolean }): Promise<KubeObject>;
  /** JSON merge patch. */
  patch(
    resource: ResourceType,
    name: string,
    namespace: string | undefined,
    body: object,
    subresource?: 'status',
  ): Promise<void>;
  /** Deletes, quietly when it is already gone; dependents go in the background. */
  delete(resource: ResourceType, name: string, namespace?: string): Promise<void>;
  /** One HTTP request to a port of a pod, through a port-forward. Throws when the pod cannot be reached or answers an error. */
  podHttp(
    pod: { readonly namespace: string; readonly name: string },
    port: number,
    path: string,
    method?: 'GET' | 'POST',
  ): Promise<string>;
  /** The lines of an answer of a pod that goes on until it ends or `signal` aborts. Throws as `podHttp` does. */
  podLines(
    pod: { readonly namespace: string; readonly name: string },
    port: number,
    path: string,
    signal: AbortSignal,
  ): AsyncIterable<string>;
  /** The namespace that the kubeconfig's context names; `default` when it names none. */
  namespace(): Promise<string>;
  /** Version of the API server, for example v1.35.0. */
  version(): Promise<string>;
}
