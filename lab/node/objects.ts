/** ConfigMaps and Secrets that pods of this node use, each followed for as long as somebody uses it. */
import { Informer, type KubeClient, RESOURCES } from '../../core/kube/index.ts';
import type { KubeObject } from '../../mesh/index.ts';

export type DataKind = 'ConfigMap' | 'Secret';
type DataObject = KubeObject & {
  readonly data?: Readonly<Record<string, string>>;
  readonly binaryData?: Readonly<Record<string, string>>;
};

type Followed = { readonly informer: Informer<DataObject>; users: number };

export class Objects implements AsyncDisposable {
  readonly #client: KubeClient;
  readonly #onProblem: (error: unknown) => void;
  readonly #followed = new Map<string, Followed>();

  constructor(client: KubeClient, onProblem: (error: unknown) => void) {
    this.#client = client;
    this.#onProblem = onProblem;
  }

  /** Read once, for environments, which do not change. */
  async read(kind: DataKind, namespace: string, name: string): Promise<ReadonlyMap<string, Buffer> | undefined> {
    const object = await this.#client.find<DataObject>(RESOURCES[kind], name, namespace);
    return object && dataOf(kind, object);
  }

  /** Follows one object; `changed` is called for every change. Call the result when done. */
  async follow(kind: DataKind, namespace: string, name: string, changed: () => void): Promise<Subscription> {
    const key = `${kind}/${namespace}/${name}`;
    let followed = this.#followed.get(key);
    if (followed === undefined) {
      const informer = new Informer<DataObject>({
        client: this.#client,
        type: RESOURCES[kind],
        namespace,
        fieldSelector: `metadata.name=${name}`,
        onProblem: this.#onProblem,
      });
      followed = { informer: informer.start(), users: 0 };
      this.#followed.set(key, followed);
    }
    const mine = followed;
    mine.users += 1;
    const leave = [mine.informer.on('set', changed), mine.informer.on('delete', changed)];
    await mine.informer.synced;
    return {
      data: () => {
        const object = mine.informer.get(`${namespace}/${name}`);
        return object && dataOf(kind, object);
      },
      [Symbol.dispose]: () => {
        for (const off of leave) off();
        if (--mine.users > 0) return;
        this.#followed.delete(key);
        mine.informer.stop().catch(this.#onProblem);
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#followed.values()].map(({ informer }) => informer.stop()));
  }
}

export interface Subscription extends Disposable {
  /** Undefined: there is no such object at the moment. */
  data(): ReadonlyMap<string, Buffer> | undefined;
}

function dataOf(kind: DataKind, object: DataObject): ReadonlyMap<string, Buffer> {
  const encoding = kind === 'Secret' ? 'base64' : 'utf8';
  return new Map([
    ...Object.entries(object.data ?? {}).map(([k, v]): [string, Buffer] => [k, Buffer.from(v, encoding)]),
    ...Object.entries(object.binaryData ?? {}).map(([k, v]): [string, Buffer] => [k, Buffer.from(v, 'base64')]),
  ]);
}
