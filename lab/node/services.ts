/** Service addresses on this node: the rules that lead them to endpoints, and the variables that pods get of them. */
import { Informer, type KubeClient, RESOURCES } from '../../core/kube/index.ts';
import type { Logger } from '../../core/telemetry/index.ts';
import { type EndpointSlice, type Service, serviceRules } from '../cluster/index.ts';
import { run } from '../run.ts';

const DEFAULT_NAMESPACE = 'default';

export class NodeServices implements AsyncDisposable {
  readonly #node: { readonly name: string };
  readonly #log: Logger;
  readonly #services: Informer<Service>;
  readonly #slices: Informer<EndpointSlice>;
  #applying: Promise<void> | undefined;
  #dirty = false;
  #applied = '';

  constructor(client: KubeClient, node: { readonly name: string }, log: Logger) {
    this.#node = node;
    this.#log = log;
    const onProblem = (error: unknown) => log.warn('the watch of services has a problem', { error: String(error) });
    this.#services = new Informer<Service>({ client, type: RESOURCES.Service, onProblem });
    this.#slices = new Informer<EndpointSlice>({ client, type: RESOURCES.EndpointSlice, onProblem });
    const changed = () => this.#changed();
    this.#services.on('set', changed);
    this.#services.on('delete', changed);
    this.#slices.on('set', changed);
    this.#slices.on('delete', changed);
  }

  /** Resolves when the rules of all present services are in force. */
  async start(): Promise<void> {
    this.#services.start();
    this.#slices.start();
    await Promise.all([this.#services.synced, this.#slices.synced]);
    this.#changed();
    await this.#applying;
  }

  /** `KUBERNETES_SERVICE_HOST` for everybody, and the same for each service of the pod's namespace. */
  environment(namespace: string): Readonly<Record<string, string>> {
    const env: Record<string, string> = {};
    for (const { metadata, spec } of this.#services.list()) {
      const isApi = metadata.namespace === DEFAULT_NAMESPACE && metadata.name === 'kubernetes';
      const { clusterIP } = spec;
      if ((metadata.namespace !== namespace && !isApi) || !clusterIP || clusterIP === 'None') continue;
      const prefix = `${metadata.name.toUpperCase().replaceAll('-', '_')}_SERVICE`;
      env[`${prefix}_HOST`] = clusterIP;
      const [first] = spec.ports ?? [];
      if (first) env[`${prefix}_PORT`] = String(first.port);
      for (const { name, port } of spec.ports ?? []) {
        if (name) env[`${prefix}_PORT_${name.toUpperCase().replaceAll('-', '_')}`] = String(port);
      }
    }
    return env;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#services.stop(), this.#slices.stop()]);
  }

  #changed(): void {
    this.#dirty = true;
    this.#applying ??= this.#apply().finally(() => {
      this.#applying = undefined;
      if (this.#dirty) this.#changed();
    });
  }

  async #apply(): Promise<void> {
    await Promise.resolve(); // changes of one turn together
    this.#dirty = false;
    const rules = serviceRules(this.#services.list(), this.#slices.list(), this.#node);
    if (rules === this.#applied) return;
    try {
      await run('nft', ['-f', '-'], { input: rules });
      this.#applied = rules;
    } catch (error) {
      this.#log.error('service rules were refused', { error: String(error) });
    }
  }
}
