/** What is read of a route, before anybody knows which services there are. */
import type { ConditionTarget } from '../../derive/outputs.ts';
import type {
  Cors,
  DirectResponse,
  HeaderModifier,
  HttpMatch,
  Redirect,
  RetryPolicy,
  Rewrite,
  SessionPersistence,
} from '../model.ts';

export type RouteKind = 'HTTPRoute' | 'GRPCRoute' | 'TCPRoute' | 'TLSRoute';

export type RouteFacts = {
  readonly kind: RouteKind;
  readonly namespace: string;
  readonly name: string;
  /** RFC 3339; among routes that want the same, the oldest counts. */
  readonly created: string;
  readonly target: ConditionTarget;
  /** Services only: what routes say of Gateways is not for the mesh. */
  readonly parents: readonly ParentFacts[];
  readonly rules: readonly RuleFacts[];
};

/** Something that a route is about: a Service, or the hosts of a ServiceEntry. */
export type ServiceRef = {
  readonly kind: 'Service' | 'ServiceEntry';
  readonly namespace: string;
  readonly name: string;
};

export type ParentFacts = {
  readonly ref: ServiceRef;
  /** Undefined: all of its ports. */
  readonly port: number | undefined;
  readonly sectionName: string;
  /** As written, for the status. */
  readonly written: Readonly<Record<string, unknown>>;
};

export type RuleFacts = {
  /** Its own, or `<namespace>.<route>.<index>`. */
  readonly name: string;
  readonly matches: readonly MatchFacts[];
  readonly filters: Filters;
  readonly backends: readonly BackendFacts[];
  readonly mirrors: readonly MirrorFacts[];
  readonly problems: readonly RuleProblem[];
  /** TLSRoute: server names; empty for any. */
  readonly sni: readonly string[];
};

export type MatchFacts = {
  readonly match: HttpMatch;
  /** Compared number by number: more comes first (waypoint.md section 2.2). */
  readonly rank: readonly number[];
};

/** What a rule, or one of its backends, does to requests and responses. */
export type Filters = {
  readonly redirect?: Redirect;
  readonly directResponse?: DirectResponse;
  readonly rewrite?: Rewrite;
  readonly requestHeaders?: HeaderModifier;
  readonly responseHeaders?: HeaderModifier;
  readonly cors?: Cors;
  readonly requestTimeoutMs?: number;
  readonly backendTimeoutMs?: number;
  readonly retry?: RetryPolicy;
  readonly session?: SessionPersistence;
};

export type BackendRef = {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly port: number | undefined;
};

export type BackendFacts = {
  readonly ref: BackendRef;
  readonly weight: number;
  readonly filters: Filters;
};

export type MirrorFacts = {
  readonly ref: BackendRef;
  readonly numerator: number;
  readonly denominator: number;
};

/** `failed`: requests of the rule are answered with 500. `dropped`: one of its matches never matches. */
export type RuleProblem = {
  readonly effect: 'failed' | 'dropped';
  /** From its field in the rule on. */
  readonly message: string;
  /** It is right in itself: others may have it. */
  readonly isUnsupported?: boolean;
};
