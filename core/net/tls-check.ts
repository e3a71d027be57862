/** Whether this Node has what TLS on raw descriptors needs. */
import { missingFunction, ossl } from './openssl.ts';

/** Why not, in one line; undefined when it has. Asked once, at start. */
export function tlsProblem(): string | undefined {
  const missing = missingFunction();
  if (missing !== undefined) return missing;
  const context = ossl.SSL_CTX_new(ossl.TLS_method());
  if (context === 0n) return 'OpenSSL makes no context';
  ossl.SSL_CTX_free(context);
  return undefined;
}
