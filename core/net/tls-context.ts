/** What OpenSSL needs to know of one identity: key, chain, whom it trusts, and the rules of mesh TLS. */
import ffi from 'node:ffi';
import { addressOf } from './kernel.ts';
import { alpnCallback, copyOf, ossl, takeError } from './openssl.ts';
import { word } from './word.ts';

/** Something that OpenSSL refused; `reason` as Node spells such codes. */
export class TlsError extends Error {
  override readonly name = 'TlsError';
  readonly reason: string;
  /** OpenSSL's judgement of the peer's chain, when that was the reason. */
  readonly verdict: string | undefined;
  constructor(reason: string, verdict?: string) {
    super(verdict === undefined ? reason : `${reason}: ${verdict}`);
    this.reason = reason;
    this.verdict = verdict;
  }
}

export type TlsContextOptions = {
  /** PEM. */
  readonly key: string;
  /** Leaf and intermediates; PEM. */
  readonly chain: string;
  /** PEM bundle. */
  readonly roots: string;
  /** OpenSSL's names of TLS 1.3 suites, joined by colons; a server takes the first that the client has, too. */
  readonly suites: string;
  /** The one protocol that both sides must agree on. */
  readonly protocol: string;
};

// SSL_CTX_ctrl's commands and other numbers of OpenSSL's public headers (ssl.h, tls1.h).
const SET_MIN_PROTO_VERSION = 123n;
const SET_MAX_PROTO_VERSION = 124n;
const SET_MODE = 33n;
const SET_READ_AHEAD = 41n;
const SET_SESSION_CACHE_MODE = 44n;
const CHAIN_CERT = 89n;
const TLS_1_3 = 0x304n;
/** Idle connections hold no buffers (SSL_MODE_RELEASE_BUFFERS). */
const MODE = 0x10n;
const OP_NO_TICKET = 1n << 14n;
const OP_CIPHER_SERVER_PREFERENCE = 1n << 22n;
const OP_NO_RENEGOTIATION = 1n << 30n;
const VERIFY_PEER_OR_FAIL = 1n | 2n;
const ALPN_ACCEPTED = 0;
const ALPN_ALERT_FATAL = 2;
const ADD_REFERENCE = 1n;

/** OpenSSL reads this much from the socket at once; larger saves calls on long streams. */
const READ_AHEAD_BYTES = 128 * 1024;

/** Frees the native context some time after nobody can use it any more; open connections hold their own reference. */
const collected = new FinalizationRegistry<bigint>((address) => ossl.SSL_CTX_free(address));

/** One SSL_CTX: TLS 1.3 only, the peer's certificate required and judged, no tickets and no resumption. */
export class TlsContext {
  readonly #address: bigint;

  /** @throws TlsError when the key, the chain or the roots can't be used. */
  constructor(o: TlsContextOptions) {
    ossl.ERR_clear_error();
    const address = ossl.SSL_CTX_new(ossl.TLS_method());
    if (address === 0n) throw new TlsError(takeError() ?? 'SSL_CTX_NEW');
    try {
      configure(address, o);
    } catch (error) {
      ossl.SSL_CTX_free(address);
      throw error;
    }
    this.#address = address;
    collected.register(this, address);
  }

  /** A new connection's state, to be freed by who asks. For `TlsLink` only. */
  newConnection(): bigint {
    const ssl = ossl.SSL_new(this.#address);
    if (ssl === 0n) throw new TlsError(takeError() ?? 'SSL_NEW');
    return ssl;
  }
}

function configure(address: bigint, o: TlsContextOptions): void {
  ossl.SSL_CTX_ctrl(address, SET_MIN_PROTO_VERSION, TLS_1_3, null);
  ossl.SSL_CTX_ctrl(address, SET_MAX_PROTO_VERSION, TLS_1_3, null);
  ossl.SSL_CTX_ctrl(address, SET_MODE, MODE, null);
  ossl.SSL_CTX_ctrl(address, SET_READ_AHEAD, 1n, null);
  ossl.SSL_CTX_ctrl(address, SET_SESSION_CACHE_MODE, 0n, null);
  ossl.SSL_CTX_set_default_read_buffer_len(address, BigInt(READ_AHEAD_BYTES));
  ossl.SSL_CTX_set_options(address, OP_NO_TICKET | OP_NO_RENEGOTIATION | OP_CIPHER_SERVER_PREFERENCE);
  must(ossl.SSL_CTX_set_num_tickets(address, 0n));
  must(ossl.SSL_CTX_set_ciphersuites(address, Buffer.from(`${o.suites}\0`)));
  ossl.SSL_CTX_set_verify(address, VERIFY_PEER_OR_FAIL, null);
  useChain(address, o.chain);
  withPem(o.key, (bio) => {
    // An empty passphrase instead of none: else OpenSSL would ask for one on the terminal.
    const key = ossl.PEM_read_bio_PrivateKey(bio, null, null, EMPTY);
    if (key === 0n) throw new TlsError(takeError() ?? 'PEM_READ');
    try {
      must(ossl.SSL_CTX_use_PrivateKey(address, key));
    } finally {
      ossl.EVP_PKEY_free(key);
    }
  });
  must(ossl.SSL_CTX_check_private_key(address));
  const store = ossl.SSL_CTX_get_cert_store(address);
  const roots = eachCertificate(o.roots, (root) => must(ossl.X509_STORE_add_cert(store, root)));
  if (roots === 0) throw new TlsError('NO_ROOTS');
  const offer = alpnOffer(o.protocol);
  // The other way round than everything else in OpenSSL: 0 is success.
  if (ossl.SSL_CTX_set_alpn_protos(address, offer, word(offer.length)) !== 0) throw new TlsError('ALPN');
  ossl.SSL_CTX_set_alpn_select_cb(address, selectorFor(o.protocol), null);
}

const EMPTY = Buffer.alloc(64);

function must(result: number | bigint): void {
  if (Number(result) !== 1) throw new TlsError(takeError() ?? 'TLS_CONTEXT');
}

function useChain(address: bigint, pem: string): void {
  let isLeaf = true;
  const found = eachCertificate(pem, (certificate) => {
    if (isLeaf) must(ossl.SSL_CTX_use_certificate(address, certificate));
    else must(ossl.SSL_CTX_ctrl(address, CHAIN_CERT, ADD_REFERENCE, certificate));
    isLeaf = false;
  });
  if (found === 0) throw new TlsError('NO_CERTIFICATE');
}

/** How many there were. The context takes its own reference of what it keeps. */
function eachCertificate(pem: string, use: (certificate: bigint) => void): number {
  let found = 0;
  withPem(pem, (bio) => {
    for (;;) {
      const certificate = ossl.PEM_read_bio_X509(bio, null, null, EMPTY);
      if (certificate === 0n) break; // the end, which is an error in the queue, too
      found += 1;
      try {
        use(certificate);
      } finally {
        ossl.X509_free(certificate);
      }
    }
    ossl.ERR_clear_error();
  });
  return found;
}

function withPem(pem: string, use: (bio: bigint) => void): void {
  const text = Buffer.from(pem);
  const bio = ossl.BIO_new_mem_buf(addressOf(text), word(text.length));
  try {
    use(bio);
  } finally {
    ossl.BIO_free(bio);
    text.fill(0); // it may have held a key
  }
}

const alpnOffer = (protocol: string) => Buffer.from([protocol.length, ...Buffer.from(protocol)]);

type Selector = { readonly callback: bigint; readonly answer: Buffer };
/** One for each protocol ever served, kept for good: OpenSSL holds only addresses. */
const selectors = new Map<string, Selector>();

function selectorFor(protocol: string): bigint {
  const known = selectors.get(protocol);
  if (known) return known.callback;
  const answer = Buffer.alloc(64);
  answer.write(protocol);
  const callback = alpnCallback((out, outLength, offered, offeredBytes) => {
    if (!offers(copyOf(offered, offeredBytes), protocol)) return ALPN_ALERT_FATAL;
    ffi.setUint64(out, 0, addressOf(answer));
    ffi.setUint8(outLength, 0, protocol.length);
    return ALPN_ACCEPTED;
  });
  selectors.set(protocol, { callback, answer });
  return callback;
}

/** RFC 7301 section 3.1: names with a length byte before each. */
function offers(list: Buffer, protocol: string): boolean {
  for (let at = 0; at < list.length; ) {
    const length = list[at] ?? 0;
    if (list.toString('latin1', at + 1, at + 1 + length) === protocol) return true;
    at += 1 + length;
  }
  return false;
}
