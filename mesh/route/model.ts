/**
 * Where the requests and connections of one service port go, with precedence resolved: what HTTPRoute, GRPCRoute, TCPRoute and
 * TLSRoute compile to, and what a waypoint interprets. Plain data, in just the JSON form of `ambit.waypoint.v1.PortRoutes`
 * (`core/xds/proto/ambit/waypoint/v1/route.proto`, which says what each field means).
 */

export type PortRoutes = {
  readonly http: readonly HttpRouteTable[];
  readonly tcp: readonly TcpRouteTable[];
};

export type HttpRouteTable = {
  /** '': everybody for whom there is no table of their own. */
  readonly clientNamespace: string;
  /** The first that matches counts; none: 404. */
  readonly entries: readonly HttpRouteEntry[];
  readonly actions: readonly HttpAction[];
};

export type HttpRouteEntry = {
  readonly match: HttpMatch;
  /** Index into the actions of the table: all matches of a rule share one. */
  readonly action: number;
};

/** All that is set must hold. */
export type HttpMatch = {
  readonly path?: PathMatch;
  readonly method?: StringMatch;
  readonly headers: readonly NamedMatch[];
  readonly queryParams: readonly NamedMatch[];
  readonly authority?: StringMatch;
  readonly scheme?: StringMatch;
  /** '': any. */
  readonly sourceNamespace: string;
};

/** SEGMENTS: the value, or the value, a slash and anything. PREFIX: by character. REGEX: RE2, the whole path. */
export type PathMatch = {
  readonly kind: 'EXACT' | 'SEGMENTS' | 'PREFIX' | 'REGEX';
  readonly value: string;
  readonly ignoreCase: boolean;
};

export type StringMatch = {
  readonly kind: 'EXACT' | 'PREFIX' | 'SUFFIX' | 'REGEX' | 'PRESENT';
  readonly value: string;
  readonly ignoreCase: boolean;
};

export type NamedMatch = {
  /** Of headers in lower case. */
  readonly name: string;
  readonly match: StringMatch;
  /** Holds when the match does not, and when there is nothing of that name. */
  readonly invert: boolean;
};

/** A redirect, a direct response or backends: the first of these that is set. */
export type HttpAction = {
  /** For logs, metrics and traces. */
  readonly name: string;
  readonly redirect?: Redirect;
  readonly directResponse?: DirectResponse;
  /** None, or none with a weight: 500. */
  readonly backends: readonly HttpBackend[];
  readonly rewrite?: Rewrite;
  readonly requestHeaders?: HeaderModifier;
  readonly responseHeaders?: HeaderModifier;
  readonly mirrors: readonly Mirror[];
  readonly cors?: Cors;
  /** From the end of the request to the end of the response, retries included; 0: none. */
  readonly requestTimeoutMs: number;
  /** Of each try, until its response headers; 0: none. */
  readonly backendTimeoutMs: number;
  /** Absent: the mesh's default. */
  readonly retry?: RetryPolicy;
  readonly session?: SessionPersistence;
};

/** Requests that bring the token of an earlier answer go to the endpoint that gave it, while it may be chosen. */
export type SessionPersistence = {
  readonly kind: 'COOKIE' | 'HEADER';
  /** Of the cookie, or of the header, in lower case. */
  readonly name: string;
  /** Follows the value, and `Max-Age`, in Set-Cookie. */
  readonly cookieAttributes: string;
  /** The cookie tells how long it lasts, which is the absolute timeout. */
  readonly isPermanent: boolean;
  /** Since the first answer; 0: none. */
  readonly absoluteTimeoutMs: number;
  /** Since the latest request; 0: none. */
  readonly idleTimeoutMs: number;
};

export type HttpBackend = {
  /** `namespace/hostname`; may be '' where the status says that there is none. */
  readonly service: string;
  readonly port: number;
  readonly weight: number;
  /** Not 0: its share is answered with this status. */
  readonly invalidStatus: number;
  readonly requestHeaders?: HeaderModifier;
  readonly responseHeaders?: HeaderModifier;
  readonly rewrite?: Rewrite;
  readonly redirect?: Redirect;
};

/** Names in lower case, each at most once in each list. */
export type HeaderModifier = {
  readonly set: readonly Header[];
  readonly add: readonly Header[];
  readonly remove: readonly string[];
};

export type Header = { readonly name: string; readonly value: string };

export type PathRewrite = {
  readonly kind: 'FULL' | 'SEGMENTS' | 'PREFIX';
  /** What is replaced; the path is known to begin with it. */
  readonly prefix: string;
  readonly value: string;
};

export type Rewrite = {
  /** '': as it is. */
  readonly hostname: string;
  readonly path?: PathRewrite;
};

/** '' and 0: as in the request. */
export type Redirect = {
  readonly scheme: string;
  readonly hostname: string;
  readonly port: number;
  readonly path?: PathRewrite;
  readonly status: number;
};

export type DirectResponse = { readonly status: number; readonly body: string };

/** Of `denominator` requests, `numerator`. */
export type Mirror = {
  readonly service: string;
  readonly port: number;
  readonly numerator: number;
  readonly denominator: number;
};

export type Cors = {
  readonly allowOrigins: readonly StringMatch[];
  /** `*` alone: all; here and in the next two. */
  readonly allowMethods: readonly string[];
  readonly allowHeaders: readonly string[];
  readonly exposeHeaders: readonly string[];
  readonly allowCredentials: boolean;
  readonly maxAgeSeconds: number;
  /** Preflights of other origins go to the backend, instead of being answered without permission. */
  readonly forwardsUnmatched: boolean;
};

export type RetryCondition =
  | 'CONNECT_FAILURE'
  | 'REFUSED_STREAM'
  | 'RESET'
  | 'TRY_TIMEOUT'
  /** Any 5xx, and no response at all. */
  | 'SERVER_ERROR'
  /** 502, 503, 504. */
  | 'GATEWAY_ERROR'
  /** 409. */
  | 'CONFLICT'
  | 'GRPC_CANCELLED'
  | 'GRPC_DEADLINE_EXCEEDED'
  | 'GRPC_RESOURCE_EXHAUSTED'
  | 'GRPC_INTERNAL'
  | 'GRPC_UNAVAILABLE';

export type RetryPolicy = {
  /** Tries after the first. */
  readonly attempts: number;
  readonly on: readonly RetryCondition[];
  readonly codes: readonly number[];
  /** The first wait; 0: 25 ms. Doubles, with jitter, up to ten times this. */
  readonly backoffMs: number;
};

export type TcpRouteTable = {
  readonly clientNamespace: string;
  /** The first that matches counts; none: the connection goes to the service itself. */
  readonly rules: readonly TcpRule[];
};

export type TcpRule = {
  readonly name: string;
  /** Names in the ClientHello, `*.` in front of one: every name below. None: everything matches. */
  readonly sni: readonly string[];
  /** None that is valid and has a weight: the connection is reset. */
  readonly backends: readonly TcpBackend[];
};

export type TcpBackend = {
  readonly service: string;
  readonly port: number;
  readonly weight: number;
  /** Its share is reset. */
  readonly isInvalid: boolean;
};

/** What the mesh does where a route says nothing about retries (waypoint.md section 1.12). */
export const DEFAULT_RETRY: RetryPolicy = {
  attempts: 2,
  on: ['CONNECT_FAILURE', 'REFUSED_STREAM', 'GRPC_UNAVAILABLE', 'GRPC_CANCELLED'],
  codes: [],
  backoffMs: 25,
};
