/** Every request's way: who is it, what is asked, may they, then the answer; and every failure as a Status. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { RequestAdmission } from '../admission/webhooks.ts';
import { authenticate } from '../auth/authenticate.ts';
import type { Caller } from '../auth/caller.ts';
import { type Attributes, refusal } from '../auth/rbac.ts';
import { discover, VERSION } from '../discovery.ts';
import { dispatch } from '../handlers/dispatch.ts';
import type { PodStreams } from '../handlers/pod-streams.ts';
import type { Parts } from '../handlers/request.ts';
import type { OpenApi } from '../openapi/openapi.ts';
import { ApiStatusError, badRequest, notFound, qualifiedResource, unauthorized, unknownPath } from '../pure/index.ts';
import { storageKey } from '../store/store.ts';
import { type Accepted, parseAccept } from './accept.ts';
import { readBody } from './body.ts';
import { errorReply, json, type Reply, send, statusOf } from './reply.ts';
import { parseTarget, type Target } from './request-info.ts';

export type FrontendOptions = {
  readonly parts: Parts;
  readonly openapi: OpenApi;
  readonly streams: PodStreams;
  /** Fires when the server closes. */
  readonly ended: AbortSignal;
  readonly onError: (what: string, error: unknown) => void;
};

/** What anybody may ask without saying who they are. */
const PUBLIC_PATHS = new Set(['/healthz', '/livez', '/readyz', '/version']);
const HEALTH = /^\/(healthz|livez|readyz)(\/[\w-]+)*$/;

type Asked = { readonly caller: Caller; readonly target: Target; readonly url: URL; readonly path: string };

export class Frontend {
  readonly #o: FrontendOptions;

  constructor(options: FrontendOptions) {
    this.#o = options;
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const accepted = parseAccept(request.headers.accept);
    try {
      const reply = await this.#reply(request, accepted);
      if (reply.kind === 'stream') await reply.run(response);
      else send(response, reply, accepted?.yaml === true);
    } catch (error) {
      this.#fail(request, response, error);
    }
  }

  /** An upgrade: the streams of a pod, and nothing else. */
  async upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy()); // the client left
    try {
      const { target, url } = await this.#admit(request);
      if (target.kind === 'path') throw badRequest(`${target.path} cannot be upgraded`);
      const { store, registry } = this.#o.parts;
      const info = registry.find(target.group, target.version, target.plural);
      if (info === undefined || target.group !== '' || target.plural !== 'pods') throw unknownPath();
      if (!['exec', 'attach', 'portforward'].includes(target.subresource)) {
        throw badRequest(`pods/${target.subresource} cannot be upgraded`);
      }
      const pod = store.get(storageKey('', 'pods'), target.namespace, target.name);
      if (pod === undefined) throw notFound(info, target.name);
      const { subresource } = target;
      await this.#o.streams.upgrade({ request, socket, head, pod, subresource, query: url.searchParams, info });
    } catch (error) {
      const status = this.#status(`upgrade of ${request.url ?? ''}`, error);
      const body = JSON.stringify(status.toStatus());
      socket.end(
        `HTTP/1.1 ${status.code} ${status.reason}\r\nContent-Type: application/json\r\n` +
          `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
      );
    }
  }

  async #reply(request: IncomingMessage, accepted: Accepted | undefined): Promise<Reply> {
    const { caller, target, url, path } = await this.#admit(request);
    // The bytes of OpenAPI v2 are the one thing that clients take in another form than JSON.
    const openapi = this.#o.openapi.answer(path, this.#o.parts.now());
    if (openapi !== undefined) return openapi;
    if (accepted === undefined) {
      const message = 'only the following media types are accepted: application/json, application/yaml';
      throw new ApiStatusError(406, 'NotAcceptable', message);
    }
    if (target.kind === 'path') return this.#answerPath(path, accepted);
    const info = this.#o.parts.registry.find(target.group, target.version, target.plural);
    if (info === undefined) throw unknownPath();
    if (!info.namespaced && target.namespace !== '' && target.plural !== 'namespaces') throw unknownPath();
    const body = await readBody(request);
    const { parts, streams, ended } = this.#o;
    const { headers } = request;
    const admission = new RequestAdmission(parts, caller);
    const asked = { parts, caller, info, target, query: url.searchParams, headers, accepted, body, admission };
    return await admission.run(() => dispatch(asked, streams, ended));
  }

  #answerPath(path: string, accepted: Accepted): Reply {
    if (HEALTH.test(path)) return { kind: 'bytes', code: 200, body: 'ok', contentType: 'text/plain; charset=utf-8' };
    if (path === '/version' || path === '/version/') return json(VERSION);
    const found = discover(this.#o.parts.registry, path, accepted);
    if (found === undefined) throw unknownPath();
    return found;
  }

  /** Authenticates and authorises. Throws 400, 401 and 403. */
  async #admit(request: IncomingMessage): Promise<Asked> {
    const url = new URL(request.url ?? '/', 'https://localhost');
    let path: string;
    try {
      path = decodeURIComponent(url.pathname);
    } catch (error) {
      throw badRequest('the path is not valid percent-encoding', { cause: error });
    }
    const target = parseTarget(request.method ?? 'GET', path, url.searchParams);
    const caller = await authenticate(request, this.#o.parts.tokens);
    if (caller === undefined) {
      if (PUBLIC_PATHS.has(path) && request.method === 'GET' && request.headers.authorization === undefined) {
        return { caller: ANONYMOUS, target, url, path };
      }
      throw unauthorized();
    }
    if (Object.keys(request.headers).some((name) => name.startsWith('impersonate-'))) {
      throw new ApiStatusError(403, 'Forbidden', 'impersonation is not supported by this lab');
    }
    this.#authorize(caller, target, url.searchParams);
    return { caller, target, url, path };
  }

  #authorize(caller: Caller, target: Target, query: URLSearchParams): void {
    const asked: Attributes =
      target.kind === 'path'
        ? target
        : {
            kind: 'resource',
            verb: target.verb,
            group: target.group,
            resource: target.plural,
            subresource: target.subresource,
            namespace: target.namespace,
            // Who lists or watches one object by its name asks for that one: rules with resourceNames are about it.
            name: target.name || nameSelected(query),
          };
    if (this.#o.parts.rbac.authorize(caller, asked).allowed) return;
    if (target.kind === 'path') {
      throw new ApiStatusError(403, 'Forbidden', `forbidden: ${refusal(caller, asked)}`);
    }
    const what = qualifiedResource(target) + (target.name === '' ? '' : ` "${target.name}"`);
    throw new ApiStatusError(403, 'Forbidden', `${what} is forbidden: ${refusal(caller, asked)}`, {
      ...(target.name === '' ? {} : { name: target.name }),
      ...(target.group === '' ? {} : { group: target.group }),
      kind: target.plural,
    });
  }

  #status(what: string, error: unknown): ApiStatusError {
    const status = statusOf(error);
    if (!(error instanceof ApiStatusError)) this.#o.onError(what, error);
    return status;
  }

  #fail(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    // The client broke off in the middle of its own request: nobody is left to answer.
    if (request.destroyed && !request.complete && !(error instanceof ApiStatusError)) return;
    const status = this.#status(`${request.method} ${request.url}`, error);
    if (response.headersSent) {
      response.destroy(); // a stream that broke: the client sees it end early and asks again
      return;
    }
    // Unread bytes of a refused body would be taken for the next request.
    if (!request.complete) response.setHeader('Connection', 'close');
    send(response, errorReply(status), false);
  }
}

const ANONYMOUS: Caller = { username: 'system:anonymous', uid: '', groups: ['system:unauthenticated'], extra: {} };

/** What `metadata.name` must be for a field selector; '' for anything. */
function nameSelected(query: URLSearchParams): string {
  const [, name = ''] = /(?:^|,)metadata\.name==?([^,]*)/.exec(query.get('fieldSelector') ?? '') ?? [];
  return name;
}
