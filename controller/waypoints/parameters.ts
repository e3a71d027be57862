/** The ConfigMaps that change the objects of waypoints: of a class, and of single Gateways. Followed while somebody refers to them. */
import { Informer, type KubeClient, RESOURCES } from '../../core/kube/index.ts';
import type { KubeObject } from '../../mesh/index.ts';
import { type Overlay, type Parameters, readOverlay } from './overlay.ts';
import type { WaypointWish } from './wish.ts';

/** On a ConfigMap in the namespace of the mesh; the value is the class. */
const DEFAULTS_FOR_CLASS = 'gateway.istio.io/defaults-for-class';

type Followed = { readonly informer: Informer<KubeObject>; readonly gateways: Set<string> };

export type ParameterMapsOptions = {
  readonly client: KubeClient;
  /** Of the mesh. */
  readonly namespace: string;
  /** Gateways to look at again; all without a key. */
  readonly onChange: (gateway?: string) => void;
  readonly onProblem: (what: string, error: unknown) => void;
};

export class ParameterMaps implements AsyncDisposable {
  readonly #options: ParameterMapsOptions;
  readonly #ofClasses: Informer<KubeObject>;
  /** By `namespace/name` of the ConfigMap; as many as Gateways refer to. */
  readonly #followed = new Map<string, Followed>();

  constructor(options: ParameterMapsOptions) {
    this.#options = options;
    const { client, namespace, onChange, onProblem } = options;
    this.#ofClasses = new Informer({
      client,
      type: RESOURCES.ConfigMap,
      namespace,
      labelSelector: DEFAULTS_FOR_CLASS,
      onProblem: (error) => onProblem('watch of the defaults of classes', error),
    });
    this.#ofClasses.on('set', () => onChange());
    this.#ofClasses.on('delete', () => onChange());
  }

  /** Resolves when the defaults of classes are known; rejects when stopped before. */
  async start(): Promise<void> {
    await this.#ofClasses.start().synced;
  }

  /** What changes the objects of a Gateway, by its key; undefined while that is not known yet: then it is told of. */
  of(gateway: string, wish: WaypointWish): Parameters | undefined {
    const { parametersRef } = wish.infrastructure;
    const overlays: Overlay[] = [];
    const ofClass = this.#defaultsOf(wish.className);
    if (typeof ofClass === 'string') return { kind: 'invalid', message: ofClass };
    if (ofClass !== undefined) overlays.push(ofClass);
    if (parametersRef === undefined) {
      this.forget(gateway);
      return { kind: 'overlays', overlays };
    }
    const { group, kind, name } = parametersRef;
    if (group !== '' || kind !== 'ConfigMap') {
      this.forget(gateway);
      const message = `spec.infrastructure.parametersRef is a ${kind} of ${group || 'the core group'}, and must be a ConfigMap`;
      return { kind: 'invalid', message };
    }
    const { informer } = this.#follow(gateway, wish.namespace, name);
    if (!informer.isSynced) return undefined;
    const [configMap] = informer.list();
    if (configMap === undefined) return { kind: 'invalid', message: `there is no ConfigMap ${wish.namespace}/${name}` };
    const own = readOverlay(configMap);
    if (typeof own === 'string') return { kind: 'invalid', message: own };
    return { kind: 'overlays', overlays: [...overlays, own] };
  }

  /** The Gateway is gone, or refers to none. */
  forget(gateway: string, except = ''): void {
    for (const [key, { informer, gateways }] of this.#followed) {
      if (key === except || !gateways.delete(gateway) || gateways.size > 0) continue;
      this.#followed.delete(key);
      void informer.stop();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [this.#ofClasses, ...[...this.#followed.values()].map(({ informer }) => informer)];
    await Promise.all(all.map((informer) => informer.stop()));
  }

  /** The oldest counts. */
  #defaultsOf(className: string): Overlay | string | undefined {
    const age = ({ metadata }: KubeObject): string => `${metadata.creationTimestamp ?? ''} ${metadata.name}`;
    const [first] = this.#ofClasses
      .list()
      .filter(({ metadata }) => metadata.labels?.[DEFAULTS_FOR_CLASS] === className)
      .toSorted((a, b) => (age(a) < age(b) ? -1 : 1));
    return first && readOverlay(first);
  }

  #follow(gateway: string, namespace: string, name: string): Followed {
    const key = `${namespace}/${name}`;
    this.forget(gateway, key);
    const known = this.#followed.get(key) ?? this.#begin(key, namespace, name);
    known.gateways.add(gateway);
    return known;
  }

  #begin(key: string, namespace: string, name: string): Followed {
    const { client, onChange, onProblem } = this.#options;
    const gateways = new Set<string>();
    const informer = new Informer<KubeObject>({
      client,
      type: RESOURCES.ConfigMap,
      namespace,
      fieldSelector: `metadata.name=${name}`,
      onProblem: (error) => onProblem(`watch of ConfigMap ${key}`, error),
    });
    const look = (): void => {
      for (const gateway of gateways) onChange(gateway);
    };
    informer.on('set', look);
    informer.on('delete', look);
    informer.start().synced.then(look, () => {}); // stopped before: nobody waits any more
    const followed = { informer, gateways };
    this.#followed.set(key, followed);
    return followed;
  }
}
