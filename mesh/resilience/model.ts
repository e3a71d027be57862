/**
 * How a waypoint treats the endpoints of a service. Plain data, in just the JSON form of the messages of
 * `core/xds/proto/ambit/waypoint/v1/resilience.proto`, which says what each field means.
 */
export type BackendPolicy = {
  readonly service: string;
  readonly port: number;
  readonly balancing: 'LEAST_REQUEST' | 'ROUND_ROBIN' | 'RANDOM';
  readonly refusal: string;
  readonly limits: BackendLimits;
  readonly outliers?: OutlierPolicy;
  readonly slowStart?: SlowStart;
  readonly hash?: HashPolicy;
  readonly tls?: BackendTls;
};

/** Requests with the same key go to the same endpoint while it is there. */
export type HashPolicy = {
  readonly key: 'HEADER' | 'COOKIE' | 'SOURCE_IP' | 'QUERY_PARAMETER';
  /** Of the header (in lower case), cookie or parameter. */
  readonly name: string;
  /** A request without the cookie gets one: what follows its value in Set-Cookie. */
  readonly cookieAttributes?: string;
  readonly table: 'RING' | 'MAGLEV';
  readonly size: number;
};

/** Holds a private key: nobody but the waypoint may see it. */
export type BackendTls = {
  readonly sni: string;
  readonly names: readonly string[];
  readonly unverified: boolean;
  readonly roots: string;
  readonly chain: string;
  readonly key: string;
};

export type BackendLimits = {
  readonly maxConnections: number;
  readonly maxPending: number;
  readonly maxRequests: number;
  readonly maxRequestsPerConnection: number;
  readonly connectTimeoutMs: number;
  readonly idleTimeoutMs: number;
};

export type OutlierPolicy = {
  readonly consecutive5xx: number;
  readonly consecutiveGateway: number;
  readonly consecutiveLocal: number;
  readonly baseEjectionMs: number;
  readonly maxEjectionPercent: number;
  readonly minHealthPercent: number;
};

export type SlowStart = { readonly windowMs: number; readonly minPercent: number; readonly aggression: number };

export const NO_LIMITS: BackendLimits = {
  maxConnections: 0,
  maxPending: 0,
  maxRequests: 0,
  maxRequestsPerConnection: 0,
  connectTimeoutMs: 0,
  idleTimeoutMs: 0,
};

/** Where no DestinationRule says anything: an endpoint that can not be connected to is left out for a while, and nobody else. */
export const DEFAULT_OUTLIERS: OutlierPolicy = {
  consecutive5xx: 0,
  consecutiveGateway: 0,
  consecutiveLocal: 5,
  baseEjectionMs: 10_000,
  maxEjectionPercent: 50,
  minHealthPercent: 0,
};
