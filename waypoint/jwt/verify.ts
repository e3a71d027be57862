/** Whether a token is good for a rule. */
import { type JwtRule, refusalOf, TOKEN_REFUSALS, type TokenRefusal } from '../../mesh/index.ts';
import { ALGORITHMS, type KeySet } from '../jwks/key-set.ts';
import type { JwksStore } from '../jwks/store.ts';
import { type ParsedToken, parseToken } from './parse.ts';

export type Verified =
  | { readonly kind: 'good'; readonly token: ParsedToken }
  | { readonly kind: 'bad'; readonly refusal: TokenRefusal };

export type VerifyParts = {
  readonly store: JwksStore;
  /** Milliseconds of the epoch. */
  readonly wallClock: () => number;
};

const bad = (refusal: TokenRefusal): Verified => ({ kind: 'bad', refusal });

/** At once for a token that was verified before. Never rejects. */
export function verifyToken(
  { store, wallClock }: VerifyParts,
  text: string,
  rule: JwtRule,
): Verified | Promise<Verified> {
  const token = parseToken(text);
  if (token === undefined) return bad(TOKEN_REFUSALS.malformed);
  if (!ALGORITHMS.has(token.header.alg)) return bad(TOKEN_REFUSALS.algorithm);
  // What it says of itself costs nothing to look at, and can only refuse.
  const refusal = refusalOf(token.claims, rule, wallClock());
  if (refusal !== undefined) return bad(refusal);
  const keys = store.keys(rule);
  if (!(keys instanceof Promise) && keys.isKnown(text)) return { kind: 'good', token };
  return verifySignature(store, text, token, rule, keys);
}

async function verifySignature(
  store: JwksStore,
  text: string,
  token: ParsedToken,
  rule: JwtRule,
  first: KeySet | Promise<KeySet>,
): Promise<Verified> {
  try {
    let keys = await first;
    if (!keys.mayHave(token.header)) keys = await store.keys(rule, keys); // they may have been exchanged
    return (await keys.verifies(text, token.header)) ? { kind: 'good', token } : bad(TOKEN_REFUSALS.signature);
  } catch {
    return bad(TOKEN_REFUSALS.noKeys); // the store has told why
  }
}
