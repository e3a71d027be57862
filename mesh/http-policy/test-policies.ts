/** Builders of policies and requests for tests, and random ones. */

import { Subject } from '../policy/subject.ts';
import { spiffeId } from '../spiffe.ts';
import { at } from '../test-support.ts';
import type { HttpFacts, PolicyRequest } from './facts.ts';
import type {
  ExternalAuthorizer,
  HttpPolicy,
  JwtAuthentication,
  Pattern,
  PolicyClause,
  PolicyField,
  PolicyTest,
} from './model.ts';
import type { NaiveRequest } from './test-naive.ts';

/** As policies write it: `exact`, `prefix*`, `*suffix`, `*`; templates and globs by what they contain. */
export function pattern(written: string): Pattern {
  if (written.includes('{')) return { kind: 'TEMPLATE', value: written };
  if (written === '*') return { kind: 'PRESENT', value: '' };
  const stars = written.split('*').length - 1;
  if (stars === 0) return { kind: 'EXACT', value: written };
  if (stars === 1 && written.endsWith('*')) return { kind: 'PREFIX', value: written.slice(0, -1) };
  if (stars === 1 && written.startsWith('*')) return { kind: 'SUFFIX', value: written.slice(1) };
  return { kind: 'GLOB', value: written };
}

export const range = (value: string): Pattern => ({ kind: 'RANGE', value });

/** `where` is a field, `HEADER name` or `CLAIM a.b`; `!` in front negates. */
export function given(where: string, ...values: readonly string[]): PolicyTest {
  const negated = where.startsWith('!');
  const [field = '', name = ''] = (negated ? where.slice(1) : where).split(' ');
  const isRange = field.endsWith('_IP');
  return {
    field: field as PolicyField,
    negated,
    patterns: values.map((value) => (isRange ? range(value) : pattern(value))),
    header: field === 'HEADER' ? name : '',
    claim: field === 'CLAIM' ? name.split('.') : [],
  };
}

/** One alternative. */
export const clause = (...tests: readonly PolicyTest[]): PolicyClause => ({ matches: [{ tests }] });

export function policy(name: string, fields: Partial<HttpPolicy> & { readonly rule?: readonly PolicyClause[] } = {}) {
  const { rule, ...rest } = fields;
  const rules = rule === undefined ? [] : [{ clauses: rule }];
  const made: HttpPolicy = { namespace: 'app', name, action: 'ALLOW', provider: '', dryRun: false, rules, ...rest };
  return made;
}

export type TestRequest = Partial<Omit<PolicyRequest, 'headers'>> & {
  readonly headers?: Readonly<Record<string, string>>;
};

/** From account alice of namespace a to port 80, `GET /` unless said otherwise. */
export function request(fields: TestRequest = {}, peer: Partial<NaiveRequest> = {}): HttpFacts {
  const { headers = {}, ...rest } = fields;
  const held = new Map(Object.entries(headers));
  return {
    ...connection(peer),
    request: { method: 'GET', path: '/', authority: 'svc.app', headers: held, ...rest },
  };
}

export function connection(peer: Partial<NaiveRequest> = {}): HttpFacts {
  const { principal = 'td/ns/a/sa/alice', from = '10.0.0.1', to = '10.9.0.1', port = 80, sni = '' } = peer;
  const [domain = '', , namespace = '', , account = ''] = principal.split('/');
  const source = principal === '' ? {} : { source: spiffeId(domain, namespace, account) };
  return { peer: new Subject({ ...source, from: at(from, 40_000), to: at(to, port) }), sni };
}

export function factsOf(naive: NaiveRequest): HttpFacts {
  const { http } = naive;
  if (http === undefined) return connection(naive);
  const { host, ...rest } = http;
  return request({ ...rest, authority: host }, naive);
}

const VALUES: Readonly<Record<PolicyField, readonly string[]>> = {
  PRINCIPAL: ['td/ns/a/sa/alice', 'td/ns/b/sa/bob', 'td/ns/a/*', '*/sa/bob', '*'],
  NAMESPACE: ['a', 'b', 'a*', '*b', '*', '*a*'],
  SERVICE_ACCOUNT: ['a/alice', 'b/bob'],
  TRUST_DOMAIN: ['td', 'other', 't*', '*r', '*'],
  SOURCE_IP: ['10.0.0.0/8', '10.0.0.1/32', '192.0.0.0/8', '0.0.0.0/0'],
  DESTINATION_IP: ['10.9.0.1/32', '10.0.0.0/8'],
  DESTINATION_PORT: ['80', '81', '443'],
  SNI: ['a.example', '*.example', '*'],
  HOST: ['svc.app', 'svc.app:8080', 'svc*', '*:8080', '*.app', '*'],
  METHOD: ['GET', 'POST', 'P*', '*T', '*'],
  PATH: ['/', '/a', '/a*', '*/b', '*', '/a/{*}', '/{*}/b', '/a/{**}', '/a/{*}/{**}/b', '/{**}'],
  HEADER: ['1', '2', '1*', '*2', '*'],
  REQUEST_PRINCIPAL: ['iss/sub', 'iss/other', 'iss/*', '*/sub', '*'],
  AUDIENCE: ['one', 'two', 't*', '*'],
  PRESENTER: ['azp', 'z*', '*'],
  CLAIM: ['admin', 'true', 'ad*', '*n', '*'],
};
const FIELDS = Object.keys(VALUES) as readonly PolicyField[];
const NAMES: Partial<Readonly<Record<PolicyField, readonly string[]>>> = {
  HEADER: ['x-a', 'x-b', 'x-c'],
  CLAIM: ['role', 'in.role', 'is'],
};

export class RandomPolicies {
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  policies(): readonly HttpPolicy[] {
    return this.#upTo(6).map((index) => {
      const action = this.#one(['ALLOW', 'ALLOW', 'DENY', 'AUDIT', 'CUSTOM'] as const);
      const isTried = (action === 'ALLOW' || action === 'DENY') && this.#random() < 0.3;
      return {
        namespace: this.#one(['app', 'root']),
        name: `p${index}`,
        action,
        provider: action === 'CUSTOM' ? this.#one(['one', 'two']) : '',
        dryRun: isTried,
        rules: this.#upTo(3).map(() => ({
          clauses: this.#upTo(2).map(() => ({
            matches: this.#upTo(3).map(() => ({ tests: this.#upTo(3).map(() => this.#test()) })),
          })),
        })),
      };
    });
  }

  request(): NaiveRequest {
    const one = <T>(...items: readonly T[]) => this.#one(items);
    const token = {
      principal: one('iss/sub', 'iss/other'),
      audiences: one([], ['one'], ['one', 'two']),
      presenter: one('', 'azp', 'zzz'),
      claims: one<Readonly<Record<string, unknown>>>(
        {},
        { role: 'admin', is: true },
        { role: ['user', 'admin'] },
        { in: { role: ['adx'] }, role: { deep: 'admin' } },
      ),
    };
    const http = {
      method: one('GET', 'POST', 'PUT'),
      path: one('/', '/a', '/a/b', '/a/x/b', '/a/x/y/b', '/a/', '/ab', '/x/b', '//b'),
      host: one('svc.app', 'svc.app:8080', 'other.ns'),
      headers: one<Readonly<Record<string, string>>>({}, { 'x-a': '1' }, { 'x-a': '12', 'x-b': '2' }, { 'x-c': '3' }),
      ...(this.#random() < 0.6 && { token }),
    };
    return {
      principal: one('', 'td/ns/a/sa/alice', 'td/ns/b/sa/bob', 'other/ns/b/sa/alice'),
      from: one('10.0.0.1', '10.1.0.1', '192.0.2.1', 'fd00::1'),
      to: one('10.9.0.1', '192.0.2.9'),
      port: one(80, 443),
      sni: one('', 'a.example', 'b.test'),
      ...(this.#random() < 0.85 && { http }),
    };
  }

  authentication(): JwtAuthentication {
    const words = () => this.#upTo(2).map((index) => `w${index}`);
    return {
      namespace: 'app',
      name: 'jwt',
      rules: this.#upTo(3).map(() => ({
        issuer: this.#one(['', 'https://issuer']),
        audiences: words(),
        jwks: this.#one(['', '{"keys":[]}']),
        jwksUri: this.#one(['', 'https://issuer/keys']),
        fromHeaders: words().map((name) => ({ name, prefix: this.#one(['', 'Bearer ']) })),
        fromParams: words(),
        fromCookies: words(),
        forwardOriginalToken: this.#random() < 0.5,
        outputPayloadToHeader: this.#one(['', 'x-payload']),
        outputClaimToHeaders: words().map((header) => ({ header, claim: words() })),
        timeoutMs: this.#one([0, 5_000]),
        spaceDelimitedClaims: words(),
        isRequired: this.#random() < 0.2,
        keysService: this.#one(['', 'auth/issuer.auth']),
      })),
    };
  }

  authorizer(): ExternalAuthorizer {
    const patterns = () => this.#upTo(2).map(() => pattern(this.#one(VALUES.HEADER)));
    const http = {
      pathPrefix: this.#one(['', '/check']),
      requestHeaders: patterns(),
      additionalHeaders: this.#upTo(2).map((index) => ({ name: `x-${index}`, value: '' })),
      toUpstreamOnAllow: patterns(),
      toDownstreamOnDeny: patterns(),
      toDownstreamOnAllow: patterns(),
    };
    return {
      name: 'authz',
      service: this.#one(['', 'app/authz.app.svc']),
      port: this.#one([0, 9000]),
      timeoutMs: 600_000,
      failOpen: this.#random() < 0.5,
      statusOnError: 403,
      ...(this.#random() < 0.5 && { body: { maxBytes: 1024, allowPartial: true, asBytes: false } }),
      ...(this.#random() < 0.5 ? { http } : { grpc: {} }),
    };
  }

  #test(): PolicyTest {
    const field = this.#one(FIELDS);
    const names = NAMES[field];
    const where = names === undefined ? field : `${field} ${this.#one(names)}`;
    const values = [1, 2, 3].slice(this.#upTo(2).length).map(() => this.#one(VALUES[field]));
    return given(this.#random() < 0.25 ? `!${where}` : where, ...values);
  }

  #one<T>(items: readonly T[]): T {
    return items[Math.floor(this.#random() * items.length)] as T;
  }

  /** Numbers from 0, up to so many. */
  #upTo(most: number): readonly number[] {
    return Array.from({ length: Math.floor(this.#random() * (most + 1)) }, (_, index) => index);
  }
}
