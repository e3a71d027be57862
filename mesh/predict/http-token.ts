/** The token of a request that is asked about: whether a waypoint takes it, and what it then tells policies. */
import type { TokenFacts } from '../http-policy/facts.ts';
import type { JwtAuthentication, JwtRule } from '../http-policy/model.ts';
import {
  type Claims,
  claimHeader,
  decidingRules,
  refusalOf,
  TOKEN_REFUSALS,
  tokenFacts,
} from '../http-policy/tokens.ts';
import type { AskedHeaders } from './http-headers.ts';

export type TokenTaken =
  | {
      readonly kind: 'taken';
      /** Absent: nobody looks at a token, or there is none. */
      readonly by?: { readonly rule: JwtRule; readonly claims: Claims };
      readonly facts?: TokenFacts;
      readonly notes: readonly string[];
    }
  | {
      readonly kind: 'refused';
      readonly status: 401 | 403;
      readonly because: string;
      readonly next?: readonly string[];
    };

/**
 * A token with these claims, taken to be signed as it should be and in time. Without `iss` it is one of the only issuer there is.
 * Where nobody authenticates, nobody looks at it.
 */
export function takeToken(claims: Claims | undefined, authentications: readonly JwtAuthentication[]): TokenTaken {
  const rules = decidingRules(authentications);
  if (claims === undefined) return withoutToken(rules);
  if (rules.length === 0) {
    return { kind: 'taken', notes: ['no RequestAuthentication is about this: nobody looks at the token'] };
  }
  const issuers = [...new Set(rules.map(({ issuer }) => issuer))];
  const { iss: written } = claims;
  const issuer = typeof written === 'string' ? written : issuers.length === 1 ? (issuers[0] ?? '') : '';
  const known = rules.filter((rule) => rule.issuer === issuer || rule.issuer === '');
  if (known.length === 0) return { kind: 'refused', status: 401, because: unknownIssuer(written, issuers) };
  const shown = issuer === '' ? claims : { ...claims, iss: issuer };
  const { exp: _, nbf: __, ...inTime } = shown;
  const rule = known.find((one) => refusalOf(inTime, one, 0) === undefined);
  if (rule === undefined) return { kind: 'refused', status: 403, because: wrongAudience(shown, known) };
  const notes = ['the token is taken to be signed by its issuer, and in time'];
  return { kind: 'taken', by: { rule, claims: shown }, facts: tokenFacts(shown, rule), notes };
}

function withoutToken(rules: readonly JwtRule[]): TokenTaken {
  if (!rules.some(({ isRequired }) => isRequired)) return { kind: 'taken', notes: [] };
  const { status, message } = TOKEN_REFUSALS.missing;
  const issuers = [...new Set(rules.map(({ issuer }) => issuer || 'any issuer'))].join(' or ');
  const because = `a RequestAuthentication requires a token of ${issuers}, and the request has none (${message})`;
  return { kind: 'refused', status, because, next: ['ask with a token: --claim, as in --claim sub=alice'] };
}

function unknownIssuer(written: unknown, issuers: readonly string[]): string {
  const trusted = issuers.join(', ');
  return written === undefined
    ? `the claim iss is missing, and there are several issuers (${trusted})`
    : `no RequestAuthentication trusts issuer ${JSON.stringify(written)}, only ${trusted}`;
}

function wrongAudience(claims: Claims, rules: readonly JwtRule[]): string {
  const { audiences } = tokenFacts(claims, { spaceDelimitedClaims: [] });
  const wanted = [...new Set(rules.flatMap((rule) => rule.audiences))].join(', ');
  const shown = audiences.length === 0 ? 'names none' : `is for ${audiences.join(', ')}`;
  return `the token ${shown}, and one of the audiences ${wanted} is wanted`;
}

/** Stand for texts that nobody can name in a policy. */
const SOME_TOKEN = 'some-good-token';
const SOME_PAYLOAD = 'payload-of-the-token';

/** As it is sent: the token is where its rule looks first. */
export function withToken(headers: AskedHeaders, rule: Pick<JwtRule, 'fromHeaders'> = ANYWHERE): AskedHeaders {
  const [place] = rule.fromHeaders;
  if (place === undefined || headers.has(place.name)) return headers;
  const made = headers.clone();
  made.set(place.name, place.prefix + SOME_TOKEN);
  return made;
}

const ANYWHERE: Pick<JwtRule, 'fromHeaders'> = { fromHeaders: [{ name: 'authorization', prefix: 'Bearer ' }] };

/** As policies meet it: nobody but the waypoint says what a token says, and the token is gone unless it is to be sent on. */
export function afterToken(
  headers: AskedHeaders,
  authentications: readonly JwtAuthentication[],
  by?: { readonly rule: JwtRule; readonly claims: Claims },
): AskedHeaders {
  const made = headers.clone();
  for (const rule of authentications.flatMap(({ rules }) => rules)) {
    if (rule.outputPayloadToHeader !== '') made.remove(rule.outputPayloadToHeader);
    for (const { header } of rule.outputClaimToHeaders) made.remove(header);
  }
  if (by === undefined) return made;
  const { rule, claims } = by;
  const [place] = rule.fromHeaders;
  if (!rule.forwardOriginalToken && place !== undefined) made.remove(place.name);
  if (rule.outputPayloadToHeader !== '') made.set(rule.outputPayloadToHeader, SOME_PAYLOAD);
  for (const { header, claim } of rule.outputClaimToHeaders) {
    const value = claimHeader(claims, claim);
    if (value !== undefined) made.set(header, value);
  }
  return made;
}

/** Where a token may be that nobody here can look into. */
export function tokenHeader(headers: AskedHeaders, authentications: readonly JwtAuthentication[]): string | undefined {
  const places = decidingRules(authentications).flatMap(({ fromHeaders }) => fromHeaders);
  const isMeant = (name: string, prefix: string) =>
    headers.all(name).some((line) => line.toLowerCase().startsWith(prefix.toLowerCase()));
  return places.find(({ name, prefix }) => isMeant(name, prefix))?.name;
}
