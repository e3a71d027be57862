/**
 * Secrets and ConfigMaps that rules for TLS name, each followed by itself: of others the controller sees nothing, and needs no
 * rights on them.
 */
import { Informer, type KubeClient, RESOURCES } from '../../core/kube/index.ts';
import type { Logger } from '../../core/telemetry/index.ts';
import { type KubeObject, type MaterialRef, materialName } from '../../mesh/index.ts';

export type MaterialsOptions = {
  readonly client: KubeClient;
  readonly log: Logger;
  readonly onSet: (object: KubeObject) => void;
  readonly onGone: (object: KubeObject) => void;
};

/** Each is a watch of its own at the API server. */
const MOST = 256;

export class Materials implements AsyncDisposable {
  readonly #options: MaterialsOptions;
  readonly #followed = new Map<string, Informer<KubeObject>>();
  readonly #stopping = new Set<Promise<void>>();
  #isClosed = false;

  constructor(options: MaterialsOptions) {
    this.#options = options;
  }

  /** From now on these, and no others. */
  want(refs: Iterable<MaterialRef>): void {
    if (this.#isClosed) return;
    const wanted = new Map<string, MaterialRef>();
    for (const ref of refs) wanted.set(materialName(ref), ref);
    for (const [name, informer] of this.#followed) {
      if (wanted.has(name)) continue;
      this.#followed.delete(name);
      for (const object of informer.list()) this.#options.onGone(object);
      this.#stop(informer);
    }
    for (const [name, ref] of wanted) {
      if (this.#followed.has(name)) continue;
      if (this.#followed.size < MOST) this.#followed.set(name, this.#follow(ref));
      else
        this.#options.log.warn('more Secrets and ConfigMaps are named by rules than are followed', {
          name,
          most: MOST,
        });
    }
  }

  /** Resolves when those that are wanted now were read, or after that time: one that may not be read never is. */
  async settled(withinMs: number): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, withinMs);
    const all = Promise.allSettled([...this.#followed.values()].map(({ synced }) => synced));
    await Promise.race([all, late]);
    clearTimeout(timer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const informer of this.#followed.values()) this.#stop(informer);
    await Promise.all(this.#stopping);
  }

  #follow(ref: MaterialRef): Informer<KubeObject> {
    const { client, log, onSet, onGone } = this.#options;
    const { kind, namespace, name } = ref;
    const informer = new Informer<KubeObject>({
      client,
      type: RESOURCES[kind],
      namespace,
      fieldSelector: `metadata.name=${name}`,
      onProblem: (error) => log.warn('watch failed', { object: materialName(ref), error: String(error) }),
    });
    informer.on('set', onSet);
    informer.on('delete', onGone);
    return informer.start();
  }

  #stop(informer: Informer<KubeObject>): void {
    const stopping = informer.stop().finally(() => this.#stopping.delete(stopping));
    this.#stopping.add(stopping);
  }
}
