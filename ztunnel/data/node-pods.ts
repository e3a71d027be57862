/** The pods that this process serves, for each other to find. */
import type { ConnectRequest, TlsMaterial } from '../../core/hbone/index.ts';
import type { Workload } from '../../mesh/index.ts';

type Name = Pick<Workload, 'namespace' | 'name' | 'serviceAccount'>;

/** A pod as its neighbours see it. */
export type ServedPod = {
  readonly info: Name;
  /** Where it takes tunnels. */
  readonly hbonePort: number;
  /** Aborted when the pod is gone. */
  readonly gone: AbortSignal;
  /** What it would answer a handshake with. */
  material(): Promise<TlsMaterial>;
  /** Decides about a CONNECT as if it had come through a tunnel. */
  serve(request: ConnectRequest): Promise<void>;
};

const keyOf = ({ namespace, name, serviceAccount }: Name) => `${namespace}/${name}/${serviceAccount}`;

export class NodePods {
  readonly #pods = new Map<string, ServedPod>();

  /** Known until disposed. */
  add(pod: ServedPod): Disposable {
    const key = keyOf(pod.info);
    this.#pods.set(key, pod);
    return {
      [Symbol.dispose]: () => {
        if (this.#pods.get(key) === pod) this.#pods.delete(key);
      },
    };
  }

  find(workload: Name): ServedPod | undefined {
    return this.#pods.get(keyOf(workload));
  }
}
