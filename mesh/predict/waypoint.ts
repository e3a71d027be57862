/**
 * A path through a waypoint: what its policies say, where its routes send to, and what the endpoints behind it say to the waypoint.
 */
import { type IpAddress, ipFamily, mustParseIp, type SocketAddress } from '../address.ts';
import { expectedIdentities } from '../decide/identities.ts';
import { formatReason } from '../decide/reason.ts';
import type { ChainKind } from '../http-policy/facts.ts';
import type { HttpPolicy, PolicyField } from '../http-policy/model.ts';
import { needsToken } from '../http-policy/tokens.ts';
import type { AppProtocol } from '../model.ts';
import type { PortRoutes } from '../route/model.ts';
import type { SpiffeId } from '../spiffe.ts';
import { type Behalf, type Sender, type Tunnel, tunnelHops } from './arrival.ts';
import { type Behind, behind, refusedBehind } from './behind-waypoint.ts';
import { ended, endpointOf, hop, nameOf } from './ends.ts';
import { type WaypointPlace, waypointPlace } from './http-place.ts';
import { type AskedRequest, askedRequest, type RequestOnItsWay } from './http-request.ts';
import { ofClient, type RouteOutcome, routeHttp, routeTcp, type Share, withChanges } from './http-route.ts';
import {
  askedBeside,
  asksOfRequest,
  authenticationsAt,
  authorizersAt,
  describeHttpMiss,
  httpAdvice,
  httpBecause,
  judgeAtWaypoint,
  mentions,
  policiesAt,
  type Unaskable,
  unaskable,
  unaskableBecause,
} from './http-verdict.ts';
import { lookupOf } from './lookup.ts';
import type { MeshModel } from './model.ts';
import type { Hop, HttpVerdict, PredictedCase, Reason, Verdict } from './prediction.ts';
import type { HttpQuestion } from './question.ts';

/** What is sent over the connection, as far as somebody said. */
export type Asked = {
  readonly http: HttpQuestion | undefined;
  /** Host and port, as the caller named them. */
  readonly authority: string;
};

type Call = { readonly target: SocketAddress; readonly asked: Asked };

/** On the way to the waypoint, which is the same for whatever is sent. */
type Arrived = {
  readonly model: MeshModel;
  readonly sender: Sender;
  readonly identity: SpiffeId;
  readonly decision: Tunnel;
  readonly hops: readonly Hop[];
  readonly call: Call;
  /** What the waypoint tells endpoints of the caller. */
  readonly behalf: Behalf;
};

export function throughWaypoint(
  model: MeshModel,
  sender: Sender,
  decision: Tunnel,
  call: Call,
): readonly PredictedCase[] {
  const { caller } = sender;
  const { destination, dial } = decision;
  const [identity] = expectedIdentities(caller.workload, undefined);
  if (identity === undefined) {
    const because = `${caller.name} has no identity that could be shown`;
    return [ended(caller, 'denied', 'identity-unknown', because, [hop('identity', because, 'stops')])];
  }
  const hops = [
    hop('waypoint', `${formatReason(decision.because)}: ${endpointOf(destination, dial)}`),
    ...tunnelHops(decision, identity),
  ];
  const behalf = { identity, ip: sender.from?.ip };
  const arrived = { model, sender, identity, decision, hops, call, behalf };
  const found = waypointPlace(model, decision, call.target.port);
  switch (found.kind) {
    case 'foreign':
      return [undecided(arrived, `waypoint ${nameOf(destination)} decides, and ${found.because}`, [])];
    case 'refused':
      return [
        end(arrived, 'denied', 'port-not-served', `waypoint ${nameOf(destination)} refuses it: ${found.because}`),
      ];
    case 'place':
      return atPlace(arrived, found.place);
    default:
      return found satisfies never;
  }
}

function atPlace(arrived: Arrived, place: WaypointPlace): readonly PredictedCase[] {
  const { asked, target } = arrived.call;
  const chain = chainOf(place, asked);
  if (chain === 'open') {
    const because = `waypoint ${place.key} decides, and it depends on the request: its policies or routes look at HTTP`;
    const next = ['say which request: --method GET --path / (also --header, --claim)'];
    // Routes may lead past the endpoints of the service.
    const isRouted = (place.port?.routes?.http.length ?? 0) > 0;
    return [isRouted ? unsure(arrived, because, next) : undecided(arrived, because, next)];
  }
  const { model, sender, identity } = arrived;
  const { from } = sender;
  const policies = policiesAt(place);
  if (chain === 'tls' && policies.some((one) => mentions(one, (field) => field === 'SNI'))) {
    const because = `waypoint ${place.key} decides, and its policies look at the server name that TLS asks for`;
    return [end(arrived, 'unknown', 'waypoint-decides', because)];
  }
  const isUnsure =
    (from === undefined && policies.some((one) => mentions(one, (field) => field === 'SOURCE_IP'))) ||
    (lookupOf(model).isMadeUp && policies.some((one) => mentions(one, (field) => field === 'DESTINATION_IP')));
  if (isUnsure) {
    const because = `policies of waypoint ${place.key} look at addresses, and these are not known before the pods run`;
    return [end(arrived, 'unknown', 'address-matters', because)];
  }
  const request = chain === 'http' ? requestOf(arrived, place) : undefined;
  const call = { source: identity, from: from ?? { ip: unspecified(target), port: 0 }, to: target, chain };
  const early = answeredByClient(arrived, place, request?.sent);
  if (early !== undefined) return early;
  const come = request?.come;
  const custom =
    request === undefined || come !== undefined ? askedBeside(place, { ...call, ...(come && { request: come }) }) : [];
  const silent = unaskable(authorizersAt(place), chain, custom);
  if (silent !== undefined) return [notAsked(arrived, place, silent)];
  if (request?.kind === 'refused') {
    const because = `waypoint ${place.key} answers ${request.status}: ${request.because}`;
    const refused = end(arrived, 'denied', request.status === 400 ? 'request-refused' : 'token-refused', because);
    return [{ ...refused, ...(request.next && { next: request.next }) }];
  }
  const notes = request?.notes ?? [];
  const http = judgeAtWaypoint(place, { ...call, ...(request && { request: request.judged }) });
  const because = httpBecause(http);
  if (http.verdict === 'deny') {
    const reason = typeof http.because === 'object' ? 'deny-rule' : 'no-allow-match';
    const denied = end(arrived, 'denied', reason, because, [policyHop(http, because, 'stops', notes)]);
    return [{ ...denied, http, next: httpAdvice(http) }];
  }
  if (custom.length > 0) {
    const whom = custom.map(
      ({ provider, rule }) => `${provider} (AuthorizationPolicy ${rule.policy}, rule ${rule.rule})`,
    );
    const says = `waypoint ${place.key} asks an external authorizer, and its answer is not predicted: ${whom.join(', ')}`;
    return [
      { ...end(arrived, 'unknown', 'authorizer-decides', says, [policyHop(http, says, 'unclear', notes)]), http },
    ];
  }
  const outcome =
    request === undefined
      ? routeTcp(place.port?.routes, sender.caller.workload.namespace)
      : routeHttp(place.port?.routes, routedBy(place.port?.routes, request));
  const passed = { http, because, policy: policyHop(http, because, 'passes', notes), chain, request };
  return routed(arrived, place, passed, outcome);
}

/** Where a route of the client's own namespace answers, nobody else is asked: it is as if the client had not sent it. */
function answeredByClient(
  arrived: Arrived,
  place: WaypointPlace,
  sent: RequestOnItsWay | undefined,
): readonly PredictedCase[] | undefined {
  const routes = place.port?.routes;
  if (sent === undefined || ofClient(routes, sent.sourceNamespace) === undefined) return undefined;
  const outcome = routeHttp(routes, sent);
  if (outcome.kind !== 'none' && outcome.kind !== 'answer') return undefined;
  const { verdict, reason, because, name, next } = answerOf(place, outcome);
  const last = hop('route', because, verdict === 'denied' ? 'stops' : 'passes');
  return [{ ...end(arrived, verdict, reason, because, [last]), route: { name }, ...(next && { next }) }];
}

type Answer = Pick<PredictedCase, 'verdict' | 'reason' | 'because'> & {
  readonly name: string;
  readonly next?: readonly string[];
};

function answerOf({ key }: WaypointPlace, outcome: Extract<RouteOutcome, { kind: 'none' | 'answer' }>): Answer {
  if (outcome.kind === 'none') {
    const because = `waypoint ${key} answers 404: routes are about this port, and no rule of them matches`;
    const next = ['add a rule without matches to a route, for all the rest'];
    return { verdict: 'denied', reason: 'no-route', because, name: '', next };
  }
  const { name, status, says } = outcome;
  const because = `waypoint ${key} answers by rule ${name}: ${says}`;
  return status >= 400
    ? { verdict: 'denied', reason: 'route-fails', because, name }
    : { verdict: 'allowed', reason: 'waypoint-answers', because, name };
}

type Passed = {
  readonly http: HttpVerdict;
  readonly because: string;
  readonly policy: Hop;
  readonly chain: ChainKind;
  /** Absent where the connection is not HTTP. */
  readonly request: Request | undefined;
  /** By the policies of what a route leads to, too. */
  readonly led?: Led;
};

type Request = Extract<AskedRequest, { readonly kind: 'request' }>;

/** Routes of the client's own namespace go by what it has sent, those of the service by what its policies have judged. */
function routedBy(routes: PortRoutes | undefined, { sent, judged }: Request): RequestOnItsWay {
  return ofClient(routes, sent.sourceNamespace) === undefined ? judged : sent;
}

/** An external authorizer who can not be asked has not said yes. */
function notAsked(arrived: Arrived, place: WaypointPlace, silent: Unaskable): PredictedCase {
  const { provider, rule } = silent.check;
  const because = unaskableBecause(place.key, silent);
  const http: HttpVerdict = { waypoint: place.key, verdict: 'deny', because: rule, considered: [], matched: [rule] };
  const next = [`make ${provider} one of extensionProviders of the mesh configuration, or name another provider`];
  return { ...end(arrived, 'denied', 'deny-rule', because), http, next };
}

function routed(
  arrived: Arrived,
  place: WaypointPlace,
  passed: Passed,
  outcome: RouteOutcome,
): readonly PredictedCase[] {
  const { http, policy } = passed;
  const stop = (verdict: Verdict, reason: Reason, because: string, name: string): PredictedCase => ({
    ...end(arrived, verdict, reason, because, [
      policy,
      hop('route', because, verdict === 'denied' ? 'stops' : 'passes'),
    ]),
    http,
    route: { name },
  });
  switch (outcome.kind) {
    case 'none':
    case 'answer': {
      const { verdict, reason, because, name, next } = answerOf(place, outcome);
      return [{ ...stop(verdict, reason, because, name), ...(next && { next }) }];
    }
    case 'as-it-is': {
      const where = place.service === undefined ? 'the workload itself' : 'the service itself';
      const at: Behind = { service: place.service && keyOf(place.service), port: arrived.call.target.port };
      return beyond(arrived, passed, at, hop('route', `no route is about it: to ${where}`), { name: 'default' });
    }
    case 'backends': {
      const { name, backends } = outcome;
      return backends.flatMap((to) => {
        const { service, port, share } = to;
        const part = share === 1 ? 'all' : `${Math.round(share * 1000) / 10} percent`;
        if (service === undefined) {
          const because = `rule ${name} has a backend that can not be had: ${part} of its requests fail`;
          return [stop('denied', 'route-fails', because, name)];
        }
        const taken = { name, backend: { service, port, share } };
        const way = hop(
          'route',
          `rule ${name} sends ${part} to ${service.slice(service.indexOf('/') + 1)} port ${port}`,
        );
        const led = judgedByBackend(arrived, place, passed, to);
        const at: Behind = { service, port };
        if (led === undefined) return beyond(arrived, passed, at, way, taken);
        const { http: ledTo, because, stops } = led;
        if (stops === undefined) return beyond(arrived, { ...passed, led }, at, way, taken);
        const last = ledTo === undefined ? hop('policy', because, 'unclear') : policyHop(ledTo, because, 'stops', []);
        const ended = end(arrived, stops.verdict, stops.reason, because, [policy, way, last]);
        const next = ledTo?.verdict === 'deny' ? httpAdvice(ledTo) : ended.next;
        return [{ ...ended, next, http, route: taken, ...(ledTo && { ledTo }) }];
      });
    }
    default:
      return outcome satisfies never;
  }
}

type Led = {
  /** Absent where nobody can tell. */
  readonly http?: HttpVerdict;
  readonly because: string;
  /** Absent where it goes on. */
  readonly stops?: { readonly verdict: Verdict; readonly reason: Reason };
};

/** What a route leads to has policies of its own, where it belongs to the same waypoint. Undefined: there are none. */
function judgedByBackend(
  { model, sender, identity, call }: Arrived,
  place: WaypointPlace,
  { chain, request }: Passed,
  { service, port, changes }: Share,
): Led | undefined {
  if (service === undefined || (place.service !== undefined && service === keyOf(place.service))) return undefined;
  const other = model.deriver.waypoints.get(`${place.key}/service/${service}`)?.service;
  if (other === undefined || other.policies.length === 0) return undefined;
  const looksAt = (field: PolicyField) => other.policies.some((one) => mentions(one, (it) => it === field));
  const led = `${other.hostname}, which a route leads to`;
  if (sender.from === undefined && looksAt('SOURCE_IP')) {
    const because = `policies of ${led}, look at the caller's address, which is not known before the pods run`;
    return { because, stops: { verdict: 'unknown', reason: 'address-matters' } };
  }
  if (chain !== 'http' && looksAt('SNI')) {
    const because = `policies of ${led}, look at the server name that TLS asks for`;
    return { because, stops: { verdict: 'unknown', reason: 'waypoint-decides' } };
  }
  const alone: WaypointPlace = { key: place.key, gateway: { ...place.gateway, policies: NO_POLICIES }, service: other };
  const asked = {
    source: identity,
    from: sender.from ?? { ip: unspecified(call.target), port: 0 },
    to: { ip: UNSPECIFIED[4], port }, // as the waypoint asks: it was not called itself
    chain,
    ...(request && { request: asSentOn(place.port?.routes, request, changes) }),
  };
  const http = judgeAtWaypoint(alone, asked);
  const [custom] = http.verdict === 'allow' ? askedBeside(alone, asked) : [];
  if (custom !== undefined) {
    const because = `${led}, asks an external authorizer, and on that way nobody asks it`;
    const denied = {
      waypoint: place.key,
      verdict: 'deny',
      because: custom.rule,
      considered: [],
      matched: [custom.rule],
    } as const;
    return { http: denied, because, stops: { verdict: 'denied', reason: 'deny-rule' } };
  }
  const because = `${httpBecause(http)}, for ${led}`;
  if (http.verdict === 'allow') return { http, because };
  const reason = typeof http.because === 'object' ? 'deny-rule' : 'no-allow-match';
  return { http, because, stops: { verdict: 'denied', reason } };
}

/** Of the gateway, which has judged already. */
const NO_POLICIES: readonly HttpPolicy[] = [];

const keyOf = ({ namespace, hostname }: { readonly namespace: string; readonly hostname: string }) =>
  `${namespace}/${hostname}`;

/** What the endpoints say to the waypoint, as the rest of the path. */
function beyond(
  arrived: Arrived,
  { http, because, policy, led }: Passed,
  at: Behind,
  route: Hop,
  taken: NonNullable<PredictedCase['route']>,
): readonly PredictedCase[] {
  const { model, sender, identity, decision, hops, call } = arrived;
  return behind(model, decision.destination, at, call.target, arrived.behalf).map((one): PredictedCase => {
    const isAllowed = one.verdict === 'allowed';
    const own = [http, led?.http].some((one) => typeof one?.because === 'object') ? 'allow-rule' : 'no-allow-policies';
    const words = led === undefined ? because : `${because}; ${led.because}`;
    const ledTo = led?.http;
    const further = `behind waypoint ${http.waypoint}, ${one.because}`;
    return {
      ...one,
      callers: [sender.caller.name],
      reason: isAllowed && one.reason !== 'not-enforced' ? own : one.reason,
      because: isAllowed ? `${words}; ${further}` : further,
      encryption: one.encryption ?? 'mutual-tls',
      callerIdentity: identity,
      http,
      route: taken,
      ...(ledTo && { ledTo }),
      hops: [
        ...hops,
        policy,
        route,
        ...(led && ledTo ? [policyHop(ledTo, led.because, 'passes', [])] : []),
        ...one.hops.filter(({ kind }) => kind !== 'waypoint'),
      ],
    };
  });
}

function policyHop(http: HttpVerdict, says: string, outcome: Hop['outcome'], notes: readonly string[]): Hop {
  const details = [
    ...(http.considered.length > 0
      ? [`considered: ${http.considered.map((key) => `AuthorizationPolicy ${key}`).join(', ')}`]
      : []),
    ...(http.nearestMiss ? [`closest: ${describeHttpMiss(http.nearestMiss)}`] : []),
    ...notes,
  ];
  return { kind: 'policy', outcome, says, ...(details.length > 0 && { details }) };
}

/** Without further words, the path ends at the policies of the waypoint. */
function end(
  { sender, identity, decision, hops }: Arrived,
  verdict: Verdict,
  reason: Reason,
  because: string,
  last: readonly Hop[] = [hop('policy', because, verdict === 'denied' ? 'stops' : 'unclear')],
): PredictedCase {
  return {
    ...ended(sender.caller, verdict, reason, because, [...hops, ...last]),
    encryption: 'mutual-tls',
    callerIdentity: identity,
    endpoints: [endpointOf(decision.destination, decision.dial)],
  };
}

/** Where nobody can say what the waypoint does, the endpoints may still refuse whatever it sends. */
function undecided(arrived: Arrived, because: string, next: readonly string[]): PredictedCase {
  const { model, decision, call, hops, sender, identity } = arrived;
  const refused = refusedBehind(model, decision.destination, call.target, arrived.behalf);
  if (refused === undefined) return unsure(arrived, because, next);
  return {
    ...refused,
    callers: [sender.caller.name],
    encryption: 'mutual-tls',
    callerIdentity: identity,
    hops: [...hops, ...refused.hops],
  };
}

function unsure(arrived: Arrived, because: string, next: readonly string[]): PredictedCase {
  return { ...end(arrived, 'unknown', 'waypoint-decides', because), next };
}

/** Whether requests are looked at. `open`: that cannot be said before somebody says what is sent. */
function chainOf(place: WaypointPlace, { http }: Asked): ChainKind | 'open' {
  const protocol: AppProtocol = place.port?.protocol ?? 'UNKNOWN';
  if (protocol === 'TCP' || protocol === 'TLS') return protocol === 'TCP' ? 'tcp' : 'tls';
  if (http !== undefined) return 'http';
  if (asksOfRequest(policiesAt(place)) || (place.port?.routes?.http.length ?? 0) > 0) return 'open';
  if (protocol !== 'UNKNOWN') return 'http';
  return needsToken(authenticationsAt(place)) ? 'open' : 'tcp';
}

/** What a backend is sent: routes of the client's own namespace have changed it already. */
function asSentOn(
  routes: PortRoutes | undefined,
  { sent, judged }: Request,
  changes: Share['changes'],
): RequestOnItsWay {
  if (changes === undefined) return judged;
  const { path, authority, headers } = changes;
  const isChanged = ofClient(routes, sent.sourceNamespace) !== undefined;
  return { ...judged, path, authority, headers: isChanged ? judged.headers : withChanges(judged.headers, headers) };
}

function requestOf({ sender, identity, call }: Arrived, place: WaypointPlace): AskedRequest {
  const { http = {}, authority } = call.asked;
  return askedRequest({
    http,
    authority,
    sourceNamespace: sender.caller.workload.namespace,
    peer: { identity, ip: sender.from?.ip ?? unspecified(call.target) },
    normalization: place.gateway.pathNormalization,
    authentications: authenticationsAt(place),
    routes: place.port?.routes,
  });
}

const unspecified = ({ ip }: SocketAddress): IpAddress => UNSPECIFIED[ipFamily(ip)];

/** Stands for an address that is not known, where no policy looks at it. */
const UNSPECIFIED = { 4: mustParseIp('0.0.0.0'), 6: mustParseIp('::') } as const;
