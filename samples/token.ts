/**
 * Signs tokens (JWT) that `samples/shop-l7.yaml` believes. The key is made from a sentence that everybody can read:
 * good enough for a demonstration, and for nothing else.
 *
 *   samples/token                a token of alice, good for an hour
 *   samples/token --sub bob      of bob
 *   samples/token --expired      no longer good since an hour
 *   samples/token --forged       signed by somebody else's key
 *   samples/token --jwks         the public key, as RequestAuthentication wants it
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { parseArgs } from 'node:util';

export const ISSUER = 'https://issuer.samples.ambit.example';
const KEY_ID = 'samples';
const HOUR_S = 3600;

/** RFC 8410: what stands before the 32 octets of an Ed25519 key in PKCS #8. */
const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex');
const seed = createHash('sha256').update('the samples of Ambit keep no secrets').digest();
const key = createPrivateKey({ key: Buffer.concat([PKCS8_ED25519, seed]), format: 'der', type: 'pkcs8' });

/** The public key set (RFC 7517; RFC 8037 for the form of the key). */
export function jwks(): string {
  const { kty, crv, x } = createPublicKey(key).export({ format: 'jwk' });
  return JSON.stringify({ keys: [{ kid: KEY_ID, kty, crv, alg: 'EdDSA', x }] });
}

export type TokenOptions = { readonly sub: string; readonly isExpired?: boolean; readonly isForged?: boolean };

/** RFC 7519, signed with Ed25519; `nowS` in seconds of the epoch. */
export function token({ sub, isExpired = false, isForged = false }: TokenOptions, nowS: number): string {
  const claims = { iss: ISSUER, sub, exp: nowS + (isExpired ? -HOUR_S : HOUR_S) };
  const text = [{ alg: 'EdDSA', typ: 'JWT', kid: KEY_ID }, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  const by = isForged ? generateKeyPairSync('ed25519').privateKey : key;
  return `${text}.${sign(null, Buffer.from(text), by).toString('base64url')}`;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      sub: { type: 'string', default: 'alice' },
      expired: { type: 'boolean', default: false },
      forged: { type: 'boolean', default: false },
      jwks: { type: 'boolean', default: false },
    },
  });
  const { sub, expired: isExpired, forged: isForged } = values;
  console.log(values.jwks ? jwks() : token({ sub, isExpired, isForged }, Math.floor(Date.now() / 1000)));
}
