/** The mesh configuration in force, followed while we run. A change that can't be read leaves the last good one standing. */
import { Informer, type KubeClient, RESOURCES } from '../core/kube/index.ts';
import type { Logger } from '../core/telemetry/index.ts';
import { type KubeObject, type MeshConfig, meshConfigMapName, readMeshConfig } from '../mesh/index.ts';
import type { ControllerConfig } from './config.ts';

export type MeshSettingsOptions = {
  readonly client: KubeClient;
  readonly config: Pick<ControllerConfig, 'revision' | 'namespace' | 'clusterId' | 'clusterDomain'>;
  readonly log: Logger;
};

export class MeshSettings implements AsyncDisposable {
  readonly #options: MeshSettingsOptions;
  readonly #informer: Informer<KubeObject>;
  #current: MeshConfig;
  #onChange: (config: MeshConfig) => void = () => {};

  private constructor(options: MeshSettingsOptions, current: MeshConfig) {
    this.#options = options;
    this.#current = current;
    const { client, config, log } = options;
    this.#informer = new Informer({
      client,
      type: RESOURCES.ConfigMap,
      namespace: config.namespace,
      fieldSelector: `metadata.name=${meshConfigMapName(config.revision)}`,
      onProblem: (error) => log.warn('watch failed', { kind: 'mesh configuration', error: String(error) }),
    });
    this.#informer.on('set', (configMap) => this.#reload(configMap));
    this.#informer.on('delete', () => this.#reload(undefined));
  }

  /** Throws MESH_CONFIG_INVALID: with an unreadable configuration nobody knows which trust domain to sign for. */
  static async load(options: MeshSettingsOptions): Promise<MeshSettings> {
    const { client, config, log } = options;
    const configMap = await client.find(RESOURCES.ConfigMap, meshConfigMapName(config.revision), config.namespace);
    const current = readMeshConfig(configMap, config, config.namespace);
    log.info('mesh configuration', describe(current));
    return new MeshSettings(options, current);
  }

  get current(): MeshConfig {
    return this.#current;
  }

  /** Follows the ConfigMap. Resolves when it is known to be current. */
  async follow(onChange: (config: MeshConfig) => void): Promise<void> {
    this.#onChange = onChange;
    await this.#informer.start().synced;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#informer.stop();
  }

  #reload(configMap: KubeObject | undefined): void {
    const { config, log } = this.#options;
    let next: MeshConfig;
    try {
      next = readMeshConfig(configMap, config, config.namespace);
    } catch (error) {
      log.error('mesh configuration refused, the last good one stays in force', { error: String(error) });
      return;
    }
    if (JSON.stringify(next) === JSON.stringify(this.#current)) return;
    this.#current = next;
    log.info('mesh configuration changed', describe(next));
    this.#onChange(next);
  }
}

function describe(config: MeshConfig) {
  return {
    ...config,
    trustDomainAliases: config.trustDomainAliases.join(','),
    discoverySelectors: config.discoverySelectors.length,
    serviceEntryVisibility: config.serviceEntryVisibility?.default,
    authorizers: config.authorizers.map(({ name }) => name).join(','),
    telemetry: config.telemetry.providers.map(({ name }) => name).join(','),
  };
}
