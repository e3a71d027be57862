/** TLS exactly as mesh tunnels want it (ztunnel.md section 3.1). */
import { constants } from 'node:crypto';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { HboneError } from './errors.ts';
import { SUITES, type TlsMaterial } from './types.ts';

export const ALPN = ['h2'];
/** As OpenSSL takes them. */
export const suitesOf = ({ suites = SUITES }: TlsMaterial): string => suites.join(':');

/** TLS 1.3 only, two suites at most, and no tickets: each connection proves its identity anew. Throws without roots. */
export function contextOptions(material: TlsMaterial): SecureContextOptions {
  // An empty `ca` means to Node: whoever the web trusts.
  if (!material.roots.includes('-----BEGIN CERTIFICATE-----')) {
    throw new HboneError('MATERIAL_UNAVAILABLE', `${material.identity} has no root certificate to trust`);
  }
  return {
    key: material.key,
    cert: material.chain,
    ca: material.roots,
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ciphers: suitesOf(material),
    // TLS 1.3 still sends a ticket then, but only the number of a session that no side keeps: nothing can be resumed.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

const contexts = new WeakMap<TlsMaterial, SecureContext>();

/** Parsing keys and certificates costs more than half a handshake, so once per certificate. Throws on unusable PEM. */
export function contextFor(material: TlsMaterial): SecureContext {
  let context = contexts.get(material);
  if (context === undefined) {
    context = createSecureContext(contextOptions(material));
    contexts.set(material, context);
  }
  return context;
}
