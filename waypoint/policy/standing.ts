/**
 * Whether policies of now let a request go on that those of then let pass. It is judged by what it was then. Nobody is asked again,
 * and no token is looked at again: that a token expires or a key is withdrawn ends no request. But whoever has not been asked, and
 * what no rule of now has found good, counts as a no: the caller comes again, and is judged whole.
 */
import {
  customChecks,
  denialDetail,
  evaluateHttp,
  formatBecause,
  type HttpFacts,
  type HttpScope,
  isPreflight,
  type JwtRule,
} from '../../mesh/index.ts';
import type { Exchange } from '../exchange.ts';
import { locate } from '../jwt/locate.ts';
import { factsAtTarget, type JudgedFacts, requestFacts } from './facts.ts';

export type Denial = {
  readonly because: string;
  /** Response code detail of a request that is denied so when it comes. */
  readonly details: string;
  readonly scope?: HttpScope;
  readonly facts?: HttpFacts;
};

export type StandingParts = {
  readonly scope: HttpScope;
  /** Those that decide. */
  readonly tokenRules: readonly JwtRule[];
  /** `namespace/hostname` of what was called; undefined for workloads. */
  readonly own: string | undefined;
  /** Of a service that a route has led to; undefined: it has no policies here. */
  readonly backendScope: (service: string) => HttpScope | 'unreadable' | undefined;
};

/** Undefined: it goes on. Compiled when configuration changes. */
export function standingOf({ scope, tokenRules, own, backendScope }: StandingParts) {
  const known = new Set(tokenRules.map(textOf));
  const ofToken = (x: Exchange, { request }: JudgedFacts): Denial | undefined => {
    if (tokenRules.length === 0) return undefined;
    if (x.tokenRule !== undefined) return known.has(textOf(x.tokenRule)) ? undefined : TOKEN_UNVERIFIED;
    if (isPreflight(x.request)) return undefined;
    if (tokenRules.some(({ isRequired }) => isRequired)) return TOKEN_REQUIRED;
    const asItCame = { headers: request.headers, target: x.request.target };
    return tokenRules.some((rule) => locate(asItCame, rule).length > 0) ? TOKEN_UNVERIFIED : undefined;
  };
  const ofBackend = (x: Exchange): Denial | undefined => {
    const { target } = x;
    if (target.kind !== 'service' || target.service === own) return undefined;
    const its = backendScope(target.service);
    if (its === 'unreadable') return UNREADABLE;
    return its && (asked(its, factsAtTarget(x), NOBODY) ?? judged(its, factsAtTarget(x)));
  };
  return (x: Exchange): Denial | undefined => {
    const facts = x.judged ?? requestFacts(x);
    // Where no rule is left, a token says nothing.
    const believed = tokenRules.length === 0 ? withoutToken(facts) : facts;
    return ofToken(x, facts) ?? asked(scope, withoutToken(facts), x.asked) ?? judged(scope, believed) ?? ofBackend(x);
  };
}

const NOBODY: readonly string[] = [];
const UNREADABLE: Denial = {
  because: 'the policies of the service that it was sent to can not be read',
  details: 'rbac_access_denied_matched_policy[none]',
};
const TOKEN_UNVERIFIED: Denial = {
  because: 'the rules that tokens are verified by have changed',
  details: 'jwt_authn_access_denied{rules_changed}',
};

const TOKEN_REQUIRED: Denial = {
  because: 'a token is required now, and it came without one',
  details: 'jwt_authn_access_denied{Jwt_is_missing}',
};

function asked(scope: HttpScope, facts: HttpFacts, already: readonly string[]): Denial | undefined {
  const custom = customChecks(scope, facts).find(({ provider }) => !already.includes(provider));
  if (custom === undefined) return undefined;
  return { because: `${formatBecause(custom.rule)}: ${custom.provider} was not asked`, details: 'ext_authz_denied' };
}

function judged(scope: HttpScope, facts: HttpFacts): Denial | undefined {
  const { verdict, because } = evaluateHttp(scope, facts);
  return verdict === 'allow'
    ? undefined
    : { because: formatBecause(because), details: denialDetail(because), scope, facts };
}

function withoutToken(facts: HttpFacts): HttpFacts {
  if (facts.request?.token === undefined) return facts;
  const { token: _, ...request } = facts.request;
  return { ...facts, request };
}

const TEXTS = new WeakMap<JwtRule, string>();

/** Rules are told anew with all that changes: what they say tells whether they are the same. One that is required now is. */
function textOf(rule: JwtRule): string {
  let text = TEXTS.get(rule);
  if (text === undefined) {
    text = JSON.stringify({ ...rule, isRequired: false });
    TEXTS.set(rule, text);
  }
  return text;
}
