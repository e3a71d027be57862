/** What policies of waypoints say to requests that were seen: a row of a waypoint's ledger, judged by its example. */
import { type IpAddress, mustParseIp } from '../address.ts';
import { compileHttpPolicies, customChecks, evaluateHttp } from '../http-policy/evaluate.ts';
import { explainHttp, type HttpNearestMiss } from '../http-policy/explain.ts';
import type { HttpFacts } from '../http-policy/facts.ts';
import type { HttpPolicy, PolicyField } from '../http-policy/model.ts';
import type { GatewayConfig, ServiceConfig } from '../l7/model.ts';
import { Subject } from '../policy/subject.ts';
import { httpBecause, mentions } from '../predict/http-verdict.ts';
import type { MeshModel } from '../predict/model.ts';
import type { SpiffeId } from '../spiffe.ts';
import { type Assumption, assuming } from './assume.ts';
import { accountAddresses, readIdentity } from './flow.ts';

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
  /** It depends on what the ledger does not keep: headers, tokens, or the caller's address. */
  | { readonly verdict: 'unknown'; readonly dependsOn: readonly string[] };

/** What the ledger does not keep, in words. The address is known where pods of the caller's account are. */
const WORDS: Readonly<Partial<Record<PolicyField, string>>> = {
  HEADER: 'headers',
  REQUEST_PRINCIPAL: 'the token',
  AUDIENCE: 'the token',
  PRESENTER: 'the token',
  CLAIM: 'the token',
  SOURCE_IP: "the caller's address",
};

/** Undefined: what was called is not bound to that waypoint (any more), or nobody can read who called. */
export function judgeRequest(model: MeshModel, row: SeenRequest): RequestVerdict | undefined {
  const place = placeOf(model, row);
  const source = readIdentity(row.source);
  if (place === undefined || source === undefined) return undefined;
  const policies = policiesOf(place);
  const known = accountAddresses(model, source);
  const isUnknown = (field: PolicyField) => WORDS[field] !== undefined && (field !== 'SOURCE_IP' || known.length === 0);
  const ask = (assumption: Assumption) => {
    const scope = compileHttpPolicies(assuming(policies, isUnknown, assumption), 'http');
    return (known.length === 0 ? [NOWHERE] : known).map((from) => {
      const facts = factsOf(model, row, { source, from });
      return { scope, facts, decision: evaluateHttp(scope, facts) };
    });
  };
  const all = [...ask('strict'), ...ask('lenient')];
  const [first] = all;
  if (first === undefined) return undefined;
  const { decision, scope, facts } = first;
  const { verdict, because } = decision;
  if (all.some((one) => one.decision.verdict !== verdict))
    return { verdict: 'unknown', dependsOn: unknownIn(policies) };
  const asks = verdict === 'allow' ? customChecks(scope, facts).map(({ provider }) => provider) : [];
  const { considered, nearestMiss } = explainHttp(scope, facts);
  const says = httpBecause({ waypoint: row.waypoint, verdict, because, considered, matched: [] });
  return { verdict, says, asks, ...(nearestMiss && { nearestMiss }) };
}

function unknownIn(policies: readonly HttpPolicy[]): readonly string[] {
  const fields = Object.entries(WORDS) as [PolicyField, string][];
  const asked = fields.filter(([field]) => policies.some((policy) => mentions(policy, (one) => one === field)));
  return [...new Set(asked.map(([, words]) => words))];
}

/** Whether policies say the same of it in both. */
export function isJudgedAlike(before: MeshModel, after: MeshModel, row: SeenRequest): boolean {
  const [was, willBe] = [placeOf(before, row), placeOf(after, row)];
  return was !== undefined && willBe !== undefined && textOf(policiesOf(was)) === textOf(policiesOf(willBe));
}

const textOf = (policies: readonly HttpPolicy[]) => JSON.stringify(policies);
export const policiesOf = ({ gateway, service }: Place) => [...gateway.policies, ...(service?.policies ?? [])];

export type Place = { readonly gateway: GatewayConfig; readonly service: ServiceConfig | undefined };

/** Undefined: that waypoint does not serve it. */
export function placeOf({ deriver }: MeshModel, { waypoint, destination }: SeenRequest): Place | undefined {
  const gateway = deriver.waypoints.get(waypoint)?.gateway;
  const kind = destination.includes('//') ? 'workload' : 'service';
  const told = deriver.waypoints.get(`${waypoint}/${kind}/${destination}`);
  return gateway === undefined || told === undefined ? undefined : { gateway, service: told.service };
}

type Caller = { readonly source: SpiffeId; readonly from: IpAddress };

function factsOf(
  { view }: MeshModel,
  { destination, port, example }: SeenRequest,
  { source, from }: Caller,
): HttpFacts {
  const { method, path, host } = example;
  const called = view.serviceByKey(destination)?.addresses[0]?.address ?? view.workloadByUid(destination)?.addresses[0];
  const peer = new Subject({ source, from: { ip: from, port: 0 }, to: { ip: called ?? NOWHERE, port } });
  return { peer, sni: '', request: { method, path, authority: host, headers: NO_HEADERS } };
}

const NOWHERE = mustParseIp('0.0.0.0');
const NO_HEADERS = { get: () => undefined };
