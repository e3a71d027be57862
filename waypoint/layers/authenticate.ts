/**
 * RequestAuthentications (waypoint.md section 4.6): a token that is good for some rule passes, whatever others make of theirs; else
 * one that is bad does not. No token passes, unless there are rules that require one: then these alone decide.
 */
import type { HeaderFields, HttpResponse } from '../../core/http/index.ts';
import {
  claimHeader,
  decidingRules,
  isPreflight,
  type JwtAuthentication,
  type JwtRule,
  TOKEN_REFUSALS,
  type TokenRefusal,
  tokenFacts,
} from '../../mesh/index.ts';
import type { Exchange, Layer, Next } from '../exchange.ts';
import { type Located, locate, MOST_TOKENS } from '../jwt/locate.ts';
import type { ParsedToken } from '../jwt/parse.ts';
import { type Verified, type VerifyParts, verifyToken } from '../jwt/verify.ts';
import type { PolicyWatch } from '../policy/watch.ts';
import { reply } from '../reply.ts';

export type AuthenticateParts = VerifyParts & { readonly watch: PolicyWatch };

export function authenticate(authentications: readonly JwtAuthentication[], parts: AuthenticateParts): Layer {
  const rules = authentications.flatMap((authentication) => authentication.rules);
  if (rules.length === 0) return (next) => next;
  const outputs = [...new Set(rules.flatMap(outputsOf))];
  const deciding = decidingRules(authentications);
  for (const rule of deciding) parts.store.prepare(rule);
  return (next) => (x) => {
    for (const name of outputs) x.request.headers.remove(name); // nobody but us says what a token says
    if (isPreflight(x.request)) return next(x);
    return judge(parts, deciding, 0, undefined, x, next);
  };
}

function outputsOf({ outputPayloadToHeader, outputClaimToHeaders }: JwtRule): readonly string[] {
  const claims = outputClaimToHeaders.map(({ header }) => header);
  return outputPayloadToHeader === '' ? claims : [outputPayloadToHeader, ...claims];
}

type Answer = HttpResponse | Promise<HttpResponse>;

/** Rule by rule, from the given one on; waits only where a signature has to be verified. */
function judge(
  parts: AuthenticateParts,
  rules: readonly JwtRule[],
  from: number,
  failure: TokenRefusal | undefined,
  x: Exchange,
  next: Next,
): Answer {
  let worst = failure;
  for (let index = from; index < rules.length; index++) {
    const rule = rules[index] as JwtRule;
    const located = locate(x.request, rule);
    if (located.length === 0) continue;
    const verified = verifyAll(parts, located, rule);
    if (verified instanceof Promise) {
      return verified.then((found) => {
        if (found.kind === 'good') return accept(rule, located, found.token, x, next);
        return judge(parts, rules, index + 1, worseOf(worst, found.refusal), x, next);
      });
    }
    if (verified.kind === 'good') return accept(rule, located, verified.token, x, next);
    worst = worseOf(worst, verified.refusal);
  }
  if (worst !== undefined) return refuse(parts, worst, x);
  return rules.some(({ isRequired }) => isRequired) ? refuse(parts, TOKEN_REFUSALS.missing, x) : next(x);
}

/** That a token is somebody else's says less than what is wrong with one that is meant. */
function worseOf(held: TokenRefusal | undefined, found: TokenRefusal): TokenRefusal {
  return held === undefined || held === TOKEN_REFUSALS.issuer ? found : held;
}

/** All that are found for a rule must be good: nobody knows which one the application reads. The first is the one that counts. */
function verifyAll(parts: VerifyParts, located: readonly Located[], rule: JwtRule): Verified | Promise<Verified> {
  const [first] = located;
  if (first === undefined || located.length > MOST_TOKENS) return { kind: 'bad', refusal: TOKEN_REFUSALS.malformed };
  if (located.length === 1) return verifyToken(parts, first.token, rule);
  return Promise.all(located.map(({ token }) => verifyToken(parts, token, rule))).then(
    (all) => all.find(({ kind }) => kind === 'bad') ?? (all[0] as Verified),
  );
}

function accept(
  rule: JwtRule,
  located: readonly Located[],
  { claims, payload }: ParsedToken,
  x: Exchange,
  next: Next,
): Answer {
  x.token = tokenFacts(claims, rule);
  x.tokenRule = rule;
  if (!rule.forwardOriginalToken) for (const { remove } of located) remove(x.request);
  output(x.request.headers, rule, claims, payload);
  return next(x);
}

function output(headers: HeaderFields, rule: JwtRule, claims: ParsedToken['claims'], payload: string): void {
  if (rule.outputPayloadToHeader !== '') headers.set(rule.outputPayloadToHeader, payload);
  for (const { header, claim } of rule.outputClaimToHeaders) {
    const value = claimHeader(claims, claim);
    if (value !== undefined) headers.set(header, Buffer.from(value).toString('latin1'));
  }
}

/** What was asked for goes back to the caller, not all of it. */
const MOST_REALM = 512;

function refuse({ watch }: AuthenticateParts, refusal: TokenRefusal, x: Exchange): HttpResponse {
  const { status, message } = refusal;
  x.because = message;
  x.receipt = watch.denied(x, message);
  const realm = `${x.request.scheme}://${x.request.authority}${x.path}`.replace(/["\\]/g, '').slice(0, MOST_REALM);
  // RFC 6750 section 3.1: who has shown nothing is not told what is wrong with it.
  const error = refusal === TOKEN_REFUSALS.missing ? '' : ', error="invalid_token"';
  return reply(x, {
    status,
    body: message,
    details: `jwt_authn_access_denied{${message.replaceAll(' ', '_')}}`,
    headers: status === 401 ? { 'www-authenticate': `Bearer realm="${realm}"${error}` } : {},
  });
}
