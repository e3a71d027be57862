/**
 * The boolean structure of the model, word for word and as slowly as that may be: for tests only. Nothing of the engine is used, so
 * that the two agree only where both are right.
 */
import type { HttpPolicy, Pattern, PolicyRule, PolicyTest } from './model.ts';

/** What a request is to policies, written down by hand: for each field all that it has there. */
export type NaiveRequest = {
  /** `trust domain/ns/NAMESPACE/sa/ACCOUNT`; '' for plaintext. */
  readonly principal: string;
  readonly from: string;
  readonly to: string;
  readonly port: number;
  readonly sni: string;
  /** Absent: no HTTP. */
  readonly http?: {
    readonly method: string;
    readonly path: string;
    /** In lower case, with a port or without. */
    readonly host: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly token?: {
      readonly principal: string;
      readonly audiences: readonly string[];
      readonly presenter: string;
      readonly claims: Readonly<Record<string, unknown>>;
    };
  };
};

export type NaiveVerdict = {
  readonly verdict: 'allow' | 'deny';
  readonly because: string;
  readonly audited: readonly string[];
  readonly asked: readonly string[];
  readonly tried: readonly string[];
};

export function naively(policies: readonly HttpPolicy[], request: NaiveRequest): NaiveVerdict {
  const byName = [...policies].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  const matching = (action: string, dryRun: boolean, of = byName) =>
    of
      .filter((policy) => policy.action === action && policy.dryRun === dryRun)
      .flatMap((policy) => policy.rules.map((rule, index) => ({ policy, rule, name: `${keyOf(policy)}#${index}` })))
      .filter(({ policy, rule }) => ruleHolds(rule, policy.action, request))
      .map(({ name }) => name);
  const providers = [...new Set(byName.filter(({ action }) => action === 'CUSTOM').map((p) => p.provider))].sort();
  const asked = providers.flatMap((provider) =>
    matching(
      'CUSTOM',
      false,
      byName.filter((p) => p.provider === provider),
    )
      .slice(0, 1)
      .map((name) => `${provider} for ${name}`),
  );
  const audited = matching('AUDIT', false);
  const allows = byName.filter((policy) => policy.action === 'ALLOW' && !policy.dryRun);
  const triedAllows = matching('ALLOW', true);
  const wouldBeFirst = allows.length === 0 && triedAllows.length === 0;
  const tried = [
    ...matching('DENY', true).map((name) => `DENY ${name}`),
    ...triedAllows.map((name) => `ALLOW ${name}`),
    ...byName.filter((p) => wouldBeFirst && p.action === 'ALLOW' && p.dryRun).map((p) => `ALLOW ${keyOf(p)}`),
  ];
  const rest = { audited, asked, tried };
  const [denied] = matching('DENY', false);
  if (denied !== undefined) return { verdict: 'deny', because: denied, ...rest };
  if (allows.length === 0) return { verdict: 'allow', because: 'no-allow-policies', ...rest };
  const [allowed] = matching('ALLOW', false);
  if (allowed !== undefined) return { verdict: 'allow', because: allowed, ...rest };
  return { verdict: 'deny', because: 'no-allow-match', ...rest };
}

const keyOf = ({ namespace, name }: HttpPolicy) => `${namespace}/${name}`;

const HTTP = 'HOST METHOD PATH HEADER REQUEST_PRINCIPAL AUDIENCE PRESENTER CLAIM'.split(' ');

function ruleHolds(rule: PolicyRule, action: string, request: NaiveRequest): boolean {
  const isBlind = ({ field }: PolicyTest) =>
    request.http === undefined && (HTTP.includes(field) || (field === 'SNI' && request.sni === ''));
  const tests = rule.clauses.flatMap(({ matches }) => matches.flatMap((match) => match.tests));
  if (action === 'ALLOW' && tests.some(isBlind)) return false;
  return rule.clauses.every(({ matches }) =>
    matches.some((match) => match.tests.every((test) => isBlind(test) || testHolds(test, request))),
  );
}

function testHolds(test: PolicyTest, request: NaiveRequest): boolean {
  const any = valuesAt(test, request).some((value) => test.patterns.some((pattern) => patternHolds(pattern, value)));
  return any !== test.negated;
}

function valuesAt({ field, header, claim }: PolicyTest, request: NaiveRequest): readonly string[] {
  const { principal, http } = request;
  const [domain = '', , namespace = '', , account = ''] = principal.split('/');
  const ofPeer = (value: string) => (principal === '' ? [] : [value]);
  const token = http?.token;
  switch (field) {
    case 'PRINCIPAL':
      return ofPeer(principal);
    case 'NAMESPACE':
      return ofPeer(namespace);
    case 'SERVICE_ACCOUNT':
      return ofPeer(`${namespace}/${account}`);
    case 'TRUST_DOMAIN':
      return ofPeer(domain);
    case 'SOURCE_IP':
      return [request.from];
    case 'DESTINATION_IP':
      return [request.to];
    case 'DESTINATION_PORT':
      return [String(request.port)];
    case 'SNI':
      return request.sni === '' ? [] : [request.sni];
    case 'HOST':
      return http === undefined ? [] : [http.host, ...(http.host.split(':').slice(0, 1) ?? [])];
    case 'METHOD':
      return http === undefined ? [] : [http.method];
    case 'PATH':
      return http === undefined ? [] : [http.path];
    case 'HEADER': {
      const value = http?.headers[header];
      return value === undefined ? [] : [value];
    }
    case 'REQUEST_PRINCIPAL':
      return token === undefined ? [] : [token.principal];
    case 'AUDIENCE':
      return token?.audiences ?? [];
    case 'PRESENTER':
      return token?.presenter ? [token.presenter] : [];
    case 'CLAIM': {
      let value: unknown = token?.claims;
      for (const name of claim) value = (value as Record<string, unknown> | undefined)?.[name];
      return [value]
        .flat()
        .filter((item) => typeof item === 'string' || typeof item === 'boolean')
        .map(String);
    }
    default:
      return field satisfies never;
  }
}

/** Regular expressions, which the engine must not use, say the same in another way. */
function patternHolds({ kind, value }: Pattern, text: string): boolean {
  const literal = (part: string) => part.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
  switch (kind) {
    case 'EXACT':
      return text === value;
    case 'PREFIX':
      return text.startsWith(value);
    case 'SUFFIX':
      return text.endsWith(value);
    case 'PRESENT':
      return text !== '';
    case 'GLOB':
      return new RegExp(`^${value.split('*').map(literal).join('.*')}$`).test(text);
    case 'TEMPLATE': {
      const parts = value
        .split(/(\{\*\*?\})/)
        .map((part) => (part === '{*}' ? '[^/]+' : part === '{**}' ? '.*' : literal(part)));
      return new RegExp(`^${parts.join('')}$`).test(text);
    }
    case 'RANGE':
      return rangeHolds(value, text);
    default:
      return kind satisfies never;
  }
}

/** Dotted quads with a prefix of whole bytes; other families and forms are the business of mesh/cidr. */
function rangeHolds(range: string, ip: string): boolean {
  const [address = '', prefix = '32'] = range.split('/');
  const bytes = Number(prefix) / 8;
  return !ip.includes(':') && address.split('.').slice(0, bytes).join('.') === ip.split('.').slice(0, bytes).join('.');
}
