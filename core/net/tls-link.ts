/** One TLS connection on a raw descriptor: OpenSSL reads and writes it, libuv says when. */
import { GATHER_BYTES, type Gather, returnBuffer, takeBuffer } from './buffers.ts';
import { addressOf, EAGAIN, EINTR, sys } from './kernel.ts';
import { copyOf, OutPointer, ossl, SSL_ERROR_WANT_READ, SSL_ERROR_ZERO_RETURN, takeError } from './openssl.ts';
import { type Outgoing, outgoing } from './outgoing.ts';
import type { TcpConnection } from './tcp-connection.ts';
import { withHeadroom } from './tcp-link.ts';
import { type TlsContext, TlsError } from './tls-context.ts';
import { flushSoon } from './turn.ts';
import { READABLE, type Watch, WRITABLE } from './watch.ts';
import { word } from './word.ts';

export type TlsLinkEvents = {
  /** The handshake is done, and OpenSSL has judged the peer's chain. */
  secured(): void;
  /** Valid only during the call. */
  data(view: Buffer): void;
  /** What did not fit has gone out; `isBlocked` is false again. */
  drained(): void;
  /** The peer ended or the connection broke; told once, and not after `end` or `reset` of our own. */
  over(error: TlsError | undefined): void;
  /** Everything is freed and closed. */
  closed(): void;
};

/** Read by all links of this thread, one after the other. Larger reads cost fewer calls on long streams. */
const READ_BYTES = 256 * 1024;
const incoming = Buffer.alloc(READ_BYTES);
const incomingAddress = addressOf(incoming);
/** Full reads in a row before other links have their turn. */
const READS_A_TURN = 4;
/** How long a peer may take to read our goodbye. */
const GOODBYE_MS = 1_000;

/** X509_V_ERR_…, as Node names them. */
const VERDICTS: Readonly<Record<number, string>> = {
  2: 'UNABLE_TO_GET_ISSUER_CERT',
  7: 'CERT_SIGNATURE_FAILURE',
  9: 'CERT_NOT_YET_VALID',
  10: 'CERT_HAS_EXPIRED',
  18: 'DEPTH_ZERO_SELF_SIGNED_CERT',
  19: 'SELF_SIGNED_CERT_IN_CHAIN',
  20: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  21: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  22: 'CERT_CHAIN_TOO_LONG',
  23: 'CERT_REVOKED',
  24: 'INVALID_CA',
  25: 'PATH_LENGTH_EXCEEDED',
  26: 'INVALID_PURPOSE',
  27: 'CERT_UNTRUSTED',
  28: 'CERT_REJECTED',
  79: 'INVALID_CA',
};

/** From here on a frame is encrypted where it lies; below, the copy is cheaper than a record of its own. */
const DIRECT_BYTES = 4 * 1024;

/**
 *     handshake --secured--> open --end()--> leaving --> closed
 *         \                   |   (told `over` first when the peer ended or broke)
 *          +------reset()-----+---------------------> closed
 */
export class TlsLink {
  readonly #events: TlsLinkEvents;
  readonly #connection: TcpConnection;
  readonly #watch: Watch;
  readonly #ssl: bigint;
  #state: 'handshake' | 'open' | 'leaving' | 'closed' = 'handshake';
  /** Bytes of this poll phase, not yet encrypted. */
  #gathered: Gather | undefined;
  #gatheredBytes = 0;
  readonly #out: Outgoing;
  /** What is encrypted and the kernel did not take, in order. */
  #backlog: Buffer[] = [];
  #backlogBytes = 0;
  #isPeerGone = false;
  #hasSaidGoodbye = false;
  #goodbye: NodeJS.Timeout | undefined;

  /** Takes the connection over and begins to shake hands. @throws KernelError, TlsError */
  constructor(connection: TcpConnection, context: TlsContext, role: 'client' | 'server', events: TlsLinkEvents) {
    this.#events = events;
    this.#connection = connection;
    let ssl: bigint | undefined;
    try {
      ssl = context.newConnection();
      this.#ssl = ssl;
      this.#watch = connection.watch({
        ready: (status, mask) => this.#ready(status, mask),
        failed: (error) => {
          throw error; // ours alone: rethrown as an uncaught exception
        },
      });
      ossl.ERR_clear_error();
      if (ossl.SSL_set_fd(ssl, word(connection.fd)) !== 1) throw new TlsError(takeError() ?? 'SSL_SET_FD');
      this.#out = outgoing();
      this.#out.attach(ssl);
    } catch (error) {
      if (ssl !== undefined) ossl.SSL_free(ssl);
      connection.reset();
      throw error;
    }
    // Not before: a link that never came to be has nothing to free.
    connection.onClose(() => this.#broke(new TlsError('CONNECTION_CLOSED')));
    if (role === 'server') ossl.SSL_set_accept_state(ssl);
    else ossl.SSL_set_connect_state(ssl);
    // The first hello goes out in the next turn, never from inside the constructor.
    this.#watch.want(role === 'server' ? READABLE : READABLE | WRITABLE);
  }

  /** Something is waiting for the kernel; whoever can should hold back until `drained`. */
  get isBlocked(): boolean {
    return this.#backlog.length > 0;
  }

  /** Bytes that wait for the kernel. */
  get backlogBytes(): number {
    return this.#backlogBytes;
  }

  /** Whether the peer has said anything at all. */
  get hasHeard(): boolean {
    if (this.#state !== 'handshake') return true;
    return ossl.BIO_number_read(ossl.SSL_get_rbio(this.#ssl)) > 0n;
  }

  /** What was agreed on; empty when nothing was. */
  get protocol(): string {
    if (this.#state === 'closed') return '';
    const at = new OutPointer();
    const length = new OutPointer();
    ossl.SSL_get0_alpn_selected(this.#ssl, at.address, length.address);
    const bytes = Number(length.value & 0xffff_ffffn);
    return bytes === 0 ? '' : copyOf(at.value, bytes).toString('latin1');
  }

  /** DER of the peer's leaf. */
  peerCertificate(): Buffer | undefined {
    if (this.#state === 'closed') return undefined;
    const certificate = ossl.SSL_get1_peer_certificate(this.#ssl);
    if (certificate === 0n) return undefined;
    try {
      return derOf(certificate);
    } finally {
      ossl.X509_free(certificate);
    }
  }

  /** DER of the chain that OpenSSL verified: the peer's leaf first, the trusted root last; empty when there is none. */
  verifiedChain(): readonly Buffer[] {
    if (this.#state === 'closed') return [];
    const chain = ossl.SSL_get0_verified_chain(this.#ssl);
    if (chain === 0n) return [];
    return Array.from({ length: ossl.OPENSSL_sk_num(chain) }, (_, i) => derOf(ossl.OPENSSL_sk_value(chain, word(i))));
  }

  /** Gathers bytes; they go out at the end of this poll phase, or when the buffer is full. */
  write(bytes: Uint8Array): void {
    if (this.#state !== 'open') return;
    for (let at = 0; at < bytes.length; ) {
      if (this.#gathered === undefined) {
        this.#gathered = takeBuffer();
        flushSoon(this);
      }
      const n = Math.min(GATHER_BYTES - this.#gatheredBytes, bytes.length - at);
      this.#gathered.bytes.set(
        at === 0 && n === bytes.length ? bytes : bytes.subarray(at, at + n),
        this.#gatheredBytes,
      );
      this.#gatheredBytes += n;
      at += n;
      if (this.#gatheredBytes === GATHER_BYTES) this.flush();
    }
  }

  /** The same for a frame. A large one is encrypted where it lies, when there is room for its header in front of it. */
  writeFrame(header: Uint8Array, payload: Uint8Array): void {
    const memory = payload.length < DIRECT_BYTES ? undefined : withHeadroom(payload);
    if (memory === undefined) {
      this.write(header);
      this.write(payload);
      return;
    }
    if (this.#state !== 'open') return;
    this.#encryptGathered();
    const at = payload.byteOffset - memory.byteOffset - header.length;
    memory.set(header, at);
    this.#encrypt(addressOf(memory) + BigInt(at), header.length + payload.length);
    this.#ship();
  }

  /** Encrypts what was gathered and hands it to the kernel. */
  flush(): void {
    if (this.#gathered === undefined) return;
    this.#encryptGathered();
    this.#ship();
  }

  #encryptGathered(): void {
    const buffer = this.#gathered;
    if (buffer === undefined) return;
    const bytes = this.#gatheredBytes;
    this.#gathered = undefined;
    this.#gatheredBytes = 0;
    if (this.#state === 'open' || this.#state === 'leaving') this.#encrypt(buffer.address, bytes);
    returnBuffer(buffer);
  }

  /** All of it becomes records in one go: there is always room, since `#ship` follows. */
  #encrypt(address: bigint, bytes: number): void {
    ossl.ERR_clear_error();
    const result = ossl.SSL_write(this.#ssl, address, word(bytes));
    if (result === bytes) return;
    // Who calls may be deep inside a stream, so it is told later.
    const reason = new TlsError(takeError() ?? 'WRITE_FAILED');
    setImmediate(() => this.#broke(reason));
  }

  /** Takes away what OpenSSL wrote: to the kernel, and what it does not take to the backlog. */
  #ship(): void {
    const length = this.#out.take();
    if (length === 0) return;
    const sent = this.#backlog.length > 0 ? 0 : this.#sendNow(this.#out.address, length);
    if (sent === length || this.#state === 'closed') return;
    const rest = this.#out.copy(sent, length);
    this.#backlog.push(rest);
    this.#backlogBytes += rest.length;
    this.#want();
  }

  /** How much the kernel took. */
  #sendNow(from: bigint, bytes: number): number {
    const sent = sys.sendAt(this.#connection.fd, from, bytes);
    if (sent >= 0) return sent;
    if (sent !== -EAGAIN && sent !== -EINTR) setImmediate(() => this.#broke(new TlsError('CONNECTION_BROKEN')));
    return 0;
  }

  /** Sends what is left, says goodbye, and closes when the peer has read it, or soon. */
  end(): void {
    if (this.#state === 'handshake') return void this.reset();
    if (this.#state !== 'open') return;
    this.flush();
    if (this.#isOver()) return;
    this.#state = 'leaving';
    if (this.#isPeerGone) return void this.#close('close');
    this.#goodbye = setTimeout(() => this.#close('close'), GOODBYE_MS);
    this.#leaveIfSent();
  }

  /** Cuts with a TCP reset. */
  reset(): void {
    this.#close('reset');
  }

  #ready(status: number, mask: number): void {
    if (status < 0) return void this.#lastWords();
    if (this.#state === 'handshake') {
      if (this.#backlog.length > 0) this.#sendBacklog();
      this.#shake();
      if (this.#isOver() || this.#state === 'handshake') return;
      this.#read(); // what came with the last handshake bytes is inside OpenSSL already
      return;
    }
    if ((mask & WRITABLE) !== 0) this.#sendBacklog();
    if (!this.#isOver() && (mask & ~WRITABLE) !== 0) this.#read();
  }

  /** The kernel reports an error, and libuv watches no more: what had arrived before it still counts. */
  #lastWords(): void {
    if (this.#state === 'handshake') this.#shake();
    if (!this.#isOver() && this.#state !== 'handshake') this.#read();
    this.#broke(new TlsError('CONNECTION_BROKEN'));
  }

  #shake(): void {
    ossl.ERR_clear_error();
    const result = ossl.SSL_do_handshake(this.#ssl);
    const error = result === 1 ? 0 : ossl.SSL_get_error(this.#ssl, word(result));
    const reason = error === 0 || error === SSL_ERROR_WANT_READ ? '' : (takeError() ?? 'HANDSHAKE_ENDED');
    this.#ship();
    this.#want();
    if (error === SSL_ERROR_WANT_READ) return;
    if (error === 0) {
      this.#state = 'open';
      this.#events.secured();
      return;
    }
    const verdict = Number(ossl.SSL_get_verify_result(this.#ssl));
    this.#broke(
      reason === 'CERTIFICATE_VERIFY_FAILED'
        ? new TlsError(reason, VERDICTS[verdict] ?? `X509_${verdict}`)
        : new TlsError(reason),
    );
  }

  #read(): void {
    for (let turn = 0; turn < READS_A_TURN; turn++) {
      let filled = 0;
      let result = 0;
      ossl.ERR_clear_error();
      while (filled < READ_BYTES) {
        result = ossl.SSL_read(
          this.#ssl,
          filled === 0 ? incomingAddress : incomingAddress + BigInt(filled),
          word(READ_BYTES - filled),
        );
        if (result <= 0) break;
        filled += result; // until nothing is left: what comes meanwhile shares this turn
      }
      const error = result > 0 ? 0 : ossl.SSL_get_error(this.#ssl, word(result));
      const reason = error === 0 || error === SSL_ERROR_WANT_READ ? undefined : takeError();
      this.#ship(); // the answer to a key update, or an alert
      if (filled > 0 && this.#state === 'open') this.#events.data(incoming.subarray(0, filled));
      if (this.#isOver()) return;
      if (error === SSL_ERROR_WANT_READ) return;
      if (error !== 0) {
        return void this.#broke(
          error === SSL_ERROR_ZERO_RETURN ? undefined : new TlsError(reason ?? 'CONNECTION_BROKEN'),
        );
      }
    }
    // OpenSSL may hold bytes that no readiness will tell of.
    setImmediate(() => {
      if (this.#state === 'open' || this.#state === 'leaving') this.#read();
    });
  }

  #sendBacklog(): void {
    for (let head = this.#backlog[0]; head !== undefined; head = this.#backlog[0]) {
      const sent = this.#sendNow(addressOf(head), head.length);
      this.#backlogBytes -= sent;
      if (sent < head.length) {
        this.#backlog[0] = head.subarray(sent);
        return;
      }
      this.#backlog.shift();
    }
    this.#want();
    if (this.#state === 'leaving') this.#leaveIfSent();
    else if (this.#state === 'open') this.#events.drained();
  }

  #leaveIfSent(): void {
    if (!this.#hasSaidGoodbye) {
      this.#hasSaidGoodbye = true;
      ossl.ERR_clear_error();
      ossl.SSL_shutdown(this.#ssl); // close_notify; the answer does not matter
      ossl.ERR_clear_error();
      this.#ship();
    }
    if (this.#backlog.length > 0) return;
    // Closing with unread bytes would be a reset, which may overtake what we have sent: so we read until the peer ends.
    this.#connection.shutdown();
  }

  #broke(error: TlsError | undefined): void {
    if (this.#isOver() || this.#isPeerGone) return;
    this.#isPeerGone = true;
    const wasLeaving = this.#state === 'leaving';
    if (!wasLeaving) this.#events.over(error);
    if (!this.#isOver()) this.#close(error === undefined || wasLeaving ? 'close' : 'reset');
  }

  #isOver(): boolean {
    return this.#state === 'closed';
  }

  #want(): void {
    if (this.#state !== 'closed') this.#watch.want(READABLE | (this.#backlog.length > 0 ? WRITABLE : 0));
  }

  #dropBacklog(): void {
    this.#backlog = [];
    this.#backlogBytes = 0;
  }

  #close(how: 'close' | 'reset'): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    clearTimeout(this.#goodbye);
    this.#dropBacklog();
    if (this.#gathered) returnBuffer(this.#gathered);
    this.#gathered = undefined;
    if (how === 'reset') this.#connection.reset();
    else this.#connection.close();
    // Not from inside one of its own calls, which may be below us on the stack.
    setImmediate(() => {
      ossl.SSL_free(this.#ssl);
      this.#events.closed();
    });
  }
}

function derOf(certificate: bigint): Buffer {
  const der = Buffer.alloc(Math.max(64, ossl.i2d_X509(certificate, 0n)));
  const out = new OutPointer();
  out.set(addressOf(der)); // OpenSSL moves this pointer to the end
  return der.subarray(0, ossl.i2d_X509(certificate, out.address));
}
