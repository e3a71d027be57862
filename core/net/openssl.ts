/**
 * The door to OpenSSL: it is in the Node binary, which exports it for add-ons.
 *
 * Nothing outside `core/net` imports this file. OpenSSL's error queue belongs to the thread, and Node's own TLS uses it, too:
 * whoever calls `SSL_*` clears it before, and asks `SSL_get_error` right after.
 */
import ffi from 'node:ffi';
import { addressOf } from './kernel.ts';
import { WORD } from './word.ts';

const TABLE = {
  TLS_method: { arguments: [], return: 'pointer' },
  SSL_CTX_new: { arguments: [WORD], return: 'pointer' },
  SSL_CTX_free: { arguments: [WORD], return: 'void' },
  SSL_CTX_ctrl: { arguments: [WORD, WORD, WORD, WORD], return: 'i64' },
  SSL_CTX_set_options: { arguments: [WORD, WORD], return: 'u64' },
  SSL_CTX_set_num_tickets: { arguments: [WORD, WORD], return: 'i32' },
  SSL_CTX_set_ciphersuites: { arguments: [WORD, WORD], return: 'i32' },
  SSL_CTX_set_verify: { arguments: [WORD, WORD, WORD], return: 'void' },
  SSL_CTX_set_default_read_buffer_len: { arguments: [WORD, WORD], return: 'void' },
  SSL_CTX_use_certificate: { arguments: [WORD, WORD], return: 'i32' },
  SSL_CTX_use_PrivateKey: { arguments: [WORD, WORD], return: 'i32' },
  SSL_CTX_check_private_key: { arguments: [WORD], return: 'i32' },
  SSL_CTX_get_cert_store: { arguments: [WORD], return: 'pointer' },
  SSL_CTX_set_alpn_protos: { arguments: [WORD, WORD, WORD], return: 'i32' },
  SSL_CTX_set_alpn_select_cb: { arguments: [WORD, WORD, WORD], return: 'void' },
  X509_STORE_add_cert: { arguments: [WORD, WORD], return: 'i32' },
  BIO_new_mem_buf: { arguments: [WORD, WORD], return: 'pointer' },
  BIO_free: { arguments: [WORD], return: 'i32' },
  PEM_read_bio_X509: { arguments: [WORD, WORD, WORD, WORD], return: 'pointer' },
  PEM_read_bio_PrivateKey: { arguments: [WORD, WORD, WORD, WORD], return: 'pointer' },
  X509_free: { arguments: [WORD], return: 'void' },
  EVP_PKEY_free: { arguments: [WORD], return: 'void' },
  i2d_X509: { arguments: [WORD, WORD], return: 'i32' },
  SSL_new: { arguments: [WORD], return: 'pointer' },
  SSL_free: { arguments: [WORD], return: 'void' },
  SSL_set_fd: { arguments: [WORD, WORD], return: 'i32' },
  SSL_set_accept_state: { arguments: [WORD], return: 'void' },
  SSL_set_connect_state: { arguments: [WORD], return: 'void' },
  SSL_do_handshake: { arguments: [WORD], return: 'i32' },
  SSL_read: { arguments: [WORD, WORD, WORD], return: 'i32' },
  SSL_write: { arguments: [WORD, WORD, WORD], return: 'i32' },
  SSL_set0_wbio: { arguments: [WORD, WORD], return: 'void' },
  BIO_new_bio_pair: { arguments: [WORD, WORD, WORD, WORD], return: 'i32' },
  BIO_up_ref: { arguments: [WORD], return: 'i32' },
  BIO_nread: { arguments: [WORD, WORD, WORD], return: 'i32' },
  SSL_get_rbio: { arguments: [WORD], return: 'pointer' },
  BIO_number_read: { arguments: [WORD], return: 'u64' },
  SSL_shutdown: { arguments: [WORD], return: 'i32' },
  SSL_get_error: { arguments: [WORD, WORD], return: 'i32' },
  SSL_get_verify_result: { arguments: [WORD], return: 'i64' },
  SSL_get1_peer_certificate: { arguments: [WORD], return: 'pointer' },
  SSL_get0_verified_chain: { arguments: [WORD], return: 'pointer' },
  OPENSSL_sk_num: { arguments: [WORD], return: 'i32' },
  OPENSSL_sk_value: { arguments: [WORD, WORD], return: 'pointer' },
  SSL_get0_alpn_selected: { arguments: [WORD, WORD, WORD], return: 'void' },
  ERR_clear_error: { arguments: [], return: 'void' },
  ERR_peek_error: { arguments: [], return: 'u64' },
  ERR_error_string_n: { arguments: [WORD, WORD, WORD], return: 'void' },
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
