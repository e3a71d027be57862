/** What policies say to connections that were seen: a row of the flow ledger against the workload that it reached. */
import { type IpAddress, ipFamily, parseIp } from '../address.ts';
import type { Workload } from '../model.ts';
import type { RuleRef } from '../policy/compile.ts';
import { type Because, formatBecause } from '../policy/evaluate.ts';
import type { NearestMiss } from '../policy/explain.ts';
import { formatRequirement } from '../policy/require-waypoint.ts';
import type { MeshModel } from '../predict/model.ts';
import { dependsOnAddress, isMutualTls, policyName, policyVerdict } from '../predict/policy.ts';
import type { PolicyVerdict } from '../predict/prediction.ts';
import { parseSpiffeId, type SpiffeId, spiffeParts } from '../spiffe.ts';

/** A row of the flow ledger (design.md, "What the proxies remember"). */
export type SeenFlow = {
  /** The identity, or the address of a source that proved none; behind a waypoint, that of the original caller. */
  readonly source: string;
  /** Identity of the waypoint that called in its name. */
  readonly waypoint?: string | undefined;
  /** The destination workload's uid, or an address. */
  readonly destination: string;
  readonly port: number;
  /** `namespace/hostname`, or ''. */
  readonly service: string;
  readonly verdict: 'allow' | 'deny';
  readonly count: number;
  /** RFC 3339. */
  readonly firstSeen: string;
  readonly lastSeen: string;
};

export type FlowVerdict =
  | {
      readonly verdict: 'allow' | 'deny';
      readonly because: Because;
      /** The same in words, by the objects that people wrote. */
      readonly says: string;
      readonly nearestMiss?: NearestMiss;
    }
  /** It depends on the caller's address, which the ledger does not keep beside an identity. */
  | { readonly verdict: 'unknown' };

/** The identity of a flow's source, if it proved one. */
export function identityOf({ source }: SeenFlow): SpiffeId | undefined {
  return readIdentity(source);
}

export function readIdentity(written: string): SpiffeId | undefined {
  try {
    return parseSpiffeId(written);
  } catch {
    return undefined; // an address
  }
}

/**
 * The pod that a flow reached. Where it has been replaced since: another pod of the same owner, which policies select alike, or
 * else an endpoint of the service by whose name it was called.
 */
export function reached({ view }: MeshModel, { destination, service }: SeenFlow): Workload | undefined {
  const known = view.workloadByUid(destination);
  if (known !== undefined) return known;
  const [, , kind, namespace, pod = ''] = destination.split('/');
  if (kind !== 'Pod') return undefined;
  const owner = GENERATED.exec(pod)?.[1];
  for (const workload of owner === undefined ? [] : view.workloads()) {
    if (workload.namespace === namespace && workload.workloadName === owner) return workload;
  }
  const named = view.serviceByKey(service);
  const [endpoint] = named === undefined ? [] : view.endpoints(named);
  return endpoint !== undefined && endpoint.workload.namespace === namespace ? endpoint.workload : undefined;
}

/**
 * The owner that a generated pod name begins with: `OWNER-HASH-x2x4z` of a Deployment, `OWNER-MINUTE-x2x4z` of a CronJob,
 * `OWNER-x2x4z`, `OWNER-0` of a StatefulSet. Kubernetes writes hashes and suffixes without vowels, y, 0, 1 and 3
 * (apimachinery, util/rand). Nothing looser: evidence of `cart-db-1` must never open `cart`.
 */
const GENERATED =
  /^(.+?)(?:-(?:[bcdf-hj-np-tv-xz24-9]{6,10}|\d{8,10})-[bcdf-hj-np-tv-xz24-9]{5}|-[bcdf-hj-np-tv-xz24-9]{5}|-\d+)$/;

/** Undefined: the workload, or the source, is none that could be judged any more. */
export function judgeFlow(model: MeshModel, flow: SeenFlow): FlowVerdict | undefined {
  const destination = reached(model, flow);
  const to = destination?.addresses[0];
  if (destination === undefined || to === undefined) return undefined;
  const source = identityOf(flow);
  const waypoint = flow.waypoint === undefined ? undefined : readIdentity(flow.waypoint);
  const judge = (ip: IpAddress) => {
    const ends = { from: { ip, port: 0 }, to: { ip: sameFamily(destination, ip) ?? to, port: flow.port } };
    if (source === undefined) return policyVerdict(model, destination, ends);
    const peer = waypoint === undefined ? { source } : { source: waypoint, original: { identity: source, ip } };
    return policyVerdict(model, destination, { ...ends, ...peer });
  };
  if (source === undefined) {
    const from = parseIp(flow.source);
    return from === undefined ? undefined : inShort(model, destination, judge(from));
  }
  const known = accountAddresses(model, source).filter((ip) => sameFamily(destination, ip) !== undefined);
  const [first = judge(to), ...others] = known.map(judge);
  const depends =
    known.length === 0
      ? dependsOnAddress(model, destination, first, { caller: true, destination: false })
      : others.some(({ verdict }) => verdict !== first.verdict);
  return depends ? { verdict: 'unknown' } : inShort(model, destination, first);
}

function inShort(
  model: MeshModel,
  destination: Workload,
  { verdict, because, nearestMiss }: PolicyVerdict,
): FlowVerdict {
  const says = typeof because === 'object' ? ruleName(model, destination, because) : formatBecause(because);
  return { verdict, because, says, ...(nearestMiss && { nearestMiss }) };
}

function ruleName(model: MeshModel, destination: Workload, { policy, rule, waypoints }: RuleRef): string {
  if (waypoints !== undefined) return formatRequirement(policy, waypoints);
  const name = policyName(model, policy, destination);
  return isMutualTls(policy) ? name : `${name}, spec.rules[${rule}]`;
}

/** Where it may call from: the addresses of all pods of that account. */
export function accountAddresses({ view }: MeshModel, identity: SpiffeId): readonly IpAddress[] {
  const { namespace, serviceAccount } = spiffeParts(identity);
  const found: IpAddress[] = [];
  for (const workload of view.workloads()) {
    if (workload.namespace === namespace && workload.serviceAccount === serviceAccount)
      found.push(...workload.addresses);
  }
  return found;
}

function sameFamily({ addresses }: Workload, as: IpAddress): IpAddress | undefined {
  return addresses.find((ip) => ipFamily(ip) === ipFamily(as));
}
