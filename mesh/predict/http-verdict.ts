/** What the policies of a waypoint say to a request or connection, by the functions that it decides with itself. */
import type { SocketAddress } from '../address.ts';
import { getOrAdd } from '../derive/selector.ts';
import {
  type CustomCheck,
  compileHttpPolicies,
  customChecks,
  evaluateHttp,
  type HttpBecause,
  type HttpScope,
} from '../http-policy/evaluate.ts';
import { explainHttp, type HttpNearestMiss, matchingHttpRules } from '../http-policy/explain.ts';
import { type ChainKind, type HttpFacts, isHidden, type PolicyRequest } from '../http-policy/facts.ts';
import type { ExternalAuthorizer, HttpPolicy, JwtAuthentication, PolicyField } from '../http-policy/model.ts';
import { Subject } from '../policy/subject.ts';
import type { SpiffeId } from '../spiffe.ts';
import type { WaypointPlace } from './http-place.ts';
import type { HttpVerdict } from './prediction.ts';

/** Whose configuration is asked. */
export type JudgingPlace = Pick<WaypointPlace, 'gateway' | 'service'>;

/** Policies of the gateway, then of the service. */
export function policiesAt({ gateway, service }: JudgingPlace): readonly HttpPolicy[] {
  return [...gateway.policies, ...(service?.policies ?? [])];
}

/** Which tokens are good for what those policies say of tokens. */
export function authenticationsAt({ gateway, service }: JudgingPlace): readonly JwtAuthentication[] {
  return [...gateway.authentications, ...(service?.authentications ?? [])];
}

/** Whom those policies can ask. */
export function authorizersAt({ gateway, service }: JudgingPlace): readonly ExternalAuthorizer[] {
  return [...gateway.authorizers, ...(service?.authorizers ?? [])];
}

/** Whether what is said depends on what only a request has. */
export function asksOfRequest(policies: readonly HttpPolicy[]): boolean {
  return policies.some((policy) => mentions(policy, (field) => isHidden(field, 'tls')));
}

export function mentions({ rules }: HttpPolicy, isMeant: (field: PolicyField) => boolean): boolean {
  return rules.some(({ clauses }) =>
    clauses.some(({ matches }) => matches.some(({ tests }) => tests.some(({ field }) => isMeant(field)))),
  );
}

export type JudgedCall = {
  readonly source: SpiffeId;
  readonly from: SocketAddress;
  /** The service's address and port. */
  readonly to: SocketAddress;
  readonly chain: ChainKind;
  /** Absent where the connection is not HTTP. */
  readonly request?: PolicyRequest;
};

function factsOf({ source, from, to, request }: JudgedCall): HttpFacts {
  return { peer: new Subject({ source, from, to }), sni: '', ...(request && { request }) };
}

type Kept = { readonly ofGateway: readonly HttpPolicy[]; readonly scopes: Map<ChainKind, HttpScope> };

/** By the policies of a service, or else of a gateway: a list that changes is another one. */
const KEPT = new WeakMap<readonly HttpPolicy[], Kept>();

/** Compiled at the first question about a place. */
function scopeAt(place: JudgingPlace, chain: ChainKind): HttpScope {
  const ofGateway = place.gateway.policies;
  const own = place.service?.policies ?? ofGateway;
  let kept = KEPT.get(own);
  if (kept?.ofGateway !== ofGateway) {
    kept = { ofGateway, scopes: new Map() };
    KEPT.set(own, kept);
  }
  return getOrAdd(kept.scopes, chain, () => compileHttpPolicies(policiesAt(place), chain));
}

/** Who is asked beside, before anybody looks at tokens: `call` is as it has come. */
export function askedBeside(place: WaypointPlace, call: JudgedCall): readonly CustomCheck[] {
  return customChecks(scopeAt(place, call.chain), factsOf(call));
}

export type Unaskable = { readonly check: CustomCheck; readonly why: string };

/** Those that can not be asked, which is a no: nobody has configured them, or there is no request to ask about. */
export function unaskable(
  authorizers: readonly ExternalAuthorizer[],
  chain: ChainKind,
  checks: readonly CustomCheck[],
): Unaskable | undefined {
  const known = new Set(authorizers.map(({ name }) => name));
  if (chain !== 'http') return checks[0] && { check: checks[0], why: 'can be asked about requests only' };
  const check = checks.find(({ provider }) => !known.has(provider));
  return check && { check, why: 'is no provider that the mesh configuration has' };
}

/** One sentence, without a full stop. */
export function unaskableBecause(waypoint: string, { check, why }: Unaskable): string {
  const { provider, rule } = check;
  return `AuthorizationPolicy ${rule.policy}, rule ${rule.rule}, asks ${provider} at waypoint ${waypoint}, who ${why}`;
}

export function judgeAtWaypoint(place: WaypointPlace, call: JudgedCall): HttpVerdict {
  const scope = scopeAt(place, call.chain);
  const facts = factsOf(call);
  const { verdict, because, audited, dryRunHits } = evaluateHttp(scope, facts);
  const { considered, nearestMiss } = explainHttp(scope, facts);
  return {
    waypoint: place.key,
    verdict,
    because,
    considered,
    matched: matchingHttpRules(scope, facts),
    ...(nearestMiss && { nearestMiss }),
    ...(audited && { audited }),
    ...(dryRunHits && { dryRunHits }),
  };
}

/** One sentence, without a full stop. */
export function httpBecause({ waypoint, verdict, because }: HttpVerdict): string {
  if (typeof because === 'object') {
    return `AuthorizationPolicy ${because.policy}, rule ${because.rule}, ${verdict === 'allow' ? 'allows' : 'denies'} it at waypoint ${waypoint}`;
  }
  return WORDS[because](waypoint);
}

const WORDS: Readonly<Record<Extract<HttpBecause, string>, (waypoint: string) => string>> = {
  'no-allow-policies': (waypoint) => `waypoint ${waypoint} has no ALLOW policy about it, and no DENY rule matches`,
  'no-allow-match': (waypoint) => `ALLOW policies of waypoint ${waypoint} are about it, and no rule of them matches`,
};

export function describeHttpMiss({ policy, rule, field, wanted, got }: HttpNearestMiss): string {
  return `${policy}, rule ${rule}, wants ${field} ${wanted}, and this is ${got}`;
}

/** What somebody whose request is denied can do about it. */
export function httpAdvice({ because, nearestMiss }: HttpVerdict): readonly string[] {
  if (typeof because === 'object') {
    const [namespace = '', name = ''] = because.policy.split('/');
    return [
      `look at the rule: kubectl get authorizationpolicy -n ${namespace} ${name} -o jsonpath='{.spec.rules[${because.rule}]}'`,
      'no ALLOW policy can outweigh a DENY: the rule itself must exempt this request',
    ];
  }
  if (nearestMiss === undefined) return ['no rule comes near: if this should be allowed, add one to an ALLOW policy'];
  const { policy, rule, field, got } = nearestMiss;
  const where = `AuthorizationPolicy ${policy}, spec.rules[${rule}]`;
  if (got === 'no valid token')
    return [
      `it needs a token: ask with --claim, as in --claim sub=alice; ${where} wants ${field} ${nearestMiss.wanted}`,
    ];
  return field.startsWith('not')
    ? [`if this should be allowed, take ${got} out of ${field} in ${where}`]
    : [`if this should be allowed, add ${got} to ${field} in ${where}`];
}
