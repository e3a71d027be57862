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
  readonly #timer: NodeJS.Timeout;
  #cut: () => void;
  isOver = false;

  constructor(connection: TcpConnection, timeoutMs: number, over: (error?: HboneError) => void) {
    this.connection = connection;
    this.ends = endsOf(connection);
    this.#over = over;
    this.#cut = () => connection.reset();
    this.#timer = setTimeout(() => {
      this.fail(new HboneError('HANDSHAKE_TIMEOUT', `TLS and SETTINGS took more than ${timeoutMs} ms`));
    }, timeoutMs);
    connection.onClose(() => this.fail(new HboneError('TLS_FAILED', 'the peer hung up during the handshake')));
  }

  /** Whoever has taken the connection over says how it is cut when the handshake fails. */
  cutBy(cut: () => void): void {
    this.#cut = cut;
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
  }
}

function endsOf(connection: TcpConnection): Ends {
  const address = ({ ip, port }: IpPort): SocketAddress => ({ ip: mustParseIp(ip), port });
  return { from: address(connection.remote), to: address(connection.local) };
}
