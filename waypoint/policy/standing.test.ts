import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clause, given, policy } from '../../mesh/http-policy/test-policies.ts';
import { compileHttpPolicies, type HttpPolicy, type JwtRule } from '../../mesh/index.ts';
import type { Exchange } from '../exchange.ts';
import { exchange, type TestExchange } from '../test-exchange.ts';
import { requestFacts } from './facts.ts';
import { type StandingParts, standingOf } from './standing.ts';

const rule = (issuer: string): JwtRule => ({
  issuer,
  audiences: [],
  jwks: '{"keys":[]}',
  jwksUri: '',
  fromHeaders: [{ name: 'authorization', prefix: 'Bearer ' }],
  fromParams: [],
  fromCookies: [],
  forwardOriginalToken: false,
  outputPayloadToHeader: '',
  outputClaimToHeaders: [],
  timeoutMs: 0,
  spaceDelimitedClaims: [],
  isRequired: false,
  keysService: '',
});

const scopeOf = (policies: readonly HttpPolicy[]) => compileHttpPolicies(policies, 'http');
const denyAdmin = policy('admin', { action: 'DENY', rule: [clause(given('PATH', '/admin*'))] });
const askSomebody = policy('asks', { action: 'CUSTOM', provider: 'opa', rule: [clause(given('PATH', '/admin*'))] });
const onlyJoe = policy('joe', { rule: [clause(given('REQUEST_PRINCIPAL', 'me/joe'))] });
const token = { principal: 'me/joe', audiences: [], presenter: '', claims: {} };
const withToken = (x: Exchange): void => {
  x.token = token;
  x.tokenRule = rule('me');
};

type Row = {
  readonly asked?: TestExchange;
  /** What became of it on its way. */
  readonly meanwhile?: (x: Exchange) => void;
  readonly policies?: readonly HttpPolicy[];
  readonly tokenRules?: readonly JwtRule[];
  readonly backend?: readonly HttpPolicy[] | 'unreadable';
  readonly expect: RegExp | 'goes on';
};

const elsewhere = (x: Exchange): void => {
  x.target = { kind: 'service', service: 'shop/other', port: 81 };
};

const ROWS: Readonly<Record<string, Row>> = {
  'no policy': { expect: 'goes on' },
  'a policy that does not match': { policies: [denyAdmin], expect: 'goes on' },
  'a policy that denies': { asked: { target: '/admin' }, policies: [denyAdmin], expect: /admin, rule 0/ },
  'one that is tried out': {
    asked: { target: '/admin' },
    policies: [{ ...denyAdmin, dryRun: true }],
    expect: 'goes on',
  },
  'a policy about the request as it was before its route': {
    asked: { target: '/admin' },
    meanwhile: (x) => {
      x.judged = requestFacts(x);
      x.path = '/public';
    },
    policies: [denyAdmin],
    expect: /admin, rule 0/,
  },
  'an authorizer whom nobody has asked': {
    asked: { target: '/admin' },
    policies: [askSomebody],
    expect: /opa was not asked/,
  },
  'an authorizer who was asked': {
    asked: { target: '/admin' },
    meanwhile: (x) => {
      x.asked = ['opa'];
    },
    policies: [askSomebody],
    expect: 'goes on',
  },
  'a token of a rule that still stands': {
    meanwhile: withToken,
    tokenRules: [rule('me')],
    policies: [onlyJoe],
    expect: 'goes on',
  },
  'a token of a rule that others have replaced': {
    meanwhile: withToken,
    tokenRules: [rule('you')],
    expect: /rules that tokens/,
  },
  'a token where no rules are left, and nobody asks for one': { meanwhile: withToken, expect: 'goes on' },
  'a token where no rules are left, and a policy asks for one': {
    meanwhile: withToken,
    policies: [onlyJoe],
    expect: /none of them matches/,
  },
  'a token that nobody had to look at, where one has to now': {
    asked: { headers: { authorization: 'Bearer x' } },
    tokenRules: [rule('me')],
    expect: /rules that tokens/,
  },
  'a rule that requires a token, without one': {
    tokenRules: [{ ...rule('me'), isRequired: true }],
    expect: /a token is required now/,
  },
  'a rule that requires a token now, which it had': {
    meanwhile: withToken,
    tokenRules: [{ ...rule('me'), isRequired: true }],
    expect: 'goes on',
  },
  'a rule that requires a token, as a preflight': {
    asked: { method: 'OPTIONS', headers: { origin: 'http://a', 'access-control-request-method': 'GET' } },
    tokenRules: [{ ...rule('me'), isRequired: true }],
    expect: 'goes on',
  },
  'a token that a route has added': {
    meanwhile: (x) => {
      const facts = requestFacts(x);
      x.judged = { ...facts, request: { ...facts.request, headers: facts.request.headers.clone() } };
      x.request.headers.set('authorization', 'Bearer x');
    },
    tokenRules: [rule('me')],
    expect: 'goes on',
  },
  'a service behind a route that denies': {
    asked: { target: '/admin' },
    meanwhile: elsewhere,
    backend: [denyAdmin],
    expect: /admin, rule 0/,
  },
  'a service behind a route that does not': { meanwhile: elsewhere, backend: [denyAdmin], expect: 'goes on' },
  'a service behind a route whose authorizer was asked about another': {
    asked: { target: '/admin' },
    meanwhile: (x) => {
      elsewhere(x);
      x.asked = ['opa'];
    },
    backend: [askSomebody],
    expect: /opa was not asked/,
  },
  'a service behind a route that nobody can read': {
    meanwhile: elsewhere,
    backend: 'unreadable',
    expect: /can not be read/,
  },
};

for (const [name, row] of Object.entries(ROWS)) {
  test(`a request under way meets ${name}`, () => {
    const x = exchange(row.asked);
    row.meanwhile?.(x);
    const { backend } = row;
    const parts: StandingParts = {
      scope: scopeOf(row.policies ?? []),
      tokenRules: row.tokenRules ?? [],
      own: undefined,
      backendScope: () => (backend === undefined || backend === 'unreadable' ? backend : scopeOf(backend)),
    };
    const denial = standingOf(parts)(x);
    if (row.expect === 'goes on') assert.equal(denial, undefined);
    else assert.match(denial?.because ?? 'it goes on', row.expect);
  });
}
