/** The time between an accepted socket and running HTTP/2. */
import type { Socket } from 'node:net';
import { mustParseIp, type SocketAddress } from '../../mesh/index.ts';
import { HboneError } from './errors.ts';
import { resetSoon } from './session.ts';

export type Ends = { readonly from: SocketAddress; readonly to: SocketAddress };

/** From an accepted socket to running HTTP/2, with one deadline over all of it. */
export class Handshake {
  readonly socket: Socket;
  readonly ends: Ends;
  readonly #over: (error?: HboneError) => void;
  readonly #timer: NodeJS.Timeout;
  readonly #onClose = () => this.fail(new HboneError('TLS_FAILED', 'the peer hung up during the handshake'));
  isOver = false;

  constructor(socket: Socket, ends: Ends, timeoutMs: number, over: (error?: HboneError) => void) {
    this.socket = socket;
    this.ends = ends;
    this.#over = over;
    this.#timer = setTimeout(() => {
      this.fail(new HboneError('HANDSHAKE_TIMEOUT', `TLS and SETTINGS took more than ${timeoutMs} ms`));
    }, timeoutMs);
    socket.once('close', this.#onClose);
  }

  succeed(): void {
    this.#finish();
  }

  /** Harmless when it is over already. */
  fail(error: HboneError): void {
    if (this.isOver) return;
    this.#finish(error);
    resetSoon(this.socket);
  }

  #finish(error?: HboneError): void {
    if (this.isOver) return;
    this.isOver = true;
    clearTimeout(this.#timer);
    this.socket.off('close', this.#onClose);
    this.#over(error);
  }
}

/** Both ends of an accepted socket; undefined when the peer has already left. */
export function endsOf(socket: Socket): Ends | undefined {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  if (remoteAddress === undefined || remotePort === undefined || localAddress === undefined || !localPort)
    return undefined;
  return {
    from: { ip: mustParseIp(withoutZone(remoteAddress)), port: remotePort },
    to: { ip: mustParseIp(withoutZone(localAddress)), port: localPort },
  };
}

function withoutZone(address: string): string {
  return address.split('%')[0] ?? address;
}
