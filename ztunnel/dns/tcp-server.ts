/** The TCP side of a pod's DNS proxy: connections, each with several questions under way. */
import type { TcpConnection } from '../../core/net/index.ts';
import type { Clock } from '../../core/time/index.ts';
import type { Answerer } from './answerer.ts';
import { DnsStream } from './stream.ts';

export type TcpServerDeps = {
  readonly answerer: Pick<Answerer, 'handle'>;
  readonly clock: Clock;
  readonly idleTimeoutMs: number;
  readonly maxConnections: number;
};

/** Questions of one connection under way; further ones wait in the kernel. */
const MAX_ASKED = 32;
/** When we drain: how long a connection has for a question that is on its way already. */
const LAST_QUESTION_MS = 200;

export class TcpServer {
  readonly #deps: TcpServerDeps;
  readonly #clients = new Set<Client>();
  #whenEmpty: (() => void) | undefined;

  constructor(deps: TcpServerDeps) {
    this.#deps = deps;
  }

  serve(connection: TcpConnection): void {
    if (this.#clients.size >= this.#deps.maxConnections) {
      connection.reset();
      return;
    }
    const client: Client = new Client(connection, this.#deps, () => {
      this.#clients.delete(client);
      if (this.#clients.size === 0) this.#whenEmpty?.();
    });
    this.#clients.add(client);
  }

  /** Resolves when all connections are closed, each soon after its last answer. Nobody may come any more. */
  async finish(): Promise<void> {
    if (this.#clients.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#whenEmpty = resolve;
    for (const client of [...this.#clients]) client.hurry();
    await promise;
  }

  /** Cuts all. */
  stop(): void {
    for (const client of [...this.#clients]) client.cut();
  }
}

class Client {
  readonly #deps: TcpServerDeps;
  readonly #stream: DnsStream;
  readonly #forget: () => void;
  #asked = 0;
  #idleMs: number;
  #isLast = false;
  #isOver = false;
  #idle: Disposable | undefined;

  constructor(connection: TcpConnection, deps: TcpServerDeps, forget: () => void) {
    this.#deps = deps;
    this.#idleMs = deps.idleTimeoutMs;
    this.#forget = forget;
    this.#stream = new DnsStream(connection, {
      message: (view) => this.#message(view),
      end: () => this.#finish(),
      over: () => {
        this.#isOver = true;
        this.#idle?.[Symbol.dispose]();
        this.#forget();
      },
    });
    this.#rest();
    this.#stream.resume();
  }

  hurry(): void {
    this.#idleMs = LAST_QUESTION_MS;
    if (this.#asked === 0) this.#rest();
  }

  cut(): void {
    this.#stream.reset();
  }

  #message(view: Buffer): void {
    this.#idle?.[Symbol.dispose]();
    this.#asked += 1;
    if (this.#asked >= MAX_ASKED) this.#stream.pause();
    this.#deps.answerer.handle(view, 'tcp', (answer) => {
      this.#asked -= 1;
      if (answer === undefined)
        this.#stream.reset(); // it does not speak DNS
      else this.#stream.send(answer);
      if (this.#asked === 0) this.#rest();
      if (!this.#isLast) this.#stream.resume();
      else if (this.#asked === 0) this.#stream.close();
    });
  }

  #finish(): void {
    this.#isLast = true;
    this.#stream.pause();
    if (this.#asked === 0) this.#stream.close();
  }

  /** Also a message that does not come to its end is cut off by this. */
  #rest(): void {
    this.#idle?.[Symbol.dispose]();
    if (this.#isOver) return;
    this.#idle = this.#deps.clock.after(this.#idleMs, () => this.#stream.close());
  }
}
