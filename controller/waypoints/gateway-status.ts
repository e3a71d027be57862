/** Writes the status of Gateways, when it has changed. */
import { isNotFound, type KubeClient, objectKey } from '../../core/kube/index.ts';
import type { KubeObject } from '../../mesh/index.ts';
import { FIELD_MANAGER } from './names.ts';
import { type GatewayStatus, isSameStatus } from './status.ts';

/** `before`: the versions that were there before, and that the watch may still bring. */
type Written = { readonly object: KubeObject; readonly before: ReadonlySet<string | undefined> };

export class GatewayStatusWriter {
  readonly #client: KubeClient;
  /** Gateways as they are after our last write, until the watch brings them. */
  readonly #written = new Map<string, Written>();

  constructor(client: KubeClient) {
    this.#client = client;
  }

  /** `make` gets the Gateway with the last status that is known, and gives what it should be. */
  async write(cached: KubeObject, make: (gateway: KubeObject) => GatewayStatus): Promise<void> {
    const key = objectKey(cached);
    const version = cached.metadata.resourceVersion;
    const written = this.#written.get(key);
    const later = written?.before.has(version) === true ? written : undefined;
    const gateway = later?.object ?? cached;
    const status = make(gateway);
    if (isSameStatus(gateway, status)) return;
    const { addresses, ...rest } = status;
    const { name, namespace = '' } = cached.metadata;
    const { apiVersion, kind } = cached;
    try {
      const object = await this.#client.apply<KubeObject>(
        { apiVersion, kind, metadata: { name, namespace }, status: addresses.length > 0 ? status : rest },
        { fieldManager: FIELD_MANAGER, force: true, subresource: 'status' },
      );
      const before = new Set([...(later?.before ?? []), version, gateway.metadata.resourceVersion]);
      this.#written.set(key, { object, before });
    } catch (error) {
      if (!isNotFound(error)) throw error; // deleted meanwhile
    }
  }

  /** The Gateway is gone. */
  forget(key: string): void {
    this.#written.delete(key);
  }
}
