/**
 * The door to OpenSSL and to nghttp2's header decoder: both are in the Node binary, which exports them for add-ons.
 *
 * Nothing outside `core/net` imports this file. OpenSSL's error queue belongs to the thread, and Node's own TLS uses it, too:
 * whoever calls `SSL_*` clears it before, and asks `SSL_get_error` right after.
 */
import ffi from 'node:ffi';
import { addressOf } from './kernel.ts';

const TABLE = {
  TLS_method: { arguments: [], return: 'pointer' },
  SSL_CTX_new: { arguments: ['pointer'], return: 'pointer' },
  SSL_CTX_free: { arguments: ['pointer'], return: 'void' },
  SSL_CTX_ctrl: { arguments: ['pointer', 'i32', 'i64', 'pointer'], return: 'i64' },
  SSL_CTX_set_options: { arguments: ['pointer', 'u64'], return: 'u64' },
  SSL_CTX_set_num_tickets: { arguments: ['pointer', 'u64'], return: 'i32' },
  SSL_CTX_set_ciphersuites: { arguments: ['pointer', 'pointer'], return: 'i32' },
  SSL_CTX_set_verify: { arguments: ['pointer', 'i32', 'pointer'], return: 'void' },
  SSL_CTX_set_default_read_buffer_len: { arguments: ['pointer', 'u64'], return: 'void' },
  SSL_CTX_use_certificate: { arguments: ['pointer', 'pointer'], return: 'i32' },
  SSL_CTX_use_PrivateKey: { arguments: ['pointer', 'pointer'], return: 'i32' },
  SSL_CTX_check_private_key: { arguments: ['pointer'], return: 'i32' },
  SSL_CTX_get_cert_store: { arguments: ['pointer'], return: 'pointer' },
  SSL_CTX_set_alpn_protos: { arguments: ['pointer', 'pointer', 'u32'], return: 'i32' },
  SSL_CTX_set_alpn_select_cb: { arguments: ['pointer', 'pointer', 'pointer'], return: 'void' },
  X509_STORE_add_cert: { arguments: ['pointer', 'pointer'], return: 'i32' },
  BIO_new_mem_buf: { arguments: ['pointer', 'i32'], return: 'pointer' },
  BIO_free: { arguments: ['pointer'], return: 'i32' },
  PEM_read_bio_X509: { arguments: ['pointer', 'pointer', 'pointer', 'pointer'], return: 'pointer' },
  PEM_read_bio_PrivateKey: { arguments: ['pointer', 'pointer', 'pointer', 'pointer'], return: 'pointer' },
  X509_free: { arguments: ['pointer'], return: 'void' },
  EVP_PKEY_free: { arguments: ['pointer'], return: 'void' },
  i2d_X509: { arguments: ['pointer', 'pointer'], return: 'i32' },
  SSL_new: { arguments: ['pointer'], return: 'pointer' },
  SSL_free: { arguments: ['pointer'], return: 'void' },
  SSL_set_fd: { arguments: ['pointer', 'i32'], return: 'i32' },
  SSL_set_accept_state: { arguments: ['pointer'], return: 'void' },
  SSL_set_connect_state: { arguments: ['pointer'], return: 'void' },
  SSL_do_handshake: { arguments: ['pointer'], return: 'i32' },
  SSL_read: { arguments: ['pointer', 'pointer', 'i32'], return: 'i32' },
  SSL_write: { arguments: ['pointer', 'pointer', 'i32'], return: 'i32' },
  SSL_set0_wbio: { arguments: ['pointer', 'pointer'], return: 'void' },
  BIO_new_bio_pair: { arguments: ['pointer', 'u64', 'pointer', 'u64'], return: 'i32' },
  BIO_up_ref: { arguments: ['pointer'], return: 'i32' },
  BIO_nread: { arguments: ['pointer', 'pointer', 'i32'], return: 'i32' },
  SSL_get_rbio: { arguments: ['pointer'], return: 'pointer' },
  BIO_number_read: { arguments: ['pointer'], return: 'u64' },
  SSL_shutdown: { arguments: ['pointer'], return: 'i32' },
  SSL_get_error: { arguments: ['pointer', 'i32'], return: 'i32' },
  SSL_get_verify_result: { arguments: ['pointer'], return: 'i64' },
  SSL_get1_peer_certificate: { arguments: ['pointer'], return: 'pointer' },
  SSL_get0_verified_chain: { arguments: ['pointer'], return: 'pointer' },
  OPENSSL_sk_num: { arguments: ['pointer'], return: 'i32' },
  OPENSSL_sk_value: { arguments: ['pointer', 'i32'], return: 'pointer' },
  SSL_get0_alpn_selected: { arguments: ['pointer', 'pointer', 'pointer'], return: 'void' },
  ERR_clear_error: { arguments: [], return: 'void' },
  ERR_peek_error: { arguments: [], return: 'u64' },
  ERR_error_string_n: { arguments: ['u64', 'pointer', 'u64'], return: 'void' },
  nghttp2_hd_inflate_new: { arguments: ['pointer'], return: 'i32' },
  nghttp2_hd_inflate_del: { arguments: ['pointer'], return: 'void' },
  nghttp2_hd_inflate_hd2: {
    arguments: ['pointer', 'pointer', 'pointer', 'pointer', 'u64', 'i32'],
    return: 'i64',
  },
  nghttp2_hd_inflate_end_headers: { arguments: ['pointer'], return: 'i32' },
} as const;

type Native = ReturnType<typeof ffi.dlopen<typeof TABLE>>;

// Used as a whole below and kept by this module: once the library is collected, the functions taken from it dangle.
let native: Native | undefined;
let problem: string | undefined;
try {
  native = ffi.dlopen(null, TABLE);
} catch (error) {
  problem = error instanceof Error ? error.message : String(error); // told by `tlsProblem`; no call below is made then
}

/** Why this Node can't be used for TLS on raw descriptors: it lacks a function. Undefined when it can. */
export const missingFunction = (): string | undefined => problem;

function loaded(): Native {
  if (native === undefined) throw new Error(`TLS on raw descriptors is not possible with this Node: ${problem}`);
  return native;
}

export const ossl: Native['functions'] = native?.functions ?? ({} as Native['functions']);

/** `SSL_CTX_set_alpn_select_cb`'s callback; it must not throw. */
export const alpnCallback = (
  select: (out: bigint, outLength: bigint, offered: bigint, offeredBytes: number) => number,
): bigint =>
  loaded().lib.registerCallback(
    { arguments: ['pointer', 'pointer', 'pointer', 'pointer', 'u32', 'pointer'], return: 'i32' },
    (_ssl, out, outLength, offered, offeredBytes) =>
      select(out as bigint, outLength as bigint, offered as bigint, offeredBytes),
  );

/** A copy of foreign memory. */
export const copyOf = (address: bigint, bytes: number): Buffer => ffi.toBuffer(address, bytes, true);

export const SSL_ERROR_SSL = 1;
export const SSL_ERROR_WANT_READ = 2;
export const SSL_ERROR_WANT_WRITE = 3;
export const SSL_ERROR_SYSCALL = 5;
export const SSL_ERROR_ZERO_RETURN = 6;

const ERROR_TEXT_BYTES = 256;
const errorText = Buffer.alloc(ERROR_TEXT_BYTES);

/** The oldest complaint in OpenSSL's queue, as Node spells such codes (`UNSUPPORTED_PROTOCOL`); clears the queue. */
export function takeError(): string | undefined {
  const code = ossl.ERR_peek_error();
  ossl.ERR_clear_error();
  if (code === 0n) return undefined;
  ossl.ERR_error_string_n(code, errorText, BigInt(ERROR_TEXT_BYTES));
  const text = errorText.toString('latin1', 0, errorText.indexOf(0));
  return (text.split(':').at(-1) ?? text).toUpperCase().replaceAll(/[^A-Z0-9]+/g, '_');
}

/** The address that a `T **` result was written to. */
export class OutPointer {
  readonly #memory = Buffer.alloc(64);
  readonly address = addressOf(this.#memory);

  get value(): bigint {
    return this.#memory.readBigUInt64LE(0);
  }

  set(value: bigint): void {
    this.#memory.writeBigUInt64LE(value, 0);
  }
}
