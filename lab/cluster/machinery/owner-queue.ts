/** The work queue of a controller whose objects own others: they get their turn when they change, or what they own. */
import { objectKey } from '../../../core/kube/index.ts';
import type { KubeObject } from '../../../mesh/index.ts';
import type { Cache } from './cache.ts';
import { ownerKey } from './owners.ts';
import { WorkQueue } from './work-queue.ts';

/** Does the work of one owner that exists; a number asks for another turn after so many milliseconds. */
export type OwnerTurn<T> = (owner: T) => Promise<number | undefined>;

export class OwnerQueue<T extends KubeObject> implements AsyncDisposable {
  readonly #kind: string;
  readonly #queue: WorkQueue;

  constructor(owners: Cache<T>, turn: OwnerTurn<T>, onProblem: (key: string, error: unknown) => void) {
    this.#kind = owners.type.kind;
    this.#queue = new WorkQueue(async (key) => {
      const owner = owners.get(key);
      return owner === undefined ? undefined : await turn(owner);
    }, onProblem);
    owners.onChange((owner) => this.#queue.add(objectKey(owner)));
  }

  /** Gives a turn to who controls what changes, or controlled it before, and to those who may claim it. */
  follow<C extends KubeObject>(owned: Cache<C>, claimantsOf: (object: C) => readonly string[] = () => []): void {
    owned.onChange((object, old) => {
      const controllers = [ownerKey(object, this.#kind), old && ownerKey(old, this.#kind)];
      for (const key of [...controllers, ...claimantsOf(object)]) if (key) this.#queue.add(key);
    });
  }

  /** Asks for a turn of the owner with this key. */
  add(key: string): void {
    this.#queue.add(key);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue[Symbol.asyncDispose]();
  }
}
