/**
 * The endpoints of one service, laid out for choosing: for every port and place of callers that was asked about, endpoints are
 * grouped by how near they are, and one random number picks. An endpoint that changes is moved within the groups at the next
 * pick; only when many changed are they laid out again.
 */
import type { Service, Workload } from '../model.ts';
import { Bucket, type Candidate, type Choice } from './bucket.ts';
import type { HashTableShape } from './hash-table.ts';
import { type Place, placeOf, rankFor } from './locality.ts';
import { markOf } from './mark.ts';
import { type Endpoint, endpointPort, type LookupMode } from './ports.ts';
import { put, take } from './sorted.ts';

/** Why an endpoint is not chosen, from the first reason to the last: of a service without any left, the last one is told. */
const OBSTACLES = [
  'no-healthy-endpoint',
  'port-not-served',
  'no-address',
  'no-network-gateway',
  'cross-network',
  'no-endpoint-in-scope',
] as const;
type Obstacle = (typeof OBSTACLES)[number];

export type PickFailure = Obstacle | 'no-endpoint';

export type Pick =
  | { readonly kind: 'picked'; readonly candidate: Candidate }
  | { readonly kind: 'failed'; readonly reason: PickFailure };

/** `isWanted` is asked until it says so; when it never does, the first is picked. */
export type HashPick = {
  readonly shape: HashTableShape;
  readonly hash: number;
  readonly isWanted: (one: Candidate) => boolean;
};

/** Distinct questions remembered; a proxy asks a few, a controller that explains may ask more. */
const MAX_GROUPS = 64;
/** More changes than this share of all, and more than a few, are not worth their bookkeeping. */
const MAX_CHANGED_SHARE = 1 / 8;
const FEW_CHANGES = 16;

export class Balancer {
  readonly #service: Service;
  /** Kept by the view: what it holds is the truth, what is laid out here follows it. */
  readonly #source: ReadonlyMap<string, Endpoint>;
  #endpoints: Endpoint[] | undefined;
  /** Made when somebody wants to see them all: DNS does for every question about a headless service. */
  #usable: readonly Endpoint[] | undefined;
  #groups: Group[] = [];
  /** By their marks; made when somebody looks for one. */
  #marks: Map<string, Endpoint> | undefined;
  readonly #changed = new Set<string>();

  constructor(service: Service, source: ReadonlyMap<string, Endpoint>) {
    this.#service = service;
    this.#source = source;
  }

  /** The endpoint of that workload came, went or changed. */
  changed(uid: string): void {
    if (this.#endpoints === undefined) return;
    this.#changed.add(uid);
    if (this.#changed.size > Math.max(FEW_CHANGES, this.#source.size * MAX_CHANGED_SHARE)) this.#forget();
  }

  /** Those that may be chosen: the healthy ones, or all where the service says so; by uid. */
  get endpoints(): readonly Endpoint[] {
    const all = this.#current();
    this.#usable ??= all.filter((endpoint) => isUsable(this.#service, endpoint));
    return this.#usable;
  }

  /** One endpoint for a flow of `source` to `port` of the service, by capacity among those that its place prefers. */
  pick(source: Workload, port: number, mode: LookupMode, random: () => number): Pick {
    return this.#groupFor(source, port, mode).pick(random);
  }

  /** The one that a hash of 32 bits leads to, the same wherever the same endpoints are known; of those that are not wanted, the next. */
  pickByHash(source: Workload, port: number, mode: LookupMode, how: HashPick): Pick {
    return this.#groupFor(source, port, mode).pickByHash(how);
  }

  /** The endpoint with that mark, if `pick` could come to choose it for such a flow, however far away it is. */
  marked(source: Workload, port: number, mode: LookupMode, mark: string): Candidate | undefined {
    const group = this.#groupFor(source, port, mode);
    this.#marks ??= new Map(this.#current().map((endpoint) => [markOf(endpoint.workload.uid), endpoint]));
    const endpoint = this.#marks.get(mark);
    return endpoint && group.candidate(endpoint);
  }

  /** All that `pick` may choose for such a flow, each with a number in [0, 1) that makes it choose just that one. */
  choices(source: Workload, port: number, mode: LookupMode): readonly Choice[] {
    return this.#groupFor(source, port, mode).choices();
  }

  #groupFor(source: Workload, port: number, mode: LookupMode): Group {
    const endpoints = this.#current();
    const from = placeOf(source);
    for (const group of this.#groups) if (group.answers(from, port, mode)) return group;
    if (this.#groups.length >= MAX_GROUPS) this.#groups = [];
    const group = new Group(this.#service, from, port, mode);
    for (const endpoint of endpoints) group.add(endpoint);
    this.#groups.push(group);
    return group;
  }

  #current(): readonly Endpoint[] {
    if (this.#endpoints === undefined) {
      this.#endpoints = [...this.#source.values()].sort((a, b) => (a.workload.uid < b.workload.uid ? -1 : 1));
    } else if (this.#changed.size > 0) {
      for (const uid of this.#changed) this.#move(this.#endpoints, uid, this.#source.get(uid));
      this.#changed.clear();
    }
    return this.#endpoints;
  }

  #move(endpoints: Endpoint[], uid: string, now: Endpoint | undefined): void {
    this.#usable = undefined;
    if (now === undefined) this.#marks?.delete(markOf(uid));
    else this.#marks?.set(markOf(uid), now);
    const before = now === undefined ? take(endpoints, uid) : put(endpoints, now);
    for (const group of this.#groups) {
      if (before !== undefined) group.remove(before);
      if (now !== undefined) group.add(now);
    }
  }

  #forget(): void {
    this.#endpoints = undefined;
    this.#usable = undefined;
    this.#groups = [];
    this.#marks = undefined;
    this.#changed.clear();
  }
}

/** The answer to one question: who of the endpoints takes connections from this place to this port? */
class Group {
  readonly #service: Service;
  readonly #from: Place;
  readonly #port: number;
  readonly #mode: LookupMode;
  readonly #byRank = new Map<number, Bucket>();
  /** The nearest that are left. */
  #best: Bucket | undefined;
  readonly #held = new Map<Obstacle, number>();

  constructor(service: Service, from: Place, port: number, mode: LookupMode) {
    this.#service = service;
    this.#from = from;
    this.#port = port;
    this.#mode = mode;
  }

  answers(from: Place, port: number, mode: LookupMode): boolean {
    return port === this.#port && mode === this.#mode && from.key === this.#from.key;
  }

  add(endpoint: Endpoint): void {
    const standing = this.#standing(endpoint);
    if (typeof standing === 'string') {
      this.#held.set(standing, (this.#held.get(standing) ?? 0) + 1);
      return;
    }
    let bucket = this.#byRank.get(standing.rank);
    if (bucket === undefined) {
      bucket = new Bucket();
      this.#byRank.set(standing.rank, bucket);
    }
    bucket.add({ workload: endpoint.workload, targetPort: standing.targetPort });
    this.#best = this.#nearest();
  }

  /** The endpoint just as it was added: where it stands is found in the same way. */
  remove(endpoint: Endpoint): void {
    const standing = this.#standing(endpoint);
    if (typeof standing === 'string') {
      this.#held.set(standing, (this.#held.get(standing) ?? 1) - 1);
      return;
    }
    this.#byRank.get(standing.rank)?.remove(endpoint.workload.uid);
    this.#best = this.#nearest();
  }

  candidate(endpoint: Endpoint): Candidate | undefined {
    const standing = this.#standing(endpoint);
    if (typeof standing === 'string') return undefined;
    return { workload: endpoint.workload, targetPort: standing.targetPort };
  }

  pick(random: () => number): Pick {
    return this.#picked(this.#best?.choose(random));
  }

  pickByHash({ shape, hash, isWanted }: HashPick): Pick {
    return this.#picked(this.#best?.chooseByHash(shape, hash, isWanted));
  }

  #picked(candidate: Candidate | undefined): Pick {
    if (candidate !== undefined) return { kind: 'picked', candidate };
    return { kind: 'failed', reason: OBSTACLES.findLast((o) => (this.#held.get(o) ?? 0) > 0) ?? 'no-endpoint' };
  }

  choices(): readonly Choice[] {
    return this.#best?.choices() ?? [];
  }

  #standing(endpoint: Endpoint): Obstacle | { readonly rank: number; readonly targetPort: number } {
    const { workload } = endpoint;
    if (!isUsable(this.#service, endpoint)) return 'no-healthy-endpoint';
    const targetPort = endpointPort(this.#service, endpoint, this.#port, this.#mode);
    if (targetPort === undefined) return 'port-not-served';
    // Nested tunnels to other networks are not built: an endpoint there is chosen by nobody, with a gateway or without.
    if (workload.network !== this.#from.NETWORK) {
      return workload.networkGateway === undefined ? 'no-network-gateway' : 'cross-network';
    }
    if (workload.addresses.length === 0 && workload.hostname === '') return 'no-address';
    const rank = rankFor(this.#service.loadBalancing, this.#from, workload);
    return rank === undefined ? 'no-endpoint-in-scope' : { rank, targetPort };
  }

  #nearest(): Bucket | undefined {
    let best: number | undefined;
    for (const [rank, bucket] of this.#byRank) {
      if (!bucket.isEmpty && (best === undefined || rank > best)) best = rank;
    }
    return best === undefined ? undefined : this.#byRank.get(best);
  }
}

function isUsable(service: Service, { workload }: Endpoint): boolean {
  return workload.status === 'HEALTHY' || service.loadBalancing?.healthPolicy === 'ALLOW_ALL';
}
