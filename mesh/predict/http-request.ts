/** The request that is asked about, as a waypoint would see it: what is not said is what is usual. */
import type { PolicyRequest, TokenFacts } from '../http-policy/facts.ts';
import type { JwtAuthentication, JwtRule, PathNormalization } from '../http-policy/model.ts';
import { normalisePath } from '../http-policy/normalise-path.ts';
import { decidingRules, TOKEN_REFUSALS } from '../http-policy/tokens.ts';
import { type RequestFacts, splitTarget } from '../route/request-facts.ts';
import type { HttpQuestion } from './question.ts';

export type AskedRequest =
  | { readonly kind: 'request'; readonly request: RequestFacts & PolicyRequest; readonly notes: readonly string[] }
  /** The waypoint answers with this status, before any policy is asked. */
  | {
      readonly kind: 'refused';
      readonly status: 400 | 401 | 403;
      readonly because: string;
      readonly next?: readonly string[];
    };

export type Asking = {
  readonly http: HttpQuestion;
  /** Host and port, as the caller named them. */
  readonly authority: string;
  readonly sourceNamespace: string;
  readonly normalization: PathNormalization;
  readonly authentications: readonly JwtAuthentication[];
};

export function askedRequest({
  http,
  authority,
  sourceNamespace,
  normalization,
  authentications,
}: Asking): AskedRequest {
  const { method = 'GET', path: target = '/', headers = {} } = http;
  const { path: raw, query } = splitTarget(target);
  const normalised = normalisePath(raw, normalization);
  if (normalised.kind === 'invalid') {
    return {
      kind: 'refused',
      status: 400,
      because: `the path ${JSON.stringify(raw)} is refused: ${normalised.reason}`,
    };
  }
  const token = tokenOf(http.claims, authentications);
  if (token.kind === 'refused') return token;
  const fields = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  const { path } = normalised;
  const notes = path === raw ? [] : [`the path ${raw} is looked at, and sent on, as ${path}`];
  return {
    kind: 'request',
    request: {
      method,
      path,
      query,
      authority: fields.get('host') ?? authority,
      scheme: 'http',
      headers: { get: (name) => fields.get(name) },
      sourceNamespace,
      ...(token.facts && { token: token.facts }),
    },
    notes: [...notes, ...token.notes],
  };
}

type Token =
  | { readonly kind: 'token'; readonly facts?: TokenFacts; readonly notes: readonly string[] }
  | Extract<AskedRequest, { readonly kind: 'refused' }>;

/**
 * A token with these claims, taken to be signed as it should be and in time. Without `iss` it is one of the only issuer there is.
 * Where nobody authenticates, nobody looks at it.
 */
function tokenOf(claims: HttpQuestion['claims'], authentications: readonly JwtAuthentication[]): Token {
  const { status, message } = TOKEN_REFUSALS.missing;
  const rules = decidingRules(authentications);
  if (claims === undefined) {
    if (!rules.some(({ isRequired }) => isRequired)) return { kind: 'token', notes: [] };
    const issuers = [...new Set(rules.map(({ issuer }) => issuer || 'any issuer'))].join(' or ');
    const because = `a RequestAuthentication requires a token of ${issuers}, and the request has none (${message})`;
    return { kind: 'refused', status, because, next: ['ask with a token: --claim, as in --claim sub=alice'] };
  }
  if (rules.length === 0) {
    return { kind: 'token', notes: ['no RequestAuthentication is about this: nobody looks at the token'] };
  }
  const issuers = [...new Set(rules.map(({ issuer }) => issuer))];
  const written = claims['iss'];
  const issuer = typeof written === 'string' ? written : issuers.length === 1 ? (issuers[0] ?? '') : '';
  const audiences = textsOf(claims['aud']);
  const known = rules.filter((rule) => rule.issuer === issuer || rule.issuer === '');
  if (known.length === 0) {
    const trusted = issuers.join(', ');
    const because =
      written === undefined
        ? `the claim iss is missing, and there are several issuers (${trusted})`
        : `no RequestAuthentication trusts issuer ${JSON.stringify(written)}, only ${trusted}`;
    return { kind: 'refused', status: 401, because };
  }
  if (!known.some((rule) => suits(rule, audiences))) {
    const wanted = [...new Set(known.flatMap((rule) => rule.audiences))].join(', ');
    const shown = audiences.length === 0 ? 'names none' : `is for ${audiences.join(', ')}`;
    return {
      kind: 'refused',
      status: 403,
      because: `the token ${shown}, and one of the audiences ${wanted} is wanted`,
    };
  }
  const { sub, azp } = claims;
  const facts = {
    principal: `${issuer}/${typeof sub === 'string' ? sub : ''}`,
    audiences,
    presenter: typeof azp === 'string' ? azp : '',
    claims: { ...claims, iss: issuer },
  };
  return { kind: 'token', facts, notes: ['the token is taken to be signed by its issuer, and in time'] };
}

const suits = ({ audiences }: JwtRule, shown: readonly string[]) =>
  audiences.length === 0 || audiences.some((one) => shown.includes(one));

function textsOf(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
}
