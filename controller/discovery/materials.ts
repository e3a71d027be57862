/**
 * Secrets and ConfigMaps that rules for TLS name, each followed by itself: of others the controller sees nothing, and needs no
 * rights on them.
 */
import { Informer, type KubeClient, RESOURCES } from '../../core/kube/index.ts';
import type { Logger } from '../../core/telemetry/index.ts';
import { type KubeObject, type MaterialRef, materialName } from '../../mesh/index.ts';
import { sharedOut } from './material-shares.ts';

export type MaterialsOptions = {
  readonly client: KubeClient;
  readonly log: Logger;
  readonly onSet: (object: KubeObject) => void;
  readonly onGone: (object: KubeObject) => void;
  /** So many are followed; default 256. Each is a watch of its own at the API server. */
  readonly most?: number;
};

const MOST = 256;
/** Of namespaces, in one line of the log. */
const MOST_LISTED = 8;

export class Materials implements AsyncDisposable {
  readonly #options: MaterialsOptions;
  readonly #followed = new Map<string, Informer<KubeObject>>();
  readonly #stopping = new Set<Promise<void>>();
  #isClosed = false;
  /** Not all that are wanted are followed, and that was said. */
  #isShort = false;

  constructor(options: MaterialsOptions) {
    this.#options = options;
  }

  /** From now on these, and no others; where they are too many, of each namespace its share. */
  want(refs: Iterable<MaterialRef>): void {
    if (this.#isClosed) return;
    const wanted = new Map<string, MaterialRef>();
    for (const ref of refs) wanted.set(materialName(ref), ref);
    const shared = sharedOut(wanted, this.#followed.keys(), this.#options.most ?? MOST);
    this.#sayIfShort(wanted, shared);
    for (const [name, informer] of this.#followed) {
      if (shared.has(name)) continue;
      this.#followed.delete(name);
      for (const object of informer.list()) this.#options.onGone(object);
      this.#stop(informer);
    }
    for (const [name, ref] of shared) if (!this.#followed.has(name)) this.#followed.set(name, this.#follow(ref));
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

  /** Once, until there is room for all again. */
  #sayIfShort(wanted: ReadonlyMap<string, MaterialRef>, shared: ReadonlyMap<string, MaterialRef>): void {
    const wasShort = this.#isShort;
    this.#isShort = shared.size < wanted.size;
    if (!this.#isShort || wasShort) return;
    const left = [...wanted].filter(([name]) => !shared.has(name)).map(([, { namespace }]) => namespace);
    this.#options.log.warn(
      'more Secrets and ConfigMaps are named by rules than are followed: the others count as missing',
      {
        wanted: wanted.size,
        followed: shared.size,
        namespaces: [...new Set(left)].slice(0, MOST_LISTED).join(', '),
      },
    );
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
