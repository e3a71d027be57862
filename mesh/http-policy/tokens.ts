/** What a token says, beside its signature: whether it is good for a rule now, and what policies are then told of it. */
import type { Headers } from '../route/request-facts.ts';
import { scalar, type TokenFacts } from './facts.ts';
import type { JwtAuthentication, JwtRule } from './model.ts';

export type Claims = Readonly<Record<string, unknown>>;

/** Why a token is refused: status and body as in the reference (waypoint.md section 1.13). */
export type TokenRefusal = { readonly status: 401 | 403; readonly message: string };

/** Clocks differ by so much (waypoint.md section 4.6). */
const SKEW_SECONDS = 60;

const refused = (message: string, status: 401 | 403 = 401): TokenRefusal => ({ status, message });

export const TOKEN_REFUSALS = {
  malformed: refused('Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections'),
  algorithm: refused('Jwt header [alg] is not supported'),
  issuer: refused('Jwt issuer is not configured'),
  expired: refused('Jwt is expired'),
  early: refused('Jwt not yet valid'),
  audience: refused('Audiences in Jwt are not allowed', 403),
  signature: refused('Jwt verification fails'),
  missing: refused('Jwt is missing'),
  noKeys: refused('Jwks remote fetch is failed'),
} as const;

/** A browser asks without a token whether it may send one. */
export function isPreflight({ method, headers }: { readonly method: string; readonly headers: Headers }): boolean {
  if (method !== 'OPTIONS') return false;
  return headers.get('origin') !== undefined && headers.get('access-control-request-method') !== undefined;
}

/** The rules that decide about a request: of those without a required one all, else only these. */
export function decidingRules(authentications: readonly JwtAuthentication[]): readonly JwtRule[] {
  const rules = authentications.flatMap((one) => one.rules);
  const required = rules.filter(({ isRequired }) => isRequired);
  return required.length === 0 ? rules : required;
}

/** Whether nobody passes without a token, which only requests can have. */
export function needsToken(authentications: readonly JwtAuthentication[]): boolean {
  return authentications.some(({ rules }) => rules.some(({ isRequired }) => isRequired));
}

/** Undefined: what it says is good, if the signature is. */
export function refusalOf(
  claims: Claims,
  rule: Pick<JwtRule, 'issuer' | 'audiences'>,
  nowMs: number,
): TokenRefusal | undefined {
  const { iss, exp, nbf } = claims;
  if (rule.issuer !== '' && iss !== rule.issuer) return TOKEN_REFUSALS.issuer;
  const now = nowMs / 1_000;
  if (!isTimeOrAbsent(exp) || !isTimeOrAbsent(nbf)) return TOKEN_REFUSALS.malformed;
  if (typeof exp === 'number' && now > exp + SKEW_SECONDS) return TOKEN_REFUSALS.expired;
  if (typeof nbf === 'number' && now < nbf - SKEW_SECONDS) return TOKEN_REFUSALS.early;
  if (rule.audiences.length === 0) return undefined;
  const audiences = audiencesOf(claims);
  return rule.audiences.some((wanted) => audiences.some((one) => isSameAudience(one, wanted)))
    ? undefined
    : TOKEN_REFUSALS.audience;
}

function isTimeOrAbsent(value: unknown): boolean {
  return value === undefined || (typeof value === 'number' && Number.isFinite(value));
}

/** With a scheme or without, with a slash at the end or without: they are written both ways. */
function isSameAudience(a: string, b: string): boolean {
  return bare(a) === bare(b);
}

function bare(audience: string): string {
  return audience.replace(/^https?:\/\//, '').replace(/\/$/, '');
}

function audiencesOf({ aud }: Claims): readonly string[] {
  if (typeof aud === 'string') return [aud];
  return Array.isArray(aud) ? aud.filter((item) => typeof item === 'string') : [];
}

/** Of every token (waypoint.md section 4.6). */
const SPACE_DELIMITED: readonly string[] = ['scope', 'permission'];

export function tokenFacts(claims: Claims, rule: Pick<JwtRule, 'spaceDelimitedClaims'>): TokenFacts {
  const { iss, sub, azp } = claims;
  return {
    principal: typeof iss === 'string' && typeof sub === 'string' ? `${iss}/${sub}` : '',
    audiences: audiencesOf(claims),
    presenter: typeof azp === 'string' ? azp : '',
    claims: withLists(claims, [...SPACE_DELIMITED, ...rule.spaceDelimitedClaims]),
  };
}

function withLists(claims: Claims, names: readonly string[]): Claims {
  const lists = names.flatMap((name) => {
    const value = Object.hasOwn(claims, name) ? claims[name] : undefined;
    return typeof value === 'string' ? [[name, value.split(' ').filter((word) => word !== '')] as const] : [];
  });
  return lists.length === 0 ? claims : { ...claims, ...Object.fromEntries(lists) };
}

/** The claim as the value of a header; undefined for what can not be one. Other than ASCII goes as the bytes of its UTF-8. */
export function claimHeader(claims: Claims, path: readonly string[]): string | undefined {
  let value: unknown = claims;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Claims)[name];
  }
  const text = scalar(value);
  if (text === undefined || CONTROL.test(text)) return undefined;
  return text.trim();
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not get into a header
const CONTROL = /[\u0000-\u001f\u007f]/;
