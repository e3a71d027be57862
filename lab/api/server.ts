/** The API server as a whole: builds the parts, listens, and closes them in the opposite order. */

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { type Advertised, bootstrap } from './auth/bootstrap.ts';
import { SERVER } from './auth/caller.ts';
import { kubeconfig } from './auth/kubeconfig.ts';
import { loadPki, type Pki } from './auth/pki.ts';
import { Rbac } from './auth/rbac.ts';
import { Tokens } from './auth/tokens.ts';
import { CrdController } from './controllers/crds.ts';
import { expireEvents } from './controllers/events.ts';
import { GarbageCollector } from './controllers/garbage.ts';
import { NamespaceController } from './controllers/namespaces.ts';
import { Worker } from './controllers/worker.ts';
import { type DialNode, PodStreams } from './handlers/pod-streams.ts';
import { Frontend } from './http/frontend.ts';
import { OpenApi } from './openapi/openapi.ts';
import { Registry } from './resources/registry.ts';
import { Store } from './store/store.ts';

/** Where to serve HTTPS: a listening descriptor made elsewhere (which this server then owns), or an address to bind. */
export type Listener =
  | { readonly fd: number }
  | {
      readonly host: string;
      /** 0: any free port. */
      readonly port: number;
    };

export type ApiServerOptions = {
  /** Folder for `db.sqlite` and `pki/`; made with mode 0700 when absent. */
  readonly stateDir: string;
  readonly listeners: readonly Listener[];
  /** Where pods reach this server: endpoints of the Service `kubernetes`. Default: none. */
  readonly advertise?: readonly Advertised[];
  /** Connects to a kubelet; default: from this process's own network namespace. */
  readonly dialNode?: DialNode;
  /** Sent to kubelets as `x-lab-token`; default: a random one that no kubelet takes. */
  readonly kubeletSecret?: string;
  /** More names and addresses for the serving certificate. */
  readonly extraNames?: readonly string[];
  readonly now?: () => Date;
  /** How long events stay available to watches, in ms; default ten minutes. */
  readonly historyMs?: number;
  /** Failures of the server's own controllers and of requests that are our fault. */
  readonly onError?: (what: string, error: unknown) => void;
};

const COMPACT_EVERY_MS = 60_000;
const YEAR_SECONDS = 31_536_000;
/** Clients keep idle connections; Node's default of 5 s makes reused ones fail now and then (spec section 1). */
const KEEP_ALIVE_MS = 120_000;

/** As long as the mesh itself waits for a TCP connection. */
const DIAL_TIMEOUT_MS = 10_000;

const dialHere: DialNode = (host, port) => {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = connect({ host, port });
  const timer = setTimeout(() => socket.destroy(new Error('connection timed out')), DIAL_TIMEOUT_MS);
  socket.once('connect', () => resolve(socket));
  socket.once('error', reject);
  promise.catch(() => {}).finally(() => clearTimeout(timer));
  return promise;
};

export class ApiServer implements AsyncDisposable {
  readonly #pki: Pki;
  readonly #tokens: Tokens;
  readonly #store: Store;
  readonly #now: () => Date;
  readonly #worker: Worker;
  readonly #servers: readonly Server[];
  readonly #upgraded: Set<Duplex>;
  readonly #ended: AbortController;
  readonly #compaction: NodeJS.Timeout;
  #closed = false;

  private constructor(o: {
    pki: Pki;
    tokens: Tokens;
    store: Store;
    now: () => Date;
    worker: Worker;
    servers: readonly Server[];
    upgraded: Set<Duplex>;
    ended: AbortController;
  }) {
    this.#pki = o.pki;
    this.#tokens = o.tokens;
    this.#store = o.store;
    this.#now = o.now;
    this.#worker = o.worker;
    this.#servers = o.servers;
    this.#upgraded = o.upgraded;
    this.#ended = o.ended;
    this.#compaction = setInterval(() => this.compact(), COMPACT_EVERY_MS).unref();
  }

  /** Opens the state, brings it up to date and listens. Rejects when a listener can't be bound. */
  static async start(options: ApiServerOptions): Promise<ApiServer> {
    const now = options.now ?? (() => new Date());
    const onError = options.onError ?? (() => {});
    const pki = await loadPki(options.stateDir, options.extraNames ?? [], now);
    const history = options.historyMs === undefined ? {} : { historyMs: options.historyMs };
    const path = join(options.stateDir, 'db.sqlite');
    const store = new Store({ path, now, ...history, onError: (error) => onError('a listener of the store', error) });
    const registry = new Registry(store);
    const rbac = new Rbac(store);
    const tokens = new Tokens(pki.tokenKeyPem, store, now);
    const worker = new Worker(onError);
    const ended = new AbortController();
    const own = { store, registry, now, caller: SERVER };
    startControllers(own, pki, worker);
    bootstrap(own, options.advertise ?? []);
    const streams = new PodStreams({
      store,
      dialNode: options.dialNode ?? dialHere,
      kubeletSecret: options.kubeletSecret ?? randomBytes(16).toString('hex'),
    });
    const frontend = new Frontend({
      parts: { store, registry, rbac, tokens, now },
      openapi: new OpenApi(registry),
      streams,
      ended: ended.signal,
      onError,
    });
    const upgraded = new Set<Duplex>();
    const servers: Server[] = [];
    try {
      for (const listener of options.listeners) servers.push(await listen(listener, pki, frontend, upgraded));
    } catch (error) {
      for (const server of servers) server.close();
      store[Symbol.dispose]();
      throw error;
    }
    return new ApiServer({ pki, tokens, store, now, worker, servers, upgraded, ended });
  }

  /** The bound ports, in the order of the listeners. */
  get ports(): readonly number[] {
    return this.#servers.map((server) => (server.address() as AddressInfo).port);
  }

  /** The root that clients trust. */
  get caPem(): string {
    return this.#pki.caPem;
  }

  /** A kubeconfig with a client certificate of `system:masters`. */
  adminKubeconfig(serverUrl: string): string {
    return kubeconfig(serverUrl, this.#pki.caPem, { kind: 'certificate', pair: this.#pki.admin });
  }

  /** A kubeconfig with a bearer token. */
  kubeconfigFor(serverUrl: string, token: string): string {
    return kubeconfig(serverUrl, this.#pki.caPem, { kind: 'token', token });
  }

  /** A kubeconfig for another person: a client certificate for this user and these groups. */
  async certificateKubeconfig(serverUrl: string, user: string, groups: readonly string[]): Promise<string> {
    const pair = await this.#pki.authority.client(user, groups);
    return kubeconfig(serverUrl, this.#pki.caPem, { kind: 'certificate', pair });
  }

  /** A bearer token for a lab component, valid for a year. */
  tokenFor(user: string, groups: readonly string[]): Promise<string> {
    return this.#tokens.issueUser(user, groups, YEAR_SECONDS);
  }

  /** Forgets the history beyond what is kept, and old Events; runs by itself every minute. */
  compact(): void {
    expireEvents(this.#store, this.#now());
    this.#store.compact();
  }

  /** Ends watches and streams, stops listening, closes the database. Harmless when done twice. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#compaction);
    this.#ended.abort();
    this.#worker[Symbol.dispose]();
    for (const socket of this.#upgraded) socket.destroy();
    await Promise.all(
      this.#servers.map((server) => {
        const closed = once(server, 'close');
        server.close();
        server.closeAllConnections();
        return closed;
      }),
    );
    this.#store[Symbol.dispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

type Own = ConstructorParameters<typeof GarbageCollector>[0];

function startControllers(own: Own, pki: Pki, worker: Worker): void {
  const controllers = [
    new NamespaceController(own, pki.caPem, worker),
    new GarbageCollector(own, worker),
    new CrdController(own, worker),
  ];
  for (const controller of controllers) {
    own.store.subscribe(controller.observe);
    controller.resync();
  }
}

async function listen(listener: Listener, pki: Pki, frontend: Frontend, upgraded: Set<Duplex>): Promise<Server> {
  const server = createServer(
    {
      key: pki.server.keyPem,
      cert: pki.server.certPem,
      ca: pki.caPem,
      requestCert: true,
      rejectUnauthorized: false, // a token will do; who shows neither is refused later, with a Status
      keepAliveTimeout: KEEP_ALIVE_MS,
      noDelay: true,
    },
    // Both report what fails by themselves; if even that fails, the connection is all there is left to end.
    (request, response) => void frontend.serve(request, response).catch(() => response.destroy()),
  );
  server.on('upgrade', (request, socket, head) => {
    upgraded.add(socket);
    socket.on('close', () => upgraded.delete(socket));
    void frontend.upgrade(request, socket, head).catch(() => socket.destroy());
  });
  // A peer that breaks off in the handshake concerns nobody else.
  server.on('tlsClientError', (_, socket) => socket.destroy());
  server.listen(listener);
  await once(server, 'listening');
  return server;
}
