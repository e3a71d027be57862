/**
 * Where OpenSSL puts what it encrypts. One place for all links of a thread: whoever made OpenSSL write takes the bytes away
 * before anybody else's turn. So a write never blocks inside OpenSSL (where a key update that has to be answered would find
 * the record half written), and many records leave in one system call.
 */
import { copyOf, OutPointer, ossl } from './openssl.ts';
import { word } from './word.ts';

/** Room for what is written before it is taken: a gathered buffer and the largest frame, in records. */
const RING_BYTES = 512 * 1024;
const RING = word(RING_BYTES);

class Outgoing {
  readonly #in: bigint;
  readonly #out: bigint;
  readonly #at = new OutPointer();

  constructor() {
    const [into, out] = [new OutPointer(), new OutPointer()];
    // The second one's own buffer, for the way back, is never written to.
    if (ossl.BIO_new_bio_pair(into.address, RING, out.address, 1n) !== 1) {
      throw new Error('out of memory for a BIO');
    }
    this.#in = into.value;
    this.#out = out.value;
  }

  /** Makes a connection write here; it holds a reference of its own. */
  attach(ssl: bigint): void {
    ossl.BIO_up_ref(this.#in);
    ossl.SSL_set0_wbio(ssl, this.#in);
  }

  /**
   * Takes what waits: so many bytes, at `address` until OpenSSL writes again; 0 when nothing waits. The ring is empty before
   * every write, so all of it lies together.
   */
  take(): number {
    return Math.max(ossl.BIO_nread(this.#out, this.#at.address, RING), 0);
  }

  /** Of what was taken last. */
  get address(): bigint {
    return this.#at.value;
  }

  /** Copies a part of what was taken last. */
  copy(from: number, to: number): Buffer {
    return copyOf(this.#at.value + BigInt(from), to - from);
  }
}

let shared: Outgoing | undefined;

/** This thread's. @throws Error when there is no memory for it. */
export function outgoing(): Outgoing {
  shared ??= new Outgoing();
  return shared;
}

export type { Outgoing };
