/** The wall of the pure heart: everything else imports from here and never past it. */
export {
  formatSocketAddress,
  type IpAddress,
  ipFamily,
  ipFromBytes,
  ipToBytes,
  isLoopback,
  mustParseIp,
  parseIp,
  type SocketAddress,
} from './address.ts';
export { AddressAllocator, type AllocatedAddress, withAllocatedAddresses } from './allocate/allocator.ts';
export { AddressPool, DEFAULT_POOLS } from './allocate/pool.ts';
export { CODES, type Code, isCode, reaches, SEVERITIES, type Severity } from './analyze/codes.ts';
export {
  type EnrolmentEvidence,
  type EnrolmentStep,
  enrolmentRisks,
  leavingRisks,
  type OpenConnection,
} from './analyze/enrolment-risks.ts';
export { type Finding, formatRef, type ObjectRef, type ObservedFlow } from './analyze/finding.ts';
export { findings } from './analyze/findings.ts';
export { type Authority, type HostPort, parseAuthority } from './authority.ts';
export { type CheckResult, check, type Expectation, type ExpectedBecause } from './authz/check.ts';
export { better, coverageOf, type RuleCoverage, type RuleState } from './authz/coverage.ts';
export {
  diffFlows,
  diffRequests,
  type Effect,
  type FlowChange,
  type FlowDiff,
  type RequestChange,
  type RequestDiff,
} from './authz/diff.ts';
export { type FlowVerdict, identityOf, judgeFlow, reached, type SeenFlow } from './authz/flow.ts';
export type { RequestVerdict, SeenRequest } from './authz/request.ts';
export { type SuggestedRule, type Suggestion, type Suggestions, suggestPolicies } from './authz/suggest.ts';
export {
  type Evidence,
  type RequestSuggestion,
  type RequestSuggestions,
  type SuggestedRequestRule,
  suggestForRequests,
} from './authz/suggest-requests.ts';
export type { Brand } from './brand.ts';
export { CelError, type Expression as CelExpression, parts as celParts } from './cel/ast.ts';
export { evaluate as evaluateCel } from './cel/evaluate.ts';
export * as celArguments from './cel/library.ts';
export { type CelCall, hasCall as hasCelCall, withLibrary as withCelLibrary } from './cel/library.ts';
export type { Meter as CelMeter } from './cel/meter.ts';
export { parseCel } from './cel/parser.ts';
export { STANDARD as STANDARD_CEL } from './cel/standard.ts';
export { type CelValue, Duration, Foreign, parseDuration as parseCelDuration, Timestamp } from './cel/values.ts';
export { type Cidr, formatCidr, parseCidr } from './cidr.ts';
export type { OutboundDecision, RefuseReason, Way } from './decide/decision.ts';
export type { GatewayHop } from './decide/gateway.ts';
export { expectedIdentities } from './decide/identities.ts';
export {
  decideInboundHbone,
  decideInboundPlaintext,
  type InboundDecision,
  type InboundHboneRequest,
} from './decide/inbound.ts';
export { judgeSource, SOURCE_HEADER, type SourceClaim } from './decide/original-caller.ts';
export {
  decideOutbound,
  ILLEGAL_PORTS,
  type OutboundFlow,
  reachEndpoint,
} from './decide/outbound.ts';
export { formatReason, type RouteReason } from './decide/reason.ts';
export { HBONE_PORT, type Resolution, resolved } from './decide/way.ts';
export type { PolicyReading } from './derive/authorization-policy.ts';
export { Deriver } from './derive/deriver.ts';
export {
  DEFAULT_EXCLUDED_NAMESPACES,
  type EnablementSelector,
  type Enrolment,
  enrolled,
} from './derive/enrolled.ts';
export type { LabelSelector } from './derive/label-selector.ts';
export type { RuleReading } from './derive/policy-rules.ts';
export type { PolicyStatus } from './derive/policy-status.ts';
export { isOfRevision } from './derive/revision.ts';
export { type WaypointWish, waypointWish, wishedGateways } from './derive/waypoint-wish.ts';
export {
  formatNameAnswer,
  type NameAnswer,
  type NameQuestion,
  type NameSettings,
  resolveName,
  type WhyEmpty,
} from './dns/resolve.ts';
export { randomSample } from './dns/sample.ts';
export { type LeftOut, usableServers } from './dns/upstream.ts';
export { causedBy, MeshError, type MeshErrorCode } from './error.ts';
export {
  type CustomCheck,
  compileHttpPolicies,
  customChecks,
  denialDetail,
  evaluateHttp,
  type HttpBecause,
  type HttpDecision,
  type HttpScope,
} from './http-policy/evaluate.ts';
export {
  explainHttp,
  type HttpExplanation,
  type HttpNearestMiss,
  matchingHttpRules,
} from './http-policy/explain.ts';
export type { ChainKind, HttpFacts, PolicyRequest, TokenFacts } from './http-policy/facts.ts';
export type {
  BodyInCheck,
  ClaimHeader,
  ExternalAuthorizer,
  GrpcAuthorizer,
  HttpAuthorizer,
  HttpPolicy,
  HttpPolicyAction,
  JwtAuthentication,
  JwtHeader,
  JwtRule,
  PathNormalization,
  Pattern,
  PolicyClause,
  PolicyField,
  PolicyMatch,
  PolicyRule,
  PolicyTest,
} from './http-policy/model.ts';
export { type NormalisedPath, normalisePath } from './http-policy/normalise-path.ts';
export { matchesName } from './http-policy/patterns.ts';
export {
  claimHeader,
  decidingRules,
  isPreflight,
  needsToken,
  refusalOf,
  TOKEN_REFUSALS,
  type TokenRefusal,
  tokenFacts,
} from './http-policy/tokens.ts';
export {
  type ConditionChange,
  DEFAULT_MESH_CONFIG,
  type Delta,
  groupOf,
  type KubeMetadata,
  type KubeObject,
  type KubeObjectRef,
  type MeshConfig,
  type OwnerReference,
} from './kube-object.ts';
export {
  type GatewayConfig,
  gatewayOfResource,
  type PortConfig,
  type ServiceConfig,
  WAYPOINT_REVISION,
  type WaypointResource,
  type WorkloadConfig,
} from './l7/model.ts';
export { meshConfigMapName, readMeshConfig } from './mesh-config.ts';
export {
  type Address,
  type ApplicationTunnel,
  type AppProtocol,
  type Authorization,
  type AuthorizationRule,
  addressKey,
  authorizationKey,
  type Clause,
  EMPTY_MATCH,
  type GatewayAddress,
  type GatewayDestination,
  type LoadBalancing,
  type Locality,
  type Match,
  type NetworkAddress,
  type RoutingScope,
  type Service,
  type ServiceAccountMatch,
  type ServicePort,
  type StringMatch,
  serviceKey,
  type WeightedWaypoint,
  type Workload,
} from './model.ts';
export type { RuleRef } from './policy/compile.ts';
export {
  type Because,
  type DryRunHit,
  evaluate,
  formatBecause,
  formatDryRunHit,
  type PolicyDecision,
} from './policy/evaluate.ts';
export { type Explanation, explain, explainDryRun, type NearestMiss } from './policy/explain.ts';
export { requireWaypointName } from './policy/require-waypoint.ts';
export type { PolicyScope } from './policy/scope.ts';
export { type ConnectionFacts, type OriginalCaller, Subject } from './policy/subject.ts';
export { changeFor } from './predict/advice.ts';
export { describeHttpMiss } from './predict/http-verdict.ts';
export { MADE_UP_ADDRESS } from './predict/lookup.ts';
export { buildModel, type MeshModel } from './predict/model.ts';
export { predict } from './predict/predict.ts';
export {
  decidingRule,
  type Hop,
  type HopKind,
  type HttpVerdict,
  type PolicyVerdict,
  type PredictedCase,
  type Prediction,
  type Reason,
  type RouteTaken,
  type Verdict,
} from './predict/prediction.ts';
export {
  type Callee,
  type Caller,
  formatCallee,
  formatCaller,
  type HttpQuestion,
  type Parsed,
  parseCallee,
  parseCaller,
  type Question,
} from './predict/question.ts';
export { describeMiss } from './predict/words.ts';
export { type CompiledRegex, compileRegex, type Regex } from './regex/regex.ts';
export { POLICY_CONTROLLER } from './resilience/backend-tls-policies.ts';
export {
  type BackendLimits,
  type BackendPolicy,
  type BackendTls,
  DEFAULT_OUTLIERS,
  type HashPolicy,
  NO_LIMITS,
  type OutlierPolicy,
  type SlowStart,
} from './resilience/model.ts';
export { type MaterialRef, materialName } from './resilience/tls-material.ts';
export { addPermission, type CorsCheck, type CorsDecision, compileCors } from './route/cors.ts';
export type { RouteKind, ServiceRef } from './route/derive/facts.ts';
export type { RoutedBinding, RoutedService, Surroundings as RouteSurroundings } from './route/derive/resolve.ts';
export { type NotedKind, Routes } from './route/derive/routes.ts';
export {
  ROUTE_CONTROLLER,
  type RouteCondition,
  type RouteParentStatus,
  type RouteStatus,
} from './route/derive/status.ts';
export { modifyHeaders } from './route/header-modifier.ts';
export {
  type Cors,
  DEFAULT_RETRY,
  type DirectResponse,
  type Header,
  type HeaderModifier,
  type HttpAction,
  type HttpBackend,
  type HttpMatch,
  type HttpRouteEntry,
  type HttpRouteTable,
  type Mirror,
  type NamedMatch,
  type PathMatch,
  type PathRewrite,
  type PortRoutes,
  type Redirect,
  type RetryCondition,
  type RetryPolicy,
  type Rewrite,
  type SessionPersistence,
  type StringMatch as RouteStringMatch,
  type TcpBackend,
  type TcpRouteTable,
  type TcpRule,
} from './route/model.ts';
export { type Headers, queryParam, type RequestFacts, splitTarget } from './route/request-facts.ts';
export { hostOf, redirectLocation, rewritePath, rewriteTarget } from './route/rewrite.ts';
export { type Session, Sessions } from './route/session.ts';
export { isMirrored, pickByWeight } from './route/share.ts';
export { type CompiledTable, compileTable, match as matchRoute, RouteTables } from './route/table.ts';
export { parseSpiffeId, type SpiffeId, type SpiffeParts, spiffeId, spiffeParts } from './spiffe.ts';
export type { AttributeName } from './telemetry/attributes.ts';
export {
  type Attributes,
  type Compiled,
  compileLogFilter,
  compileTagValue,
  type LogFilter,
  type TagValue,
} from './telemetry/expressions.ts';
export {
  type AccessLog,
  type CustomTag,
  METRICS,
  type MetricName,
  NO_TELEMETRY,
  type TelemetryConfig,
  type Tracing,
} from './telemetry/model.ts';
export { formatProblem, type Problem, type ProblemCode, type Validation } from './validate/findings.ts';
export { nothingKnown, type SurroundingKind, type Surroundings, surroundingsOf } from './validate/surroundings.ts';
export { validate } from './validate/validate.ts';
export type { Pick, PickFailure } from './view/balancer.ts';
export type { Candidate, Choice } from './view/bucket.ts';
export { hashOf } from './view/hash-table.ts';
export type { PolicyStore } from './view/policy-store.ts';
export type { Endpoint, LookupMode } from './view/ports.ts';
export { View, type ViewOptions, type WorkloadInfo } from './view/view.ts';
