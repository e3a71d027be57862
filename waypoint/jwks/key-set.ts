/** The keys of one issuer, and which tokens they were found good for. */
import { type CryptoKey, compactVerify, importJWK, type JWK } from 'jose';
import { MeshError } from '../../mesh/index.ts';

/** waypoint.md section 4.6. Neither `none` nor an HMAC, whose key everybody would have who can verify. */
export const ALGORITHMS: ReadonlySet<string> = new Set([
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
]);

const FAMILIES: Readonly<Record<string, readonly string[]>> = {
  RS: ['RSA'],
  PS: ['RSA'],
  ES: ['EC'],
  Ed: ['OKP'],
};

const MAX_KEYS = 100;
/** Keys that are tried for one token, where it does not say which. */
const MAX_TRIED = 10;
/** Tokens that are remembered, and how long they may be for that. */
const MAX_REMEMBERED = 1_024;
const MAX_REMEMBERED_LENGTH = 4_096;

export type Header = { readonly alg: string; readonly kid: string | undefined };

export class KeySet {
  readonly #keys: readonly JWK[];
  readonly #imported = new Map<string, Promise<CryptoKey | Uint8Array>>();
  readonly #good = new Set<string>();

  private constructor(keys: readonly JWK[]) {
    this.#keys = keys;
  }

  /** @throws MeshError JWKS_MALFORMED. */
  static parse(document: unknown): KeySet {
    const { keys } = (document ?? {}) as { readonly keys?: unknown };
    if (!Array.isArray(keys)) throw new MeshError('JWKS_MALFORMED', 'no JSON Web Key Set: there is no list "keys"');
    const usable = keys.filter((key): key is JWK => typeof key === 'object' && key !== null && isUsable(key as JWK));
    return new KeySet(usable.slice(0, MAX_KEYS));
  }

  /** Whether there is a key of that name, or any at all for a token that names none. */
  mayHave({ kid }: Header): boolean {
    return kid === undefined ? this.#keys.length > 0 : this.#keys.some((key) => key.kid === kid);
  }

  /** Whether the signature was found good before. */
  isKnown(token: string): boolean {
    return this.#good.has(token);
  }

  async verifies(token: string, header: Header): Promise<boolean> {
    for (const key of this.#candidates(header)) {
      try {
        await compactVerify(token, await this.#import(key, header.alg), { algorithms: [header.alg] });
        this.#remember(token);
        return true;
      } catch {
        // another key may fit
      }
    }
    return false;
  }

  #candidates({ alg, kid }: Header): readonly JWK[] {
    const types = FAMILIES[alg.slice(0, 2)] ?? [];
    const fitting = this.#keys.filter(
      (key) => types.includes(key.kty ?? '') && (key.alg === undefined || key.alg === alg),
    );
    const named = kid === undefined ? fitting : fitting.filter((key) => key.kid === kid || key.kid === undefined);
    return named.slice(0, MAX_TRIED);
  }

  #import(key: JWK, alg: string): Promise<CryptoKey | Uint8Array> {
    const name = `${this.#keys.indexOf(key)} ${alg}`;
    let imported = this.#imported.get(name);
    if (imported === undefined) {
      imported = importJWK(key, alg);
      this.#imported.set(name, imported);
    }
    return imported;
  }

  #remember(token: string): void {
    if (token.length > MAX_REMEMBERED_LENGTH) return;
    if (this.#good.size >= MAX_REMEMBERED) this.#good.delete(this.#good.values().next().value ?? '');
    this.#good.add(token);
  }
}

/** Public, and for signatures. */
function isUsable({ kty, use, key_ops: operations, d }: JWK): boolean {
  if (kty !== 'RSA' && kty !== 'EC' && kty !== 'OKP') return false;
  if (d !== undefined || (use !== undefined && use !== 'sig')) return false;
  return operations === undefined || operations.includes('verify');
}
