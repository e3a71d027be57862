/** One TLS connection on a raw descriptor: OpenSSL reads and writes it, libuv says when. */
import { flushSoon, GATHER_BYTES, returnBuffer, takeBuffer } from './buffers.ts';
import { addressOf } from './kernel.ts';
import {
  copyOf,
  OutPointer,
  ossl,
  SSL_ERROR_WANT_READ,
  SSL_ERROR_WANT_WRITE,
  SSL_ERROR_ZERO_RETURN,
  takeError,
} from './openssl.ts';
import type { TcpConnection } from './tcp-connection.ts';
import { type TlsContext, TlsError } from './tls-context.ts';
import { READABLE, type Watch, WRITABLE } from './watch.ts';

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

type Waiting = { readonly buffer: Buffer; at: number; readonly end: number };

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
  #gathered: Buffer | undefined;
  #gatheredBytes = 0;
  /** What the kernel did not take, in order. */
  #backlog: Waiting[] = [];
  #backlogBytes = 0;
  #wantsWrite = false;
  #isPeerGone = false;
  #goodbye: NodeJS.Timeout | undefined;

  /** Takes the connection over and begins to shake hands. @throws KernelError, TlsError */
  constructor(connection: TcpConnection, context: TlsContext, role: 'client' | 'server', events: TlsLinkEvents) {
    this.#events = events;
    this.#connection = connection;
    connection.onClose(() => this.#broke(new TlsError('CONNECTION_CLOSED')));
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
      if (ossl.SSL_set_fd(ssl, connection.fd) !== 1) throw new TlsError(takeError() ?? 'SSL_SET_FD');
    } catch (error) {
      if (ssl !== undefined) ossl.SSL_free(ssl);
      connection.reset();
      throw error;
    }
    if (role === 'server') {
      ossl.SSL_set_accept_state(ssl);
      this.#want();
    } else {
      ossl.SSL_set_connect_state(ssl);
      this.#wantsWrite = true; // the first hello goes out in the next turn, never from inside the constructor
      this.#want();
    }
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
    return Array.from({ length: ossl.OPENSSL_sk_num(chain) }, (_, i) => derOf(ossl.OPENSSL_sk_value(chain, i)));
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
      this.#gathered.set(at === 0 && n === bytes.length ? bytes : bytes.subarray(at, at + n), this.#gatheredBytes);
      this.#gatheredBytes += n;
      at += n;
      if (this.#gatheredBytes === GATHER_BYTES) this.flush();
    }
  }

  /** Encrypts what was gathered and hands it to the kernel. */
  flush(): void {
    const buffer = this.#gathered;
    if (buffer === undefined) return;
    const end = this.#gatheredBytes;
    this.#gathered = undefined;
    this.#gatheredBytes = 0;
    if (this.#state !== 'open' && this.#state !== 'leaving') return void returnBuffer(buffer);
    this.#backlog.push({ buffer, at: 0, end });
    this.#backlogBytes += end;
    if (this.#backlog.length === 1) this.#send();
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
      this.#shake();
      if (this.#isOver() || this.#state === 'handshake') return;
      this.#read(); // what came with the last handshake bytes is inside OpenSSL already
      return;
    }
    if ((mask & WRITABLE) !== 0) this.#send();
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
    if (result === 1) {
      this.#state = 'open';
      this.#wantsWrite = false;
      this.#want();
      this.#events.secured();
      return;
    }
    const error = ossl.SSL_get_error(this.#ssl, result);
    if (error === SSL_ERROR_WANT_READ || error === SSL_ERROR_WANT_WRITE) {
      this.#wantsWrite = error === SSL_ERROR_WANT_WRITE;
      this.#want();
      return;
    }
    const reason = takeError() ?? 'HANDSHAKE_ENDED';
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
          READ_BYTES - filled,
        );
        if (result <= 0) break;
        filled += result;
      }
      const error = result > 0 ? 0 : ossl.SSL_get_error(this.#ssl, result);
      const reason = error === 0 || error === SSL_ERROR_WANT_READ ? undefined : takeError();
      if (filled > 0 && this.#state === 'open') this.#events.data(incoming.subarray(0, filled));
      if (this.#isOver()) return;
      if (error === SSL_ERROR_WANT_READ) return;
      if (error === SSL_ERROR_WANT_WRITE) {
        this.#wantsWrite = true; // an answer to a key update
        return void this.#want();
      }
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

  #send(): void {
    const wasBlocked = this.#wantsWrite;
    this.#wantsWrite = false;
    for (let head = this.#backlog[0]; head !== undefined; head = this.#backlog[0]) {
      ossl.ERR_clear_error();
      const result = ossl.SSL_write(this.#ssl, addressOf(head.buffer) + BigInt(head.at), head.end - head.at);
      if (result > 0) {
        head.at += result;
        this.#backlogBytes -= result;
        if (head.at < head.end) continue;
        this.#backlog.shift();
        returnBuffer(head.buffer);
        continue;
      }
      const error = ossl.SSL_get_error(this.#ssl, result);
      if (error === SSL_ERROR_WANT_WRITE || error === SSL_ERROR_WANT_READ) {
        this.#wantsWrite = error === SSL_ERROR_WANT_WRITE;
        break;
      }
      // Broken for writing; who calls may be deep inside a stream, so it is told later, by the read that finds the same.
      const reason = new TlsError(takeError() ?? 'CONNECTION_BROKEN');
      this.#dropBacklog();
      setImmediate(() => this.#broke(reason));
      break;
    }
    this.#want();
    if (this.#state === 'leaving') this.#leaveIfSent();
    else if (wasBlocked && this.#backlog.length === 0 && this.#state === 'open') this.#events.drained();
  }

  #leaveIfSent(): void {
    if (this.#backlog.length > 0) return;
    ossl.ERR_clear_error();
    ossl.SSL_shutdown(this.#ssl); // close_notify; the answer does not matter
    ossl.ERR_clear_error();
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
    if (this.#state !== 'closed') this.#watch.want(READABLE | (this.#wantsWrite ? WRITABLE : 0));
  }

  #dropBacklog(): void {
    for (const { buffer } of this.#backlog) returnBuffer(buffer);
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
  const der = Buffer.alloc(Math.max(64, ossl.i2d_X509(certificate, null)));
  const out = new OutPointer();
  out.set(addressOf(der)); // OpenSSL moves this pointer to the end
  return der.subarray(0, ossl.i2d_X509(certificate, out.address));
}
