/** The TCP side of a pod's DNS proxy: connections, each with several questions under way. */
import type { TcpConnection } from '../../core/net/index.ts';
import type { Clock } from '../clock.ts';
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

export class TcpServer {
  readonly #deps: TcpServerDeps;
  readonly #clients = new Set<Client>();
  #isFinishing = false;

  constructor(deps: TcpServerDeps) {
    this.#deps = deps;
  }

  serve(connection: TcpConnection): void {
    if (this.#isFinishing || this.#clients.size >= this.#deps.maxConnections) {
      connection.reset();
      return;
    }
    const client: Client = new Client(connection, this.#deps, () => this.#clients.delete(client));
    this.#clients.add(client);
  }

  /** Takes no more questions; a connection is closed with its last answer. */
  finish(): void {
    this.#isFinishing = true;
    for (const client of [...this.#clients]) client.finish();
  }

  /** Cuts all. */
  stop(): void {
    this.#isFinishing = true;
    for (const client of [...this.#clients]) client.cut();
  }
}

class Client {
  readonly #deps: TcpServerDeps;
  readonly #stream: DnsStream;
  readonly #forget: () => void;
  #asked = 0;
  #isLast = false;
  #isOver = false;
  #idle: Disposable | undefined;

  constructor(connection: TcpConnection, deps: TcpServerDeps, forget: () => void) {
    this.#deps = deps;
    this.#forget = forget;
    this.#stream = new DnsStream(connection, {
      message: (view) => this.#message(view),
      end: () => this.finish(),
      over: () => {
        this.#isOver = true;
        this.#idle?.[Symbol.dispose]();
        this.#forget();
      },
    });
    this.#rest();
    this.#stream.resume();
  }

  finish(): void {
    this.#isLast = true;
    this.#stream.pause();
    if (this.#asked === 0) this.#stream.close();
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

  /** Also a message that does not come to its end is cut off by this. */
  #rest(): void {
    this.#idle?.[Symbol.dispose]();
    if (this.#isOver) return;
    this.#idle = this.#deps.clock.after(this.#deps.idleTimeoutMs, () => this.#stream.close());
  }
}
