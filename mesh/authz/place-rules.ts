/** What judges requests at a place, made ready once for however many rows of ledgers ask. */
import { compileHttpPolicies, type HttpScope } from '../http-policy/evaluate.ts';
import type { ExternalAuthorizer, HttpPolicy, JwtAuthentication, PolicyTest } from '../http-policy/model.ts';
import { needsToken } from '../http-policy/tokens.ts';
import type { GatewayConfig, ServiceConfig } from '../l7/model.ts';
import { authenticationsAt, authorizersAt, type JudgingPlace, policiesAt } from '../predict/http-verdict.ts';
import { assuming } from './assume.ts';
import { type Asked, unknownOf } from './certainty.ts';

/** `strict` and `lenient` are one where nothing is unknown. */
export type JudgingScopes = {
  readonly strict: HttpScope;
  readonly lenient: HttpScope;
  /** What they depend on that nobody knows, in words. */
  readonly unknown: readonly string[];
};

/** Rows differ little in what they leave unknown; so many ways of it are kept. */
const MOST_KEPT = 64;

export class PlaceRules {
  readonly authorizers: readonly ExternalAuthorizer[];
  readonly needsToken: boolean;
  readonly looksAtAddress: boolean;
  readonly #policies: readonly HttpPolicy[];
  readonly #authentications: readonly JwtAuthentication[];
  readonly #tests: readonly PolicyTest[];
  /** By the tests that are unknown. */
  readonly #scopes = new Map<string, JudgingScopes>();
  #text: string | undefined;

  constructor(
    policies: readonly HttpPolicy[],
    authorizers: readonly ExternalAuthorizer[] = [],
    authentications: readonly JwtAuthentication[] = [],
  ) {
    this.#policies = policies;
    this.authorizers = authorizers;
    this.#authentications = authentications;
    this.#tests = policies.flatMap(testsOf);
    this.needsToken = needsToken(authentications);
    this.looksAtAddress = this.#tests.some(({ field }) => field === 'SOURCE_IP');
  }

  /** Two that have it in common say the same of every request. */
  get text(): string {
    this.#text ??= JSON.stringify([this.#policies, this.authorizers, this.#authentications]);
    return this.#text;
  }

  scopesFor(asked: Asked): JudgingScopes {
    const unknown = new Map<PolicyTest, string>();
    let key = '';
    for (const [n, test] of this.#tests.entries()) {
      const words = unknownOf(test, asked);
      if (words === undefined) continue;
      unknown.set(test, words);
      key += `${n} `;
    }
    let scopes = this.#scopes.get(key);
    if (scopes === undefined) {
      if (this.#scopes.size >= MOST_KEPT) this.#scopes.clear();
      scopes = this.#compiled(unknown);
      this.#scopes.set(key, scopes);
    }
    return scopes;
  }

  #compiled(unknown: ReadonlyMap<PolicyTest, string>): JudgingScopes {
    const assumed = (assumption: 'strict' | 'lenient') =>
      compileHttpPolicies(
        assuming(this.#policies, (test) => unknown.has(test), assumption),
        'http',
      );
    const strict = assumed('strict');
    const lenient = unknown.size === 0 ? strict : assumed('lenient');
    return { strict, lenient, unknown: [...new Set(unknown.values())] };
  }
}

function testsOf({ rules }: HttpPolicy): readonly PolicyTest[] {
  return rules.flatMap(({ clauses }) => clauses.flatMap(({ matches }) => matches.flatMap(({ tests }) => tests)));
}

type Owner = GatewayConfig | ServiceConfig;

const AT_PLACES = new WeakMap<Owner, { readonly gateway: GatewayConfig; readonly rules: PlaceRules }>();

/** All that is asked about what is called there. */
export function rulesAt(place: JudgingPlace): PlaceRules {
  const { gateway, service } = place;
  const held = AT_PLACES.get(service ?? gateway);
  if (held !== undefined && held.gateway === gateway) return held.rules;
  const rules = new PlaceRules(policiesAt(place), authorizersAt(place), authenticationsAt(place));
  AT_PLACES.set(service ?? gateway, { gateway, rules });
  return rules;
}

const BEHIND_ROUTES = new WeakMap<ServiceConfig, PlaceRules>();

/** What is asked about requests that a route leads to it: nobody asks others for it, or looks at a token again. */
export function rulesBehindRoutes(service: ServiceConfig): PlaceRules {
  let rules = BEHIND_ROUTES.get(service);
  if (rules === undefined) {
    rules = new PlaceRules(service.policies);
    BEHIND_ROUTES.set(service, rules);
  }
  return rules;
}
