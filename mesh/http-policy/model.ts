/**
 * What a waypoint enforces. Plain data, in just the JSON form of the messages of `core/xds/proto/ambit/waypoint/v1/policy.proto`,
 * which says what each field means. The boolean structure has no exceptions: OR of rules, AND of clauses, OR of matches, AND of
 * tests, OR of patterns; nothing to choose from never holds, nothing to fulfil always does.
 */
import type { Header } from '../route/model.ts';

export type HttpPolicyAction = 'DENY' | 'ALLOW' | 'AUDIT' | 'CUSTOM';

export type HttpPolicy = {
  readonly namespace: string;
  readonly name: string;
  readonly action: HttpPolicyAction;
  /** Whom a CUSTOM policy asks. */
  readonly provider: string;
  readonly dryRun: boolean;
  readonly rules: readonly PolicyRule[];
};

export type PolicyRule = { readonly clauses: readonly PolicyClause[] };
export type PolicyClause = { readonly matches: readonly PolicyMatch[] };
export type PolicyMatch = { readonly tests: readonly PolicyTest[] };

export type PolicyField =
  | 'PRINCIPAL'
  | 'NAMESPACE'
  | 'SERVICE_ACCOUNT'
  | 'TRUST_DOMAIN'
  | 'SOURCE_IP'
  | 'DESTINATION_IP'
  | 'DESTINATION_PORT'
  | 'SNI'
  | 'HOST'
  | 'METHOD'
  | 'PATH'
  | 'HEADER'
  | 'REQUEST_PRINCIPAL'
  | 'AUDIENCE'
  | 'PRESENTER'
  | 'CLAIM';

export type PolicyTest = {
  readonly field: PolicyField;
  readonly negated: boolean;
  readonly patterns: readonly Pattern[];
  /** In lower case; for HEADER. */
  readonly header: string;
  /** For CLAIM. */
  readonly claim: readonly string[];
};

export type PatternKind = 'EXACT' | 'PREFIX' | 'SUFFIX' | 'PRESENT' | 'GLOB' | 'TEMPLATE' | 'RANGE';

export type Pattern = { readonly kind: PatternKind; readonly value: string };

/** One RequestAuthentication. */
export type JwtAuthentication = {
  readonly namespace: string;
  readonly name: string;
  readonly rules: readonly JwtRule[];
};

export type JwtRule = {
  readonly issuer: string;
  readonly audiences: readonly string[];
  /** A key set; else a place to get it from; neither: by discovery at the issuer. */
  readonly jwks: string;
  readonly jwksUri: string;
  readonly fromHeaders: readonly JwtHeader[];
  readonly fromParams: readonly string[];
  readonly fromCookies: readonly string[];
  readonly forwardOriginalToken: boolean;
  readonly outputPayloadToHeader: string;
  readonly outputClaimToHeaders: readonly ClaimHeader[];
  readonly timeoutMs: number;
  readonly spaceDelimitedClaims: readonly string[];
  /** Only requests with a token that is good for such a rule pass. */
  readonly isRequired: boolean;
  /** Key of the service that `jwksUri`, or else the issuer, may name; '': none. If there is one, keys are fetched through the mesh. */
  readonly keysService: string;
};

/** `name` in lower case. */
export type JwtHeader = { readonly name: string; readonly prefix: string };

/** `header` in lower case. */
export type ClaimHeader = { readonly header: string; readonly claim: readonly string[] };

/** Whom CUSTOM policies ask; from `extensionProviders` of the mesh configuration. Either `http` or `grpc` is there. */
export type ExternalAuthorizer = {
  readonly name: string;
  /** `namespace/hostname`; the namespace may be empty. */
  readonly service: string;
  readonly port: number;
  readonly timeoutMs: number;
  readonly failOpen: boolean;
  readonly statusOnError: number;
  readonly body?: BodyInCheck;
  readonly http?: HttpAuthorizer;
  readonly grpc?: GrpcAuthorizer;
};

export type BodyInCheck = {
  readonly maxBytes: number;
  readonly allowPartial: boolean;
  readonly asBytes: boolean;
};

/** Patterns are of header names in lower case. */
export type HttpAuthorizer = {
  readonly pathPrefix: string;
  readonly requestHeaders: readonly Pattern[];
  readonly additionalHeaders: readonly Header[];
  readonly toUpstreamOnAllow: readonly Pattern[];
  readonly toDownstreamOnDeny: readonly Pattern[];
  readonly toDownstreamOnAllow: readonly Pattern[];
};

export type GrpcAuthorizer = Readonly<Record<string, never>>;

/** How paths are made comparable before anything looks at them (`pathNormalization` of the mesh configuration). */
export type PathNormalization = 'NONE' | 'BASE' | 'MERGE_SLASHES' | 'DECODE_AND_MERGE_SLASHES';

/** A rule that matches nothing. It keeps its place, so that rules have the numbers that their author knows. */
export const NEVER: PolicyRule = { clauses: [{ matches: [] }] };
