/**
 * The endpoints of one service, laid out for choosing: filtered by port once, grouped by what the caller's place makes of
 * them once, then one random number per flow. Rebuilt by the view whenever the service or one of its endpoints changes.
 */
import type { LoadBalancing, RoutingScope, Service, ServicePort, Workload } from '../model.ts';

/** A workload behind a service, with its own port mapping. */
export type Endpoint = { readonly workload: Workload; readonly ports: readonly ServicePort[] };

export type Candidate = { readonly workload: Workload; readonly targetPort: number };

/** A candidate with a random number for which it is picked. */
export type Choice = { readonly candidate: Candidate; readonly at: number };

/**
 * `standard`: the service must define the port. `waypoint`: on the way to a waypoint an endpoint that takes its traffic
 * through an application tunnel serves any port.
 */
export type LookupMode = 'standard' | 'waypoint';

export type PickFailure = 'no-healthy-endpoint' | 'port-not-served' | 'no-endpoint-in-scope' | 'cross-network';

export type Pick =
  | { readonly kind: 'picked'; readonly candidate: Candidate }
  | { readonly kind: 'failed'; readonly reason: PickFailure };

type Group = {
  readonly candidates: readonly Candidate[];
  /** Running sums of capacity; absent when all weigh the same. */
  readonly cumulative?: Float64Array;
  readonly whenEmpty: PickFailure;
};

/** Distinct places of callers remembered per port; a proxy sees one or two, a controller that explains may see more. */
const MAX_GROUPS = 64;

export class Balancer {
  readonly #service: Service;
  readonly #endpoints: readonly Endpoint[];
  readonly #candidates = new Map<string, readonly Candidate[]>();
  readonly #groups = new Map<string, Group>();

  /** `endpoints` are the healthy ones (all, if the service says so), in any order. */
  constructor(service: Service, endpoints: Iterable<Endpoint>) {
    this.#service = service;
    this.#endpoints = [...endpoints].sort((a, b) => (a.workload.uid < b.workload.uid ? -1 : 1));
  }

  get endpoints(): readonly Endpoint[] {
    return this.#endpoints;
  }

  /** One endpoint for a flow of `source` to `port` of the service, by capacity among those that its place prefers. */
  pick(source: Workload, port: number, mode: LookupMode, random: () => number): Pick {
    const group = this.#groupFor(source, port, mode);
    const candidate = choose(group, random);
    return candidate ? { kind: 'picked', candidate } : { kind: 'failed', reason: group.whenEmpty };
  }

  /** All that `pick` may choose for such a flow, each with a number in [0, 1) that makes it choose just that one. */
  choices(source: Workload, port: number, mode: LookupMode): readonly Choice[] {
    const { candidates, cumulative } = this.#groupFor(source, port, mode);
    if (cumulative === undefined) {
      return candidates.map((candidate, index) => ({ candidate, at: (index + 0.5) / candidates.length }));
    }
    const total = cumulative.at(-1) ?? 0;
    return candidates.flatMap((candidate, index) => {
      const from = index === 0 ? 0 : (cumulative[index - 1] ?? 0);
      const to = cumulative[index] ?? from;
      return to > from ? [{ candidate, at: (from + to) / 2 / total }] : []; // without weight it is never chosen
    });
  }

  #groupFor(source: Workload, port: number, mode: LookupMode): Group {
    const key = `${mode}|${port}|${placeKey(source)}`;
    let group = this.#groups.get(key);
    if (group === undefined) {
      if (this.#groups.size >= MAX_GROUPS) this.#groups.clear();
      group = this.#group(source, port, mode);
      this.#groups.set(key, group);
    }
    return group;
  }

  #group(source: Workload, port: number, mode: LookupMode): Group {
    if (this.#endpoints.length === 0) return { candidates: [], whenEmpty: 'no-healthy-endpoint' };
    const serving = this.#serving(port, mode).filter(({ workload }) => addressable(workload, source));
    if (serving.length === 0) return { candidates: [], whenEmpty: 'port-not-served' };
    // Nested tunnels to other networks are not built: an endpoint there is chosen by nobody while one here is left.
    const reachable = serving.filter(({ workload }) => workload.network === source.network);
    if (reachable.length === 0) return { candidates: [], whenEmpty: 'cross-network' };
    const candidates = preferred(reachable, source, this.#service.loadBalancing);
    return { candidates, ...weights(candidates), whenEmpty: 'no-endpoint-in-scope' };
  }

  #serving(port: number, mode: LookupMode): readonly Candidate[] {
    const key = `${mode}|${port}`;
    const known = this.#candidates.get(key);
    if (known !== undefined) return known;
    const defined = this.#service.ports.find((p) => p.servicePort === port);
    const serving: Candidate[] = [];
    for (const { workload, ports } of this.#endpoints) {
      if (defined === undefined && !(mode === 'waypoint' && workload.applicationTunnel !== undefined)) continue;
      const targetPort = targetPortOf(port, ports, defined, workload);
      if (targetPort !== undefined) serving.push({ workload, targetPort });
    }
    if (this.#candidates.size >= MAX_GROUPS) this.#candidates.clear();
    this.#candidates.set(key, serving);
    return serving;
  }
}

/** The endpoint's own mapping, then the service's number, then the port as it is where an application tunnel takes it. */
export function targetPortOf(
  port: number,
  own: readonly ServicePort[],
  defined: ServicePort | undefined,
  workload: Workload,
): number | undefined {
  const mapped = own.find((p) => p.servicePort === port)?.targetPort ?? 0;
  if (mapped > 0) return mapped;
  if (defined !== undefined && defined.targetPort > 0) return defined.targetPort;
  return (workload.applicationTunnel?.port ?? 0) > 0 ? port : undefined;
}

function addressable(workload: Workload, source: Workload): boolean {
  if (workload.addresses.length > 0 || workload.hostname !== '') return true;
  return workload.network !== source.network && workload.networkGateway !== undefined;
}

function preferred(candidates: readonly Candidate[], source: Workload, lb: LoadBalancing | undefined) {
  if (lb === undefined || lb.routingPreference.length === 0) return candidates;
  if (lb.mode === 'STRICT') {
    return candidates.filter((c) => lb.routingPreference.every((scope) => sameScope(scope, source, c.workload)));
  }
  if (lb.mode !== 'FAILOVER') return candidates;
  let best = 0;
  let group: Candidate[] = [];
  for (const candidate of candidates) {
    const rank = failoverRank(lb.routingPreference, source, candidate.workload);
    if (rank > best) {
      best = rank;
      group = [];
    }
    if (rank === best) group.push(candidate);
  }
  return group;
}

/**
 * Preferences matched in a row. A leading NETWORK is worth more than all others together and its mismatch does not stop
 * the count, so that remote endpoints are still told apart by region and zone.
 */
function failoverRank(preference: readonly RoutingScope[], source: Workload, endpoint: Workload): number {
  let rank = 0;
  for (const [index, scope] of preference.entries()) {
    const networkFirst = index === 0 && scope === 'NETWORK';
    if (sameScope(scope, source, endpoint)) rank += networkFirst ? preference.length : 1;
    else if (!networkFirst) break;
  }
  return rank;
}

const SCOPE: Readonly<Record<RoutingScope, (w: Workload) => string>> = {
  REGION: (w) => w.locality?.region ?? '',
  ZONE: (w) => w.locality?.zone ?? '',
  SUBZONE: (w) => w.locality?.subzone ?? '',
  NODE: (w) => w.node,
  CLUSTER: (w) => w.clusterId,
  NETWORK: (w) => w.network,
};

function sameScope(scope: RoutingScope, a: Workload, b: Workload): boolean {
  return SCOPE[scope](a) === SCOPE[scope](b);
}

function weights(candidates: readonly Candidate[]): { cumulative?: Float64Array } {
  const first = candidates[0]?.workload.capacity;
  if (first !== undefined && first > 0 && candidates.every((c) => c.workload.capacity === first)) return {};
  const cumulative = new Float64Array(candidates.length);
  let sum = 0;
  for (const [index, { workload }] of candidates.entries()) {
    sum += workload.capacity;
    cumulative[index] = sum;
  }
  return sum > 0 ? { cumulative } : {}; // nothing but zeros: all alike
}

function choose({ candidates, cumulative }: Group, random: () => number): Candidate | undefined {
  if (candidates.length <= 1) return candidates[0];
  if (cumulative === undefined) return candidates[Math.floor(random() * candidates.length)];
  const total = cumulative[cumulative.length - 1] ?? 0;
  const point = random() * total;
  let low = 0;
  let high = cumulative.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((cumulative[middle] ?? 0) > point) high = middle;
    else low = middle + 1;
  }
  return candidates[low];
}

const places = new WeakMap<Workload, string>();

/** Everything about a caller that choosing looks at. */
function placeKey(w: Workload): string {
  const known = places.get(w);
  if (known !== undefined) return known;
  const key = JSON.stringify(Object.values(SCOPE).map((of) => of(w)));
  places.set(w, key);
  return key;
}
