/** The kubelet's HTTP server: what the API server passes on to a node. Plain HTTP inside the underlay, with a secret. */
import { timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from '../../../core/telemetry/index.ts';
import type { Kubelet } from '../kubelet.ts';
import type { PodWorker } from '../pod-worker.ts';
import { serveLog } from './container-logs.ts';
import { serveExec } from './exec-stream.ts';
import { HttpProblem } from './http-problem.ts';
import { servePortForward } from './port-forward.ts';

export type KubeletServerOptions = {
  readonly kubelet: Kubelet;
  readonly addresses: readonly string[];
  readonly port: number;
  readonly secret: string;
  readonly log: Logger;
};

type Target = {
  readonly what: string;
  readonly worker: PodWorker;
  readonly container: string;
  readonly query: URLSearchParams;
};

export class KubeletServer {
  readonly #options: KubeletServerOptions;
  readonly #servers: Server[] = [];

  private constructor(options: KubeletServerOptions) {
    this.#options = options;
  }

  static async start(options: KubeletServerOptions): Promise<KubeletServer> {
    const made = new KubeletServer(options);
    for (const host of options.addresses) {
      const server = createServer((request, response) => made.#answer(request, response));
      server.on('upgrade', (request, socket, head) => made.#upgrade(request, socket, head));
      server.listen({ host, port: options.port });
      await once(server, 'listening');
      made.#servers.push(server);
    }
    return made;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.#serve(request, response).catch((error: unknown) => {
      const { status, message } = HttpProblem.from(error);
      if (response.headersSent) response.destroy();
      else response.writeHead(status, { 'content-type': 'text/plain' }).end(message);
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url === '/healthz') return void response.end('ok');
    const { what, worker, container, query } = this.#find(request);
    if (what === 'containerLogs') return serveLog(worker, container, query, response);
    throw new HttpProblem(400, `${what} needs a connection upgraded to WebSocket (SPDY is not spoken here)`);
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy()); // the peer went away: nothing more to say to it
    const serve = async () => {
      const { what, worker, container, query } = this.#find(request);
      if ((request.headers.upgrade ?? '').toLowerCase() !== 'websocket') {
        throw new HttpProblem(400, `${what}: the lab streams over WebSocket only, not ${request.headers.upgrade}`);
      }
      if (what === 'exec' || what === 'attach')
        return serveExec({ what, worker, container, query, request, socket, head });
      if (what === 'portForward') return servePortForward({ worker, query, request, socket, head });
      throw new HttpProblem(404, `there is no stream ${what}`);
    };
    serve().catch((error: unknown) => {
      const { status, message } = HttpProblem.from(error);
      this.#options.log.debug('a stream was refused', { url: request.url, why: message });
      socket.end(
        `HTTP/1.1 ${status} Refused\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(message)}\r\n\r\n${message}`,
      );
    });
  }

  /** `/what/namespace/pod[/container]`. @throws HttpProblem */
  #find(request: IncomingMessage): Target {
    const given = Buffer.from(String(request.headers['x-lab-token'] ?? ''));
    const wanted = Buffer.from(this.#options.secret);
    if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) throw new HttpProblem(401, 'who are you?');
    const url = new URL(request.url ?? '/', 'http://kubelet');
    const [what = '', namespace = '', pod = '', container = ''] = url.pathname
      .slice(1)
      .split('/')
      .map(decodeURIComponent);
    const worker = this.#options.kubelet.find(namespace, pod);
    if (worker === undefined) throw new HttpProblem(404, `pod ${namespace}/${pod} is not on this node`);
    return { what, worker, container, query: url.searchParams };
  }
}
