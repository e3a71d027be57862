/**
 * HTTP connections to endpoints, kept for the next request of the same caller: each was opened in that caller's name, and the
 * destination judges by it, so another caller may never use it.
 */
import type { Leg } from '../../core/hbone/index.ts';
import {
  type ClientConnection,
  connectHttp1,
  connectHttp2,
  HttpError,
  type HttpLimits,
  type HttpVersion,
} from '../../core/http/index.ts';
import type { Source } from '../source.ts';
import type { Chosen, PortState } from './endpoints.ts';
import { tlsId } from './origination.ts';

export type PoolOptions = {
  readonly dial: (chosen: Chosen, source: Source, version: HttpVersion) => Promise<Leg>;
  readonly limits: HttpLimits;
};

/** Connections that nobody uses: callers come and go, and each has its own. */
const UNUSED_MS = 60_000;
/** HTTP/1.1 connections of one caller to one endpoint. */
const MAX_CONNECTIONS = 1_024;

/** Where no limit was set, so many may wait for a connection all the same. */
const MAX_PENDING = 1_024;

/** Where no limit was set, so many to hosts below a wildcard, of which a caller can think of more than any. */
const MAX_BY_NAME = 1_024;

/** All connections of one caller to one endpoint in one protocol. */
type Shelf = {
  readonly connections: Set<ClientConnection>;
  /** The service port whose limits they count for. */
  readonly port: PortState;
  /** HTTP/2: those who come while the first connection is made share it. */
  dialling: Promise<ClientConnection> | undefined;
  underWay: number;
};

export class Pool {
  readonly #options: PoolOptions;
  readonly #limits: HttpLimits;
  readonly #shelves = new Map<string, Shelf>();
  readonly #uses = new WeakMap<ClientConnection, number>();
  #isClosed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#limits = { ...options.limits, idleMs: UNUSED_MS, connectionMs: 0 };
  }

  get size(): number {
    let size = 0;
    for (const { connections } of this.#shelves.values()) size += connections.size;
    return size;
  }

  /** A connection that takes a request now. Rejects with HttpError `connect-failed`. */
  take(chosen: Chosen, source: Source, version: HttpVersion): ClientConnection | Promise<ClientConnection> {
    const { workload, targetPort } = chosen.candidate;
    const key = `${workload.uid}|${targetPort}|${version}|${source.header}|${tlsId(chosen.policy?.tls)}`;
    const shelf = this.#shelves.get(key);
    if (shelf !== undefined) {
      for (const connection of shelf.connections) if (connection.capacity > 0) return connection;
      if (version === 'HTTP/2' && shelf.dialling !== undefined) {
        return shelf.dialling.then((one) => (one.capacity > 0 ? one : this.#dial(key, chosen, source, version)));
      }
    }
    return this.#dial(key, chosen, source, version);
  }

  /** A request went over it: one that has carried as many as it may carries no more. */
  used(connection: ClientConnection, { policy }: Chosen): void {
    const most = policy?.limits.maxRequestsPerConnection ?? 0;
    if (most === 0) return;
    const uses = (this.#uses.get(connection) ?? 0) + 1;
    this.#uses.set(connection, uses);
    if (uses >= most) connection.drain();
  }

  /** Lets what is under way end; nothing new is opened. */
  drain(): void {
    this.#isClosed = true;
    for (const { connections } of this.#shelves.values()) for (const connection of connections) connection.drain();
  }

  cut(): void {
    this.#isClosed = true;
    for (const { connections } of this.#shelves.values()) for (const connection of connections) connection.cut();
  }

  async #dial(key: string, chosen: Chosen, source: Source, version: HttpVersion): Promise<ClientConnection> {
    let shelf = this.#shelves.get(key);
    if (shelf === undefined) {
      shelf = { connections: new Set(), port: chosen.port, dialling: undefined, underWay: 0 };
      this.#shelves.set(key, shelf);
    }
    if (shelf.connections.size + shelf.underWay >= MAX_CONNECTIONS) {
      const message = `more than ${MAX_CONNECTIONS} connections to one endpoint`;
      throw new HttpError('connect-failed', message, { detail: 'overflow', isProcessed: false });
    }
    shelf.underWay += 1;
    const dialling = this.#open(key, shelf, chosen, source, version);
    if (version === 'HTTP/2') shelf.dialling = dialling;
    try {
      return await dialling;
    } finally {
      shelf.underWay -= 1;
      if (shelf.dialling === dialling) shelf.dialling = undefined;
      this.#forgetIfEmpty(key, shelf);
    }
  }

  async #open(
    key: string,
    shelf: Shelf,
    chosen: Chosen,
    source: Source,
    version: HttpVersion,
  ): Promise<ClientConnection> {
    await this.#takeSlot(chosen);
    let leg: Leg;
    try {
      leg = await this.#options.dial(chosen, source, version);
    } catch (error) {
      chosen.port.connections.release();
      throw error;
    }
    if (this.#isClosed) {
      chosen.port.connections.release();
      leg.reset('cancel');
      throw new HttpError('connect-failed', 'the waypoint is stopping', { isProcessed: false });
    }
    const idleMs = chosen.policy?.limits.idleTimeoutMs || this.#limits.idleMs;
    const limits = idleMs === this.#limits.idleMs ? this.#limits : { ...this.#limits, idleMs };
    const options = { limits, onChange: () => this.#changed(key, shelf, connection) };
    const connection = version === 'HTTP/2' ? connectHttp2(leg, options) : connectHttp1(leg, options);
    shelf.connections.add(connection);
    void connection.closed.then(() => {
      chosen.port.connections.release();
      this.#remove(key, shelf, connection);
    });
    return connection;
  }

  /** At the limit of connections, one that nobody uses makes room; else it is waited for. */
  async #takeSlot({ port, policy, isByName }: Chosen): Promise<void> {
    const { maxConnections = 0, maxPending = 0 } = policy?.limits ?? {};
    if (port.connections.tryTake(maxConnections || (isByName ? MAX_BY_NAME : 0))) return;
    for (const shelf of this.#shelves.values()) {
      if (shelf.port !== port) continue;
      const unused = [...shelf.connections].find(({ active }) => active === 0);
      if (unused === undefined) continue;
      unused.drain();
      break;
    }
    await port.connections.wait(maxPending || MAX_PENDING);
  }

  #changed(key: string, shelf: Shelf, connection: ClientConnection): void {
    if (connection.isOver) this.#remove(key, shelf, connection);
  }

  #remove(key: string, shelf: Shelf, connection: ClientConnection): void {
    shelf.connections.delete(connection);
    this.#forgetIfEmpty(key, shelf);
  }

  #forgetIfEmpty(key: string, shelf: Shelf): void {
    if (shelf.connections.size === 0 && shelf.underWay === 0) this.#shelves.delete(key);
  }
}
