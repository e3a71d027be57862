/** The time between an accepted socket and running HTTP/2. */
import { mustParseIp, type SocketAddress } from '../../mesh/index.ts';
import type { IpPort, TcpConnection } from '../net/index.ts';
import { HboneError } from './errors.ts';

export type Ends = { readonly from: SocketAddress; readonly to: SocketAddress };

/** From an accepted connection to running HTTP/2, with one deadline over all of it. */
export class Handshake {
  readonly connection: TcpConnection;
  readonly ends: Ends;
  readonly #over: (error?: HboneError) => void;
  #timer: NodeJS.Timeout | undefined;
  #cut: () => void;
  #hasHeard: () => boolean = () => false;
  isOver = false;

  constructor(connection: TcpConnection, timeoutMs: number, over: (error?: HboneError) => void) {
    this.connection = connection;
    this.ends = endsOf(connection);
    this.#over = over;
    this.#cut = () => connection.reset();
    this.#timer = setTimeout(() => {
      this.fail(new HboneError('HANDSHAKE_TIMEOUT', `TLS and SETTINGS took more than ${timeoutMs} ms`));
    }, timeoutMs);
    connection.onClose(() => this.lost());
  }

  /** Whoever has taken the connection over says how it is cut when the handshake fails, and whether the peer ever spoke. */
  takenBy(o: { readonly cut: () => void; readonly hasHeard: () => boolean }): void {
    this.#cut = o.cut;
    this.#hasHeard = o.hasHeard;
  }

  /** The peer broke it off, for this reason. */
  lost(error = new HboneError('TLS_FAILED', 'the peer hung up during the handshake')): void {
    this.fail(this.#hasHeard() ? error : new HboneError('NOTHING_SAID', 'the peer left without a word'));
  }

  succeed(): void {
    this.#finish();
  }

  /** Harmless when it is over already. */
  fail(error: HboneError): void {
    if (this.isOver) return;
    this.#finish(error);
    this.#cut();
  }

  #finish(error?: HboneError): void {
    if (this.isOver) return;
    this.isOver = true;
    clearTimeout(this.#timer);
    this.#over(error);
    // It lives as long as its connection, and has nothing to do any more.
    this.#timer = undefined;
    if (error === undefined) this.takenBy({ cut: () => {}, hasHeard: () => true });
  }
}

function endsOf(connection: TcpConnection): Ends {
  const address = ({ ip, port }: IpPort): SocketAddress => ({ ip: mustParseIp(ip), port });
  return { from: address(connection.remote), to: address(connection.local) };
}
