/** The client: verbs on any kind by its path. */
import type { KubeObject } from '../../mesh/index.ts';
import { type ConnectionOptions, connectionSource } from './connection.ts';
import { isNotFound, KubeError } from './kube-error.ts';
import { groupPath, knownType, type ResourceType, resourcePath } from './resource-type.ts';
import { type ExecOptions, type ExecSession, execInPod } from './streams/exec.ts';
import { forwardPort } from './streams/port-forward.ts';
import { type HttpRequest, Transport } from './transport.ts';
import { type WatchEvent, watchEvents } from './watch.ts';

export type KubeList<T> = {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: readonly T[];
};

export type Selection = {
  /** Absent: all namespaces. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
};

export type ListOptions = Selection & {
  /** Page size; the whole list is read in any case. Default 500. */
  readonly limit?: number;
  readonly resourceVersion?: string;
  readonly signal?: AbortSignal | undefined;
};

export type WriteOptions = {
  readonly fieldManager?: string;
  readonly dryRun?: boolean;
  readonly subresource?: string;
  readonly signal?: AbortSignal;
};

export type PatchType = 'merge' | 'json' | 'strategic';

export type DeleteOptions = {
  readonly propagationPolicy?: 'Foreground' | 'Background' | 'Orphan';
  readonly gracePeriodSeconds?: number;
  /** Delete only this very object. */
  readonly uid?: string;
  readonly signal?: AbortSignal;
};

export type LogOptions = {
  readonly container?: string;
  readonly follow?: boolean;
  readonly tailLines?: number;
  readonly sinceSeconds?: number;
  readonly timestamps?: boolean;
  readonly previous?: boolean;
  readonly signal?: AbortSignal;
};

const PATCH_CONTENT: Readonly<Record<PatchType | 'apply', string>> = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml', // JSON is YAML
};

const PAGE_SIZE = 500;

export class KubeClient implements AsyncDisposable {
  readonly #transport: Transport;
  readonly #discovered = new Map<string, ResourceType>();

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** The namespace that the kubeconfig's context or the pod lives in. */
  async namespace(): Promise<string> {
    return (await this.#transport.connection()).namespace;
  }

  /** Throws KubeError 404 when it does not exist. */
  async get<T extends KubeObject>(
    type: ResourceType,
    name: string,
    namespace?: string,
    options: { readonly subresource?: string; readonly signal?: AbortSignal } = {},
  ): Promise<T> {
    const { signal, subresource } = options;
    return (await this.raw({ method: 'GET', path: resourcePath(type, { namespace, name, subresource }), signal })) as T;
  }

  /** Like `get`, with undefined for what does not exist. */
  async find<T extends KubeObject>(
    type: ResourceType,
    name: string,
    namespace?: string,
    signal?: AbortSignal,
  ): Promise<T | undefined> {
    try {
      return await this.get<T>(type, name, namespace, signal === undefined ? {} : { signal });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** The whole collection, read page by page. Items carry apiVersion and kind, which servers leave out in lists. */
  async list<T extends KubeObject>(type: ResourceType, options: ListOptions = {}): Promise<KubeList<T>> {
    const items: T[] = [];
    let token: string | undefined;
    for (;;) {
      const page = (await this.raw({
        method: 'GET',
        path: resourcePath(type, { namespace: options.namespace }),
        query: {
          limit: options.limit ?? PAGE_SIZE,
          continue: token,
          labelSelector: options.labelSelector,
          fieldSelector: options.fieldSelector,
          resourceVersion: token === undefined ? options.resourceVersion : undefined,
        },
        signal: options.signal,
      })) as KubeList<T>;
      for (const item of page.items) items.push({ ...item, apiVersion: type.apiVersion, kind: type.kind });
      token = page.metadata.continue === '' ? undefined : page.metadata.continue;
      if (token === undefined) return { metadata: { resourceVersion: page.metadata.resourceVersion }, items };
    }
  }

  /**
   * Changes after `resourceVersion`, bookmarks included. Ends when the server closes (it does after a while); throws
   * KubeError, with code 410 when the version is too old.
   */
  watch<T extends KubeObject>(
    type: ResourceType,
    options: Selection & {
      readonly resourceVersion: string;
      readonly timeoutSeconds?: number;
      /** A connection silent for so long counts as dead. */
      readonly silenceMs?: number;
      readonly signal: AbortSignal;
    },
  ): AsyncGenerator<WatchEvent<T>> {
    return watchEvents<T>(this.#transport, {
      path: resourcePath(type, { namespace: options.namespace }),
      query: {
        watch: true,
        allowWatchBookmarks: true,
        resourceVersion: options.resourceVersion,
        timeoutSeconds: options.timeoutSeconds,
        labelSelector: options.labelSelector,
        fieldSelector: options.fieldSelector,
      },
      signal: options.signal,
      ...(options.silenceMs === undefined ? {} : { silenceMs: options.silenceMs }),
    });
  }

  /** Returns the object as the server made it. 409 when it exists. With `subresource`, posts to that of the named object. */
  async create<T extends KubeObject>(object: T, options: WriteOptions = {}): Promise<T> {
    const type = await this.typeOf(object.apiVersion, object.kind);
    const { namespace, name } = object.metadata;
    const { subresource } = options;
    const path = resourcePath(type, { namespace, ...(subresource === undefined ? {} : { name, subresource }) });
    return (await this.#write('POST', path, object, options)) as T;
  }

  /** Replaces the object; 409 when `metadata.resourceVersion` is given and no longer the present one. */
  async replace<T extends KubeObject>(object: T, options: WriteOptions = {}): Promise<T> {
    const type = await this.typeOf(object.apiVersion, object.kind);
    const { namespace, name } = object.metadata;
    const path = resourcePath(type, { namespace, name, subresource: options.subresource });
    return (await this.#write('PUT', path, object, options)) as T;
  }

  async replaceStatus<T extends KubeObject>(object: T, options: WriteOptions = {}): Promise<T> {
    return this.replace(object, { ...options, subresource: 'status' });
  }

  async patch<T extends KubeObject>(
    type: ResourceType,
    at: { readonly name: string; readonly namespace?: string | undefined },
    patchType: PatchType,
    body: unknown,
    options: WriteOptions = {},
  ): Promise<T> {
    const path = resourcePath(type, { ...at, subresource: options.subresource });
    return (await this.#write('PATCH', path, body, options, PATCH_CONTENT[patchType])) as T;
  }

  /** Server-side apply: makes the named fields ours. Creates what does not exist. 409 on a conflict unless `force`. */
  async apply<T extends KubeObject>(
    object: T,
    options: WriteOptions & { readonly fieldManager: string; readonly force?: boolean },
  ): Promise<T> {
    const type = await this.typeOf(object.apiVersion, object.kind);
    const { namespace, name } = object.metadata;
    const path = resourcePath(type, { namespace, name, subresource: options.subresource });
    return (await this.#write('PATCH', path, object, options, PATCH_CONTENT.apply, {
      force: options.force ?? false,
    })) as T;
  }

  /** Deleting what is gone succeeds. */
  async delete(
    type: ResourceType,
    name: string,
    namespace?: string,
    options: DeleteOptions = {},
  ): Promise<'deleted' | 'was-gone'> {
    const { propagationPolicy, gracePeriodSeconds, uid } = options;
    try {
      await this.raw({
        method: 'DELETE',
        path: resourcePath(type, { namespace, name }),
        body: {
          apiVersion: 'v1',
          kind: 'DeleteOptions',
          ...(propagationPolicy === undefined ? {} : { propagationPolicy }),
          ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
          ...(uid === undefined ? {} : { preconditions: { uid } }),
        },
        signal: options.signal,
      });
      return 'deleted';
    } catch (error) {
      if (isNotFound(error)) return 'was-gone';
      throw error;
    }
  }

  /** Any request, answered with JSON: discovery, version, what no verb here covers. */
  raw(request: HttpRequest): Promise<unknown> {
    return this.#transport.json(request);
  }

  /** The type of any kind: from our table, else by discovery (kept). Throws KubeError 404 for a kind the server does not know. */
  async typeOf(apiVersion: string, kind: string): Promise<ResourceType> {
    const known = knownType(apiVersion, kind) ?? this.#discovered.get(`${apiVersion}/${kind}`);
    if (known !== undefined) return known;
    const list = (await this.raw({ method: 'GET', path: groupPath(apiVersion) })) as {
      readonly resources?: readonly { readonly name: string; readonly kind: string; readonly namespaced: boolean }[];
    };
    const found = list.resources?.find((resource) => resource.kind === kind && !resource.name.includes('/'));
    if (found === undefined) throw new KubeError(404, 'NotFound', `the server has no kind ${kind} in ${apiVersion}`);
    const type = { apiVersion, kind, plural: found.name, namespaced: found.namespaced };
    this.#discovered.set(`${apiVersion}/${kind}`, type);
    return type;
  }

  /** The log of a container, as it comes. */
  async *logs(namespace: string, pod: string, options: LogOptions = {}): AsyncGenerator<Buffer> {
    const { signal, ...query } = options;
    const { body } = await this.#transport.send({
      method: 'GET',
      path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}/log`,
      query,
      accept: '*/*',
      signal,
      bodyTimeoutMs: 0, // a quiet program is not a dead connection
    });
    for await (const chunk of body) yield chunk as Buffer;
  }

  /** Runs a command in a container; see `ExecSession`. */
  exec(namespace: string, pod: string, options: ExecOptions): Promise<ExecSession> {
    return execInPod(this.#transport, namespace, pod, options);
  }

  /** One connection to a port of a pod, as a duplex stream; its errors come from the pod's side. */
  portForward(namespace: string, pod: string, port: number, signal?: AbortSignal) {
    return forwardPort(this.#transport, namespace, pod, port, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#transport[Symbol.asyncDispose]();
  }

  #write(
    method: 'POST' | 'PUT' | 'PATCH',
    path: string,
    body: unknown,
    options: WriteOptions,
    contentType?: string,
    query: HttpRequest['query'] = {},
  ): Promise<unknown> {
    return this.raw({
      method,
      path,
      body,
      query: { fieldManager: options.fieldManager, dryRun: options.dryRun === true ? 'All' : undefined, ...query },
      signal: options.signal,
      ...(contentType === undefined ? {} : { contentType }),
    });
  }
}

/** Throws KUBE_CONFIG_MISSING or KUBE_CONFIG_INVALID; nothing is sent yet. `userAgent` names the program in audit logs. */
export function kubeClient(options: ConnectionOptions & { readonly userAgent?: string }): KubeClient {
  return new KubeClient(new Transport(connectionSource(options), options.userAgent ?? 'ambit'));
}
