import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { KubeObject } from '../../../mesh/index.ts';
import { RESOURCES, type ResourceType } from '../resource-type.ts';
import { type Change, FakeStore } from './store.ts';

export type RecordedRequest = {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: unknown;
  readonly authorization: string | undefined;
  readonly contentType: string | undefined;
};

type Answer = { readonly status: number; readonly body: unknown; readonly headers?: Record<string, string> };

export type FakeApiOptions = {
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Answers before anything else does; undefined lets the request through. */
  readonly intercept?: (request: RecordedRequest) => Answer | undefined | Promise<Answer | undefined>;
};

type Target = {
  readonly type: ResourceType;
  readonly namespace?: string;
  readonly name?: string;
  readonly subresource?: string;
};

export class FakeApi implements AsyncDisposable {
  readonly store = new FakeStore();
  readonly requests: RecordedRequest[] = [];
  readonly url: string;
  readonly #server: Server;
  readonly #watches = new Set<ServerResponse>();
  /** May be set later, too. */
  intercept: FakeApiOptions['intercept'];

  private constructor(server: Server, secure: boolean, options: FakeApiOptions) {
    this.#server = server;
    this.intercept = options.intercept;
    this.url = `${secure ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('request', (request, response) => void this.#serve(request, response));
  }

  static async start(options: FakeApiOptions = {}): Promise<FakeApi> {
    const server = options.tls === undefined ? createServer() : createTlsServer(options.tls);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new FakeApi(server as Server, options.tls !== undefined, options);
  }

  /** A kubeconfig that leads here. */
  kubeconfig(more: { readonly ca?: string; readonly serverName?: string; readonly tokenFile?: string } = {}): string {
    return JSON.stringify({
      'current-context': 'fake',
      contexts: [{ name: 'fake', context: { cluster: 'fake', user: 'fake' } }],
      users: [
        { name: 'fake', user: more.tokenFile === undefined ? { token: 'secret' } : { tokenFile: more.tokenFile } },
      ],
      clusters: [
        {
          name: 'fake',
          cluster: {
            server: this.url,
            ...(more.ca === undefined ? {} : { 'certificate-authority-data': Buffer.from(more.ca).toString('base64') }),
            ...(more.serverName === undefined ? {} : { 'tls-server-name': more.serverName }),
          },
        },
      ],
    });
  }

  /** Adds or changes an object, as somebody else would. */
  put(
    object: Omit<KubeObject, 'metadata'> & { readonly metadata: Partial<KubeObject['metadata']> & { name: string } },
  ): KubeObject {
    const type = Object.values<ResourceType>(RESOURCES).find((t) => t.kind === object['kind']);
    if (type === undefined) throw new Error(`the fake knows no kind ${String(object['kind'])}`);
    return this.store.put(type.plural, object as KubeObject);
  }

  remove(type: ResourceType, key: string): void {
    this.store.remove(type.plural, key);
  }

  get(type: ResourceType, key: string): KubeObject | undefined {
    return this.store.get(type.plural, key);
  }

  get openWatches(): number {
    return this.#watches.size;
  }

  /** Ends every watch, cleanly or (cut) in the middle of a line. */
  closeWatches(how: 'end' | 'cut' = 'end'): void {
    for (const watch of this.#watches) {
      if (how === 'end') watch.end();
      else watch.write('{"type":"ADD', () => watch.destroy());
    }
  }

  bookmark(): void {
    for (const watch of this.#watches) {
      writeEvent(watch, 'BOOKMARK', { metadata: { resourceVersion: String(this.store.version) } });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url);
    const body = await text(request);
    const recorded: RecordedRequest = {
      method: request.method ?? 'GET',
      path: url.pathname,
      query: url.searchParams,
      body: body === '' ? undefined : JSON.parse(body),
      authorization: request.headers.authorization,
      contentType: request.headers['content-type'],
    };
    this.requests.push(recorded);
    const intercepted = await this.intercept?.(recorded);
    if (intercepted !== undefined) return send(response, intercepted);
    const target = targetOf(url.pathname);
    if (target === undefined) return send(response, status(404, 'NotFound', `the server has no ${url.pathname}`));
    if (recorded.method === 'GET' && url.searchParams.has('watch')) return this.#watch(target, recorded, response);
    send(response, this.#answer(target, recorded));
  }

  #answer(target: Target, request: RecordedRequest): Answer {
    const { type, namespace, name } = target;
    const { plural } = type;
    const key = namespace === undefined ? (name ?? '') : `${namespace}/${name}`;
    const old = name === undefined ? undefined : this.store.get(plural, key);
    const missing = status(404, 'NotFound', `${plural} "${name}" not found`);
    const given = (request.body ?? {}) as KubeObject;
    switch (request.method) {
      case 'GET':
        if (name === undefined) return this.#list(target, request);
        return old === undefined ? missing : { status: 200, body: old };
      case 'POST': {
        const newName = given.metadata.name;
        const exists = this.store.get(plural, namespace === undefined ? newName : `${namespace}/${newName}`);
        if (exists !== undefined) return status(409, 'AlreadyExists', `${plural} "${newName}" already exists`);
        return { status: 201, body: this.store.put(plural, withNamespace(given, namespace)) };
      }
      case 'PUT': {
        if (old === undefined) return missing;
        const version = given.metadata.resourceVersion;
        if (version !== undefined && version !== old.metadata.resourceVersion) return conflict(plural, name);
        return { status: 200, body: this.#store(plural, merged(target, old, given, false), old) };
      }
      case 'PATCH': {
        const applies = request.contentType === 'application/apply-patch+yaml';
        if (old === undefined) {
          if (!applies || target.subresource !== undefined) return missing;
          return { status: 201, body: this.store.put(plural, withNamespace(given, namespace)) };
        }
        const uid = given.metadata?.uid;
        if (uid !== undefined && uid !== old.metadata.uid) return conflict(plural, name);
        return { status: 200, body: this.#store(plural, merged(target, old, given, true), old) };
      }
      case 'DELETE':
        return this.store.remove(plural, key) === undefined
          ? missing
          : { status: 200, body: { kind: 'Status', status: 'Success' } };
      default:
        return status(405, 'MethodNotAllowed', request.method);
    }
  }

  /** Writes that change nothing leave the version alone, as the real server does. */
  #store(plural: string, object: KubeObject, old: KubeObject): KubeObject {
    return JSON.stringify(object) === JSON.stringify(old) ? old : this.store.put(plural, object);
  }

  #list(target: Target, request: RecordedRequest): Answer {
    const all = this.store.list(target.type.plural).filter((object) => selected(object, target, request.query));
    const limit = Number(request.query.get('limit') ?? all.length);
    const from = Number(request.query.get('continue') ?? 0);
    const items = all.slice(from, from + limit).map(({ apiVersion: _a, kind: _k, ...rest }) => rest);
    const more = from + limit < all.length ? { continue: String(from + limit) } : {};
    return {
      status: 200,
      body: {
        apiVersion: target.type.apiVersion,
        kind: `${target.type.kind}List`,
        metadata: { resourceVersion: String(this.store.version), ...more },
        items,
      },
    };
  }

  #watch(target: Target, request: RecordedRequest, response: ServerResponse): void {
    const from = Number(request.query.get('resourceVersion') ?? 0);
    const past = this.store.since(target.type.plural, from);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    if (past === undefined) {
      writeEvent(response, 'ERROR', status(410, 'Expired', `too old resource version: ${from}`).body);
      response.end();
      return;
    }
    const tell = (change: Change): void => {
      if (selected(change.object, target, request.query)) writeEvent(response, change.type, change.object);
    };
    for (const change of past) tell(change);
    const leave = this.store.listen((plural, change) => {
      if (plural === target.type.plural) tell(change);
    });
    this.#watches.add(response);
    response.once('close', () => {
      leave();
      this.#watches.delete(response);
    });
  }
}

function targetOf(path: string): Target | undefined {
  const parts = path.split('/').filter(Boolean).map(decodeURIComponent);
  const core = parts[0] === 'api';
  const apiVersion = core ? (parts[1] ?? '') : `${parts[1]}/${parts[2]}`;
  const rest = parts.slice(core ? 2 : 3);
  const namespaced = rest[0] === 'namespaces' && rest.length > 2 && rest[2] !== 'status';
  const [plural, name, subresource] = namespaced ? rest.slice(2) : rest;
  const type = Object.values<ResourceType>(RESOURCES).find((t) => t.plural === plural && t.apiVersion === apiVersion);
  if (type === undefined) return undefined;
  return {
    type,
    ...(namespaced && rest[1] !== undefined ? { namespace: rest[1] } : {}),
    ...(name === undefined ? {} : { name }),
    ...(subresource === undefined ? {} : { subresource }),
  };
}

function selected(object: KubeObject, target: Target, query: URLSearchParams): boolean {
  if (target.namespace !== undefined && object.metadata.namespace !== target.namespace) return false;
  const holds = (selector: string | null, value: (key: string) => unknown): boolean =>
    (selector ?? '')
      .split(',')
      .filter(Boolean)
      .every((term) => {
        const [key = '', wanted] = term.split('=');
        return wanted === undefined ? value(key) !== undefined : value(key) === wanted;
      });
  const field = (path: string): unknown =>
    path.split('.').reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], object);
  return (
    holds(query.get('labelSelector'), (key) => object.metadata.labels?.[key]) &&
    holds(query.get('fieldSelector'), field)
  );
}

function withNamespace(object: KubeObject, namespace: string | undefined): KubeObject {
  return namespace === undefined ? object : { ...object, metadata: { ...object.metadata, namespace } };
}

// The main path leaves the status alone, the status path everything but labels and annotations of built-in kinds. Apply is
// a merge here.
function merged(target: Target, old: KubeObject, given: KubeObject, merge: boolean): KubeObject {
  const { resourceVersion: _, ...metadata } = given.metadata ?? { name: old.metadata.name };
  const { labels, annotations } = metadata as Partial<KubeObject['metadata']>;
  const ofStatus = { status: given['status'], metadata: { labels, annotations } };
  const patch = target.subresource === 'status' ? ofStatus : { ...given, metadata };
  if (merge) return mergePatch(old, patch) as KubeObject;
  if (target.subresource === 'status') return { ...old, status: given['status'] };
  return {
    ...given,
    metadata: { ...old.metadata, ...metadata },
    ...('status' in old ? { status: old['status'] } : {}),
  };
}

// RFC 7386
function mergePatch(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const result = { ...(typeof target === 'object' && target !== null ? (target as Record<string, unknown>) : {}) };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else if (value !== undefined) result[key] = mergePatch(result[key], value);
  }
  return result;
}

function conflict(plural: string, name: string | undefined): Answer {
  return status(409, 'Conflict', `Operation cannot be fulfilled on ${plural} "${name}": the object has been modified`);
}

function status(code: number, reason: string, message: string): Answer {
  return {
    status: code,
    body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', reason, message, code },
  };
}

function send(response: ServerResponse, answer: Answer): void {
  response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers });
  response.end(JSON.stringify(answer.body));
}

function writeEvent(response: ServerResponse, type: string, object: unknown): void {
  response.write(`${JSON.stringify({ type, object })}\n`);
}
