/** What policies of waypoints say to requests that were seen: a row of a waypoint's ledger, judged by its example. */
import { type IpAddress, mustParseIp, type SocketAddress } from '../address.ts';
import { type CustomCheck, customChecks, evaluateHttp, type HttpScope } from '../http-policy/evaluate.ts';
import { explainHttp, type HttpNearestMiss } from '../http-policy/explain.ts';
import type { HttpFacts, PolicyRequest } from '../http-policy/facts.ts';
import { Subject } from '../policy/subject.ts';
import { httpBecause, type JudgingPlace, unaskable, unaskableBecause } from '../predict/http-verdict.ts';
import type { MeshModel } from '../predict/model.ts';
import { type SpiffeId, spiffeParts } from '../spiffe.ts';
import { type Asked, TOKEN } from './certainty.ts';
import { accountAddresses, readIdentity } from './flow.ts';
import { type PlaceRules, rulesAt, rulesBehindRoutes } from './place-rules.ts';
import { sentOn } from './sent-on.ts';

/** A row of the ledger of a waypoint (`/flows` of its admin port). */
export type SeenRequest = {
  /** Of the Gateway, `namespace/name`. */
  readonly waypoint: string;
  readonly source: string;
  /** `namespace/hostname` of a service, or the uid of a workload. */
  readonly destination: string;
  readonly port: number;
  /** `other`: one that is not everybody's. */
  readonly method: string;
  /** A path template. */
  readonly paths: string;
  readonly verdict: 'allow' | 'deny';
  /** One of those that the row stands for. The path is as policies see it. */
  readonly example: { readonly method: string; readonly path: string; readonly host: string };
  readonly count: number;
  /** RFC 3339. */
  readonly firstSeen: string;
  readonly lastSeen: string;
};

/** What a row is about, whatever became of it. */
export function requestKey({ waypoint, source, destination, port, method, paths }: SeenRequest): string {
  return [waypoint, source, destination, port, method, paths].join(' ');
}

export type RequestVerdict =
  | {
      readonly verdict: 'allow' | 'deny';
      readonly says: string;
      /** Authorizers that have the last word. */
      readonly asks: readonly string[];
      readonly nearestMiss?: HttpNearestMiss;
    }
  /** It depends on what the ledger does not keep: headers, tokens, the caller's address, which of many it was, or the way that routes choose. */
  | { readonly verdict: 'unknown'; readonly dependsOn: readonly string[] };

/**
 * By the policies of what was called, and of the service that a route may have led to. Undefined: what was called is not bound to that
 * waypoint (any more), or nobody can read who called.
 */
export function judgeRequest(model: MeshModel, row: SeenRequest): RequestVerdict | undefined {
  const place = placeOf(model, row);
  const source = readIdentity(row.source);
  if (place === undefined || source === undefined) return undefined;
  const ways = waysOf(model, row, place, source);
  const known = accountAddresses(model, source);
  const isPlaced = known.length > 0;
  const callers = (known.length === 0 ? [NOWHERE] : known).map((from): Caller => ({ source, from }));
  const unknown = new Set<string>();
  const byWay = ways.map((way) => {
    const stops = way.map((stop) => ({ stop, scopes: stop.rules.scopesFor({ ...stop.asked, isPlaced }) }));
    for (const { scopes } of stops) for (const one of scopes.unknown) unknown.add(one);
    return (['strict', 'lenient'] as const).flatMap((assumption) => {
      const assumed = stops.map(({ stop, scopes }): Judging => ({ ...stop, scope: scopes[assumption] }));
      return callers.map((caller) => judgeWay(row.waypoint, assumed, caller));
    });
  });
  const [first] = byWay[0] ?? [];
  if (first === undefined) return undefined;
  const token = ways.flat().some(({ rules }) => rules.needsToken) ? [TOKEN] : [];
  if (byWay.flat().every(({ verdict }) => verdict === first.verdict)) {
    return first.verdict === 'allow' && token.length > 0 ? { verdict: 'unknown', dependsOn: token } : first;
  }
  const isByAddress = known.length > 1 && ways.flat().some(({ rules }) => rules.looksAtAddress);
  const addresses = isByAddress ? ["the caller's address"] : [];
  const isOneWay = byWay.every(([one]) => one?.verdict === first.verdict);
  return {
    verdict: 'unknown',
    dependsOn: [...new Set([...token, ...unknown, ...addresses]), ...(isOneWay ? [] : ['the way that routes choose'])],
  };
}

/** What judges it, and what it judges. */
type Stop = {
  readonly rules: PlaceRules;
  readonly request: PolicyRequest;
  /** All that the request is one example of. */
  readonly asked: Omit<Asked, 'isPlaced'>;
  readonly to: SocketAddress;
  /** Key of the service that a route leads to. */
  readonly ledTo: string | undefined;
};
type Judging = Stop & { readonly scope: HttpScope };

function waysOf(
  model: MeshModel,
  row: SeenRequest,
  place: JudgingPlace,
  source: SpiffeId,
): readonly (readonly Stop[])[] {
  const { destination, port, example, paths } = row;
  const { view } = model;
  const { method, path, host } = example;
  const request = { method, path, authority: host, headers: NO_HEADERS };
  const address =
    view.serviceByKey(destination)?.addresses[0]?.address ?? view.workloadByUid(destination)?.addresses[0];
  const to = { ip: address ?? NOWHERE, port };
  const own: Stop = {
    rules: rulesAt(place),
    request,
    asked: { method: row.method, paths },
    to,
    ledTo: undefined,
  };
  if (place.service === undefined) return [[own]];
  const { namespace } = spiffeParts(source);
  return sentOn(place.service, port, { method, path, paths, host, sourceNamespace: namespace }).map((sent) => {
    const other = sent && model.deriver.waypoints.get(`${row.waypoint}/service/${sent.service}`)?.service;
    if (sent === undefined || other === undefined) return [own];
    const changed = { ...request, path: sent.path, authority: sent.host };
    const asked = { method: row.method, paths: sent.paths };
    const there = { ip: NOWHERE, port: sent.port };
    return [own, { rules: rulesBehindRoutes(other), request: changed, asked, to: there, ledTo: sent.service }];
  });
}

type Caller = { readonly source: SpiffeId; readonly from: IpAddress };
type Known = Exclude<RequestVerdict, { readonly verdict: 'unknown' }>;

/** The first that says no, or else the policies of what was called. */
function judgeWay(waypoint: string, stops: readonly Judging[], { source, from }: Caller): Known {
  let passed: Known | undefined;
  for (const stop of stops) {
    const { scope, request, to, ledTo } = stop;
    const facts: HttpFacts = { peer: new Subject({ source, from: { ip: from, port: 0 }, to }), sni: '', request };
    const checks = customChecks(scope, facts);
    const silent = silentAmong(waypoint, stop, checks);
    if (silent !== undefined) return { verdict: 'deny', says: silent, asks: [] };
    const { verdict, because } = evaluateHttp(scope, facts);
    const asks = verdict === 'allow' ? checks.map(({ provider }) => provider) : [];
    const { considered, nearestMiss } = explainHttp(scope, facts);
    const words = httpBecause({ waypoint, verdict, because, considered, matched: [] });
    const says = ledTo === undefined ? words : `${words}, for ${ledTo}, which a route leads to`;
    const judged: Known = { verdict, says, asks, ...(nearestMiss && { nearestMiss }) };
    if (verdict === 'deny') return judged;
    passed ??= judged;
  }
  return passed ?? { verdict: 'deny', says: 'nobody judges it', asks: [] }; // every way has the policies of what was called
}

/** Of authorizers who have not said yes, as nobody can ask them. */
function silentAmong(waypoint: string, { rules, ledTo }: Stop, checks: readonly CustomCheck[]): string | undefined {
  if (checks.length === 0) return undefined;
  if (ledTo !== undefined) {
    const whom = checks.map(({ provider }) => provider).join(', ');
    return `${ledTo}, which a route leads to, asks ${whom}, whom nobody asks on that way`;
  }
  const silent = unaskable(rules.authorizers, 'http', checks);
  return silent && unaskableBecause(waypoint, silent);
}

/** Whether what judges it is the same in both: policies, and tokens and authorizers that they rely on. */
export function isJudgedAlike(before: MeshModel, after: MeshModel, row: SeenRequest): boolean {
  const [was, willBe] = [before, after].map((model) => {
    const place = placeOf(model, row);
    const source = readIdentity(row.source);
    return place && source && textsOf(waysOf(model, row, place, source));
  });
  return was !== undefined && was.length === willBe?.length && was.every((text, n) => text === willBe[n]);
}

/** Of rules, which are long, their own: it is made once. */
function textsOf(ways: readonly (readonly Stop[])[]): readonly string[] {
  const judged = ways.map((way) => way.map(({ rules: _, ...rest }) => rest));
  return [JSON.stringify(judged), ...ways.flat().map(({ rules }) => rules.text)];
}

/** Undefined: that waypoint does not serve it. */
export function placeOf({ deriver }: MeshModel, { waypoint, destination }: SeenRequest): JudgingPlace | undefined {
  const gateway = deriver.waypoints.get(waypoint)?.gateway;
  const kind = destination.includes('//') ? 'workload' : 'service';
  const told = deriver.waypoints.get(`${waypoint}/${kind}/${destination}`);
  if (gateway === undefined || told === undefined) return undefined;
  return { gateway, ...(told.service && { service: told.service }) };
}

const NOWHERE = mustParseIp('0.0.0.0');
const NO_HEADERS = { get: () => undefined };
