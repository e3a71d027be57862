/** What policies say to connections that were seen: a row of the flow ledger against the workload that it reached. */
import { type IpAddress, ipFamily, parseIp } from '../address.ts';
import type { Workload } from '../model.ts';
import type { RuleRef } from '../policy/compile.ts';
import { type Because, formatBecause } from '../policy/evaluate.ts';
import type { NearestMiss } from '../policy/explain.ts';
import type { MeshModel } from '../predict/model.ts';
import { dependsOnAddress, isMutualTls, policyName, policyVerdict } from '../predict/policy.ts';
import type { PolicyVerdict } from '../predict/prediction.ts';
import { parseSpiffeId, type SpiffeId, spiffeParts } from '../spiffe.ts';

/** A row of the flow ledger (design.md, "What the proxies remember"). */
export type SeenFlow = {
  /** The identity, or the address of a source that proved none. */
  readonly source: string;
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
  try {
    return parseSpiffeId(source);
  } catch {
    return undefined; // an address
  }
}

/**
 * The pod that a flow reached. Where it has been replaced since: another endpoint of the service, or another pod of the same
 * owner, which policies select alike.
 */
export function reached({ view }: MeshModel, { destination, service }: SeenFlow): Workload | undefined {
  const known = view.workloadByUid(destination);
  if (known !== undefined) return known;
  const [, , kind, namespace, pod = ''] = destination.split('/');
  if (kind !== 'Pod') return undefined;
  const named = view.serviceByKey(service);
  const [endpoint] = named === undefined ? [] : view.endpoints(named);
  if (endpoint !== undefined && endpoint.workload.namespace === namespace) return endpoint.workload;
  for (const workload of view.workloads()) {
    if (workload.namespace !== namespace || workload.name === workload.workloadName) continue;
    const { workloadName: owner } = workload;
    // `OWNER-x2x`, or `OWNER-7c9d-x2x` where a ReplicaSet stands between.
    if (pod.startsWith(`${owner}-`) && /^[a-z0-9]+(-[a-z0-9]+)?$/.test(pod.slice(owner.length + 1))) return workload;
  }
  return undefined;
}

/** Undefined: the workload, or the source, is none that could be judged any more. */
export function judgeFlow(model: MeshModel, flow: SeenFlow): FlowVerdict | undefined {
  const destination = reached(model, flow);
  const to = destination?.addresses[0];
  if (destination === undefined || to === undefined) return undefined;
  const source = identityOf(flow);
  const judge = (ip: IpAddress) => {
    const ends = { from: { ip, port: 0 }, to: { ip: sameFamily(destination, ip) ?? to, port: flow.port } };
    return policyVerdict(model, destination, source === undefined ? ends : { source, ...ends });
  };
  if (source === undefined) {
    const from = parseIp(flow.source);
    return from === undefined ? undefined : inShort(model, destination, judge(from));
  }
  const known = addressesOf(model, source, destination);
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

function ruleName(model: MeshModel, destination: Workload, { policy, rule }: RuleRef): string {
  const name = policyName(model, policy, destination);
  return isMutualTls(policy) ? name : `${name}, spec.rules[${rule}]`;
}

/** Where it may call from: the addresses of all pods of that account. */
function addressesOf({ view }: MeshModel, identity: SpiffeId, destination: Workload): readonly IpAddress[] {
  const { namespace, serviceAccount } = spiffeParts(identity);
  const found: IpAddress[] = [];
  for (const workload of view.workloads()) {
    if (workload.namespace !== namespace || workload.serviceAccount !== serviceAccount) continue;
    found.push(...workload.addresses.filter((ip) => sameFamily(destination, ip) !== undefined));
  }
  return found;
}

function sameFamily({ addresses }: Workload, as: IpAddress): IpAddress | undefined {
  return addresses.find((ip) => ipFamily(ip) === ipFamily(as));
}
