/** What waypoints are made of, as it stands: followed by its label. */
import {
  Informer,
  type KubeClient,
  knownType,
  objectKey,
  RESOURCES,
  type ResourceType,
} from '../../core/kube/index.ts';
import type { KubeObject } from '../../mesh/index.ts';
import { GATEWAY_NAME, MANAGED, MANAGED_BY } from './names.ts';

type MadeKind = 'ServiceAccount' | 'Deployment' | 'HorizontalPodAutoscaler' | 'PodDisruptionBudget';

export type MadeOptions = {
  readonly client: KubeClient;
  /** Those of everybody, which others watch as well. */
  readonly services: Informer<KubeObject>;
  /** The key of a Gateway one of whose objects has changed. */
  readonly onChange: (gateway: string) => void;
  readonly onProblem: (what: string, error: unknown) => void;
};

export class MadeObjects implements AsyncDisposable {
  readonly #client: KubeClient;
  readonly #services: Informer<KubeObject>;
  readonly #informers: Readonly<Record<MadeKind, Informer<KubeObject>>>;

  constructor({ client, services, onChange, onProblem }: MadeOptions) {
    this.#client = client;
    this.#services = services;
    const managed = (type: ResourceType) =>
      new Informer<KubeObject>({
        client,
        type,
        labelSelector: `${MANAGED}=${MANAGED_BY}`,
        onProblem: (error) => onProblem(`watch of ${type.plural}`, error),
      });
    this.#informers = {
      ServiceAccount: managed(RESOURCES.ServiceAccount),
      Deployment: managed(RESOURCES.Deployment),
      HorizontalPodAutoscaler: managed(RESOURCES.HorizontalPodAutoscaler),
      PodDisruptionBudget: managed(RESOURCES.PodDisruptionBudget),
    };
    const tell = (object: KubeObject | undefined): void => {
      const { labels, namespace } = object?.metadata ?? {};
      if (labels?.[GATEWAY_NAME] !== undefined) onChange(`${namespace}/${labels[GATEWAY_NAME]}`);
    };
    for (const informer of [services, ...Object.values(this.#informers)]) {
      informer.on('set', (object, old) => {
        tell(object);
        tell(old);
      });
      informer.on('delete', tell);
    }
  }

  /** Resolves when everything is known; rejects when stopped before. */
  async start(): Promise<void> {
    await Promise.all(Object.values(this.#informers).map((informer) => informer.start().synced));
  }

  /** One that serves a waypoint, by its key. */
  deployment(key: string): KubeObject | undefined {
    return this.#informers.Deployment.get(key);
  }

  /** All of a kind that belong to a Gateway. (Looks through all Services of the cluster, where it is asked for these.) */
  ofGateway(kind: MadeKind | 'Service', gateway: string): readonly KubeObject[] {
    const informer = kind === 'Service' ? this.#services : this.#informers[kind];
    return informer
      .list()
      .filter(({ metadata }) => `${metadata.namespace}/${metadata.labels?.[GATEWAY_NAME]}` === gateway);
  }

  /** The object of that kind and name, whoever has made it. */
  async find({ apiVersion, kind, metadata }: KubeObject): Promise<KubeObject | undefined> {
    const followed = { ...this.#informers, Service: this.#services };
    const known = followed[kind as keyof typeof followed].get(objectKey({ metadata }));
    const type = knownType(apiVersion, kind);
    if (known !== undefined || type === undefined) return known;
    return await this.#client.find(type, metadata.name, metadata.namespace);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(Object.values(this.#informers).map((informer) => informer.stop()));
  }
}
