/** Whether this Node has what TLS and HTTP/2 on raw descriptors need. */
import { HeaderDecoder } from './header-decoder.ts';
import { missingFunction, ossl } from './openssl.ts';

/** `:status: 200`, indexed (RFC 7541 appendix A, entry 8). */
const STATUS_200 = Uint8Array.of(0x88);
const LIMITS = { maxListBytes: 1_024, maxFields: 4 };

/** Why not, in one line; undefined when it has. Asked once, at start. */
export function tlsProblem(): string | undefined {
  const missing = missingFunction();
  if (missing !== undefined) return missing;
  const context = ossl.SSL_CTX_new(ossl.TLS_method());
  if (context === 0n) return 'OpenSSL makes no context';
  ossl.SSL_CTX_free(context);
  using decoder = new HeaderDecoder();
  const decoded = decoder.decode(STATUS_200, LIMITS);
  const isRight = decoded.kind === 'fields' && decoded.fields[0]?.join('=') === ':status=200';
  return isRight ? undefined : 'the header decoder does not decode';
}
