/**
 * Logs, exec, attach and port-forward: authorised here, then spoken by the pod's kubelet, to which the bytes are passed as
 * they are. SPDY is not spoken in the lab (spec section 13).
 */
import type { IncomingMessage } from 'node:http';
import { request as httpRequest } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Reply } from '../http/reply.ts';
import { type ApiObject, listAt, textAt } from '../object.ts';
import { ApiStatusError, badRequest, type Json, type ResourceInfo } from '../pure/index.ts';
import { type Store, storageKey } from '../store/store.ts';
import { type KubeletAnswer, readAnswer, tellRefusal } from './kubelet-answer.ts';
import { type ApiRequest, existing } from './request.ts';

const KUBELET_PORT = 10_250;
/** A kubelet is one hop away on this machine: silence this long means that it is not there. */
const ANSWER_TIMEOUT_MS = 15_000;
/** kubectl's own tunnel: SPDY inside a WebSocket, whose name is not even a legal token. */
const TUNNELLED_SPDY = 'SPDY/3.1+portforward.k8s.io';
const KUBELET_PATHS: Readonly<Record<string, string>> = { exec: 'exec', attach: 'attach', portforward: 'portForward' };

export type DialNode = (ip: string, port: number) => Promise<Socket>;

export type PodStreamsOptions = {
  readonly store: Store;
  readonly dialNode: DialNode;
  /** Sent to kubelets in `x-lab-token`. */
  readonly kubeletSecret: string;
};

const unavailable = (message: string, cause?: unknown): ApiStatusError =>
  new ApiStatusError(503, 'ServiceUnavailable', message, undefined, { cause });

export class PodStreams {
  readonly #o: PodStreamsOptions;

  constructor(options: PodStreamsOptions) {
    this.#o = options;
  }

  async logs(r: ApiRequest): Promise<Reply> {
    const pod = existing(r);
    const container = containerOf(pod, r.query);
    const query = new URLSearchParams(r.query);
    query.delete('container');
    const path = `/containerLogs/${pod.metadata.namespace}/${pod.metadata.name}/${container}?${query}`;
    const answer = await this.#ask(pod, { path, method: 'GET', headers: {} });
    if (answer.statusCode !== 200) throw await refusalOf(answer);
    return {
      kind: 'stream',
      run: async (response) => {
        response.writeHead(200, { 'Content-Type': 'text/plain' });
        response.flushHeaders();
        try {
          await pipeline(answer, response);
        } catch {
          answer.destroy(); // a client that stops following is the usual end of a log
        }
      },
    };
  }

  /** A plain request on a stream path: the client did not ask to upgrade. */
  withoutUpgrade(r: ApiRequest): Reply {
    throw badRequest(`pods/${r.target.subresource} needs an upgrade to WebSocket (v5.channel.k8s.io)`);
  }

  /** Passes an upgrade on to the kubelet and joins the two connections. Throws ApiStatusError before it answers. */
  async upgrade(r: UpgradeRequest): Promise<void> {
    const { request, socket, head, pod, subresource } = r;
    const phase = textAt(pod, 'status', 'phase');
    if (phase !== 'Running') throw badRequest(`pod ${pod.metadata.name} is not running: its phase is ${phase}`);
    const path = `/${KUBELET_PATHS[subresource]}/${pathOf(r)}`;
    refuseSpdy(request, subresource);
    const node = await this.#dial(pod);
    node.on('error', () => socket.destroy());
    socket.on('error', () => node.destroy());
    socket.on('close', () => node.destroy());
    node.write(`${request.method} ${path} HTTP/1.1\r\n${this.#headers(request)}\r\n`);
    const answer = await this.#answer(node);
    if (answer.kind === 'refused') {
      node.destroy();
      if (subresource !== 'portforward' && tellRefusal(request, socket, head, answer.message)) return;
      socket.end(answer.bytes);
      return;
    }
    node.on('close', () => socket.destroy());
    socket.write(answer.bytes);
    if (head.length > 0) node.write(head);
    node.pipe(socket);
    socket.pipe(node);
  }

  /** The client's headers, without what is between it and us. */
  #headers(request: IncomingMessage): string {
    const own = { host: 'kubelet', 'x-lab-token': this.#o.kubeletSecret };
    const { authorization: _, host: __, cookie: ___, ...rest } = request.headers;
    return Object.entries({ ...rest, ...own })
      .map(([name, value]) => `${name}: ${Array.isArray(value) ? value.join(', ') : value}\r\n`)
      .join('');
  }

  async #answer(node: Socket): Promise<KubeletAnswer> {
    const timer = setTimeout(() => node.destroy(new Error('the kubelet does not answer')), ANSWER_TIMEOUT_MS);
    try {
      return await readAnswer(node);
    } catch (error) {
      throw unavailable(`the kubelet failed: ${(error as Error).message}`, error);
    } finally {
      clearTimeout(timer);
    }
  }

  async #dial(pod: ApiObject): Promise<Socket> {
    const name = textAt(pod, 'spec', 'nodeName');
    if (name === '') throw badRequest(`pod ${pod.metadata.name} does not have a host assigned`);
    const node = this.#o.store.get(storageKey('', 'nodes'), '', name);
    const address = listAt(node, 'status', 'addresses').find((a) => textAt(a, 'type') === 'InternalIP');
    if (address === undefined) throw unavailable(`node ${name} of pod ${pod.metadata.name} has no InternalIP`);
    try {
      return await this.#o.dialNode(textAt(address, 'address'), KUBELET_PORT);
    } catch (error) {
      throw unavailable(`cannot reach the kubelet of node ${name}: ${(error as Error).message}`, error);
    }
  }

  async #ask(
    pod: ApiObject,
    o: { path: string; method: string; headers: Record<string, string> },
  ): Promise<IncomingMessage> {
    const socket = await this.#dial(pod);
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const request = httpRequest({
      ...o,
      createConnection: () => socket,
      headers: { ...o.headers, host: 'kubelet', 'x-lab-token': this.#o.kubeletSecret, connection: 'close' },
    });
    request.setTimeout(ANSWER_TIMEOUT_MS, () => request.destroy(new Error('the kubelet does not answer')));
    request.on('response', (answer) => {
      request.setTimeout(0); // a followed log may be quiet for long
      resolve(answer);
    });
    request.on('error', (error) => reject(unavailable(`the kubelet failed: ${error.message}`, error)));
    request.end();
    return await promise;
  }
}

export type UpgradeRequest = {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly pod: ApiObject;
  readonly subresource: string;
  readonly query: URLSearchParams;
  readonly info: ResourceInfo;
};

/** `NAMESPACE/POD[/CONTAINER]?…`, as the kubelet reads it. */
function pathOf({ pod, subresource, query }: UpgradeRequest): string {
  const rest = new URLSearchParams(query);
  rest.delete('container');
  const place = `${pod.metadata.namespace}/${pod.metadata.name}`;
  return subresource === 'portforward' ? `${place}?${rest}` : `${place}/${containerOf(pod, query)}?${rest}`;
}

function refuseSpdy(request: IncomingMessage, subresource: string): void {
  const upgrade = (request.headers.upgrade ?? '').toLowerCase();
  const protocols = request.headers['sec-websocket-protocol'] ?? '';
  const spdy = upgrade.startsWith('spdy') || protocols.includes(TUNNELLED_SPDY);
  if (!spdy && upgrade === 'websocket') return;
  if (!spdy) throw badRequest(`cannot upgrade to "${upgrade}": use WebSocket`);
  throw badRequest(
    subresource === 'portforward'
      ? "kubectl's own port-forward (SPDY) is not spoken by this lab yet; programs on @kubernetes/client-node can forward ports"
      : `${subresource} over SPDY is not spoken by this lab: use kubectl 1.30 or newer, which speaks WebSocket (v5.channel.k8s.io)`,
  );
}

/** The container meant: the one named, the default one, or the only one. Throws 400. */
function containerOf(pod: ApiObject, query: URLSearchParams): string {
  const names = (list: string) => listAt(pod, 'spec', list).map((c) => textAt(c, 'name'));
  const all = [...names('containers'), ...names('initContainers'), ...names('ephemeralContainers')];
  const asked = query.get('container') ?? '';
  if (asked !== '') {
    if (all.includes(asked)) return asked;
    throw badRequest(`container ${asked} is not valid for pod ${pod.metadata.name}`);
  }
  const preferred = pod.metadata.annotations?.['kubectl.kubernetes.io/default-container'] ?? '';
  if (all.includes(preferred)) return preferred;
  const [only, ...more] = names('containers');
  if (only !== undefined && more.length === 0) return only;
  const choices = names('containers').join(' ');
  throw badRequest(`a container name must be specified for pod ${pod.metadata.name}, choose one of: [${choices}]`);
}

/** The kubelet's refusal, a Status or plain text, as ours. */
async function refusalOf(answer: IncomingMessage): Promise<ApiStatusError> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString('utf8').trim();
  const code = answer.statusCode ?? 503;
  try {
    const status = JSON.parse(text) as Json;
    return new ApiStatusError(code, textAt(status, 'reason') || 'InternalError', textAt(status, 'message') || text);
  } catch {
    return new ApiStatusError(code, 'InternalError', text); // not JSON: the text is the message
  }
}
