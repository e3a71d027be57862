/**
 * The webhook's port: HTTPS, one path, bounded in connections, requests, bytes and time. API servers have no client certificate
 * for us, so whoever reaches the port may ask; all they learn is what is wrong with the object that they brought.
 */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import type { Logger } from '../../core/telemetry/index.ts';
import { MeshError, type Surroundings } from '../../mesh/index.ts';
import type { WebhookMetrics } from '../observe/metrics.ts';
import { Limits } from './limits.ts';
import { answerReview } from './review.ts';

const PATH = '/validate';
/** The longest that an API server waits for a webhook. */
const REQUEST_DEADLINE_MS = 30_000;
const HEADER_DEADLINE_MS = 5_000;
const HANDSHAKE_DEADLINE_MS = 5_000;
/** API servers keep connections; Node's default of 5 s would make reused ones fail now and then. */
const IDLE_MS = 120_000;

export type WebhookServerOptions = {
  readonly port: number;
  /** Default all addresses. */
  readonly host?: string;
  readonly certificate: Pick<SecureContextOptions, 'cert' | 'key'>;
  readonly around: Surroundings | (() => Surroundings);
  readonly metrics: WebhookMetrics;
  readonly log: Logger;
};

export interface WebhookServer extends AsyncDisposable {
  readonly port: number;
  /** For connections from now on. */
  exchange(certificate: Pick<SecureContextOptions, 'cert' | 'key'>): void;
}

/** Why a request is not answered with a review. */
class Refusal extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Resolves once it listens. Throws LISTEN_FAILED. */
export async function serveWebhook(o: WebhookServerOptions): Promise<WebhookServer> {
  // API servers of all ages: TLS 1.2 suffices here, since nothing secret is said.
  const context = (certificate: typeof o.certificate): SecureContextOptions => ({
    ...certificate,
    minVersion: 'TLSv1.2',
  });
  const limits = new Limits();
  const server = createServer(
    {
      ...context(o.certificate),
      handshakeTimeout: HANDSHAKE_DEADLINE_MS,
      requestTimeout: REQUEST_DEADLINE_MS,
      headersTimeout: HEADER_DEADLINE_MS,
      keepAliveTimeout: IDLE_MS,
      maxHeaderSize: 16_384,
    },
    async (request, response) => {
      try {
        reply(response, 200, JSON.stringify(await answer(request, o, limits)));
      } catch (error) {
        refuse(request, response, error, o);
      }
    },
  );
  server.on('connection', (socket) => {
    const client = socket.remoteAddress ?? '';
    if (limits.enter(client)) socket.once('close', () => limits.leave(client));
    else socket.destroy();
  });
  server.on('tlsClientError', (_, socket) => socket.destroy()); // a scanner, or a client that trusts another root
  server.listen({ port: o.port, ...(o.host === undefined ? {} : { host: o.host }) });
  try {
    await once(server, 'listening');
  } catch (error) {
    throw new MeshError('LISTEN_FAILED', `webhook port ${o.port}: ${String(error)}`, { cause: error });
  }
  return {
    port: (server.address() as AddressInfo).port,
    exchange: (certificate) => server.setSecureContext(context(certificate)),
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(request: IncomingMessage, o: WebhookServerOptions, limits: Limits): Promise<unknown> {
  const [path] = (request.url ?? '').split('?', 1);
  if (path !== PATH) throw new Refusal(404, `only ${PATH} is here`);
  if (request.method !== 'POST') throw new Refusal(405, 'only POST is possible here');
  let body: unknown;
  try {
    body = JSON.parse(await bodyOf(request, limits));
  } catch (error) {
    if (error instanceof SyntaxError) throw new Refusal(400, 'the body is no JSON');
    throw error;
  }
  const outcome = answerReview(body, typeof o.around === 'function' ? o.around() : o.around);
  if (outcome === undefined) throw new Refusal(400, 'the body is no AdmissionReview of admission.k8s.io/v1');
  const { kind, group, resource, name, message } = outcome;
  o.metrics[kind](group, resource);
  if (kind === 'refused') o.log.info('object refused', { object: name, because: message });
  return outcome.answer;
}

async function bodyOf(request: IncomingMessage, limits: Limits): Promise<string> {
  using body = limits.body(request.socket.remoteAddress ?? '');
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) {
    const taken = body.take(chunk.length);
    if (taken === 'too-large') throw new Refusal(413, 'the body is too large');
    if (taken === 'busy') throw new Refusal(503, 'too much at once');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function refuse(request: IncomingMessage, response: ServerResponse, error: unknown, o: WebhookServerOptions): void {
  const status = error instanceof Refusal ? error.status : 500;
  o.metrics.httpError(status);
  if (response.destroyed) return; // the client is gone
  if (status === 500) o.log.error('webhook request failed', { error: String(error) });
  // Unread bytes of a refused body would be taken for the next request.
  if (!request.complete) response.setHeader('Connection', 'close');
  reply(response, status, JSON.stringify({ error: error instanceof Refusal ? error.message : 'internal error' }));
}

function reply(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}
