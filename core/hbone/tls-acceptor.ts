/** The server's half of a TLS handshake on a socket that somebody else accepted. */
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { type HboneError, tlsFault } from './errors.ts';
import { ALPN, contextOptions } from './tls-context.ts';
import type { TlsMaterial } from './types.ts';

export type HandshakeOutcome = { readonly socket: TLSSocket } | { readonly error: HboneError };

/**
 * Only `tls.Server` says, by public means, whether a client's chain was good; but its events do not name the raw socket. So
 * each of these runs one handshake at a time, and is used again after a good one.
 */
class Handshaker {
  readonly #server: Server;
  #done: ((outcome: HandshakeOutcome) => void) | undefined;

  constructor(material: TlsMaterial) {
    this.#server = createServer({
      ...contextOptions(material),
      ALPNProtocols: ALPN,
      requestCert: true,
      rejectUnauthorized: false, // verifyPeer decides, and says why
    });
    this.#server.on('secureConnection', (socket) => this.#settle({ socket }));
    this.#server.on('tlsClientError', (error) => this.#settle({ error: tlsFault(error) }));
  }

  /** `done` is called once, synchronously with the last handshake byte: nobody may read before it returns. */
  run(raw: Socket, done: (outcome: HandshakeOutcome) => void): void {
    this.#done = done;
    this.#server.emit('connection', raw);
  }

  #settle(outcome: HandshakeOutcome): void {
    const done = this.#done;
    this.#done = undefined;
    done?.(outcome);
  }
}

/** Shakes hands with clients, with the certificate that each handshake brings. */
export class TlsAcceptor {
  #material: TlsMaterial | undefined;
  #idle: Handshaker[] = [];

  /** Throws when the material is unusable. */
  accept(raw: Socket, material: TlsMaterial, done: (outcome: HandshakeOutcome) => void): void {
    if (material !== this.#material) {
      this.#material = material;
      this.#idle = [];
    }
    const handshaker = this.#idle.pop() ?? new Handshaker(material);
    handshaker.run(raw, (outcome) => {
      // One that failed may still have an event to come.
      if ('socket' in outcome && material === this.#material) this.#idle.push(handshaker);
      done(outcome);
    });
  }
}
