/**
 * Which endpoint a request goes to: by default, of two that the mesh offers by chance, the one with less to do; or the one that a hash
 * of it leads to. Those that were left out for their answers are passed over while there are others, and limits of the service are kept.
 */
import { HttpError } from '../../core/http/index.ts';
import {
  type BackendPolicy,
  type Candidate,
  DEFAULT_OUTLIERS,
  hashOf,
  type Pick,
  type Service,
  type SlowStart,
  type View,
  type Workload,
} from '../../mesh/index.ts';
import type { SentTo, Target } from '../exchange.ts';
import { type Asking, hashKeyOf } from './hash-key.ts';
import { meantBy } from './meant-host.ts';
import { Outliers, type TryOutcome } from './outliers.ts';
import { Slots } from './slots.ts';

export type EndpointsOptions = {
  readonly view: View;
  /** Our own place in the mesh: nearer endpoints are preferred where a service says so. */
  readonly place: () => Workload;
  /** What a DestinationRule says of a service port; undefined: nothing. */
  readonly policy: (service: string, port: number) => BackendPolicy | undefined;
  /** In [0, 1). */
  readonly random: () => number;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
};

/** What was chosen. `service`: whose further identities it may present, and whose port was meant. */
export type Chosen = {
  readonly candidate: Candidate;
  /** It is one of many below a wildcard, and known by the name that was asked for. */
  readonly isByName: boolean;
  readonly service: Service | undefined;
  readonly policy: BackendPolicy | undefined;
  /** What the service port, and the endpoint, have to do for us. */
  readonly port: PortState;
  readonly load: Load;
};

/** How much an endpoint has to do for us, kept for as long as it has anything. */
export class Load {
  active = 0;
}

/** Of one port of one service, kept for as long as anything is known of it. */
export type PortState = {
  readonly outliers: Outliers;
  /** Requests and connections under way. */
  active: number;
  /** Where the even spread of ROUND_ROBIN stands, in [0, 1). */
  turn: number;
  /** Connections of the pool, as its limit counts them. */
  readonly connections: Slots;
  /** With slow start: when an endpoint was first seen. */
  readonly since: Map<string, number>;
};

/** Draws for one that was not tried yet and is not left out; then any is better than none. */
const RESELECTIONS = 5;
/** Steps of this length visit endpoints as evenly as taking turns, however many there are (the golden ratio's fraction). */
const EVEN_STEP = 0.618_033_988_749_894_9;
/** Endpoints that are remembered for one port before those that are gone are looked for. */
const MANY_SEEN = 1_024;

export class Endpoints {
  readonly #options: EndpointsOptions;
  readonly #loads = new Map<string, Load>();
  readonly #ports = new Map<string, PortState>();

  constructor(options: EndpointsOptions) {
    this.#options = options;
  }

  /**
   * @throws HttpError `connect-failed`: `no_healthy_upstream` when there is none, `cluster_not_found` for what does not exist,
   * `overflow` at a limit, `route_not_found` for a host that is not below the wildcard which was called.
   */
  choose(target: Target, asking: Asking): Chosen {
    const { view, policy: policyOf } = this.#options;
    if (target.kind === 'workload') {
      const workload = view.workloadByUid(target.uid);
      if (workload === undefined) throw failed('no_healthy_upstream', `workload ${target.uid} is gone`);
      const state = this.#stateOf(target.uid, target.port);
      return this.#chosen({ workload, targetPort: target.port }, undefined, undefined, state);
    }
    const service = view.serviceByKey(target.service);
    if (service === undefined) throw failed('cluster_not_found', `service ${target.service} is not known here`);
    const policy = policyOf(target.service, target.port);
    if (policy !== undefined && policy.refusal !== '') throw failed('unsupported_policy', policy.refusal);
    const state = this.#stateOf(target.service, target.port);
    const most = policy?.limits.maxRequests ?? 0;
    if (most > 0 && state.active >= most) {
      throw failed('overflow', `${service.hostname} has ${most} requests under way, which is its limit`);
    }
    const picked = this.#pick(service, target.port, state, policy, asking);
    const candidate = meantBy(picked, asking);
    return this.#chosen(candidate, service, policy, state, candidate !== picked);
  }

  /** The endpoint of a service port that has that mark, if requests may be sent to it now. */
  marked(service: string, port: number, mark: string): Candidate | undefined {
    const { view, policy } = this.#options;
    const known = view.serviceByKey(service);
    return known && this.#marked(known, port, this.#ports.get(`${service}:${port}`), policy(service, port), mark);
  }

  /** How a try ended, as far as the endpoint is to blame. */
  report({ candidate, isByName, service, policy, port }: Chosen, outcome: TryOutcome): void {
    if (service === undefined || isByName) return; // there is no other to go to
    if (port.outliers.isEmpty && outcome.kind === 'answered' && outcome.status < 500) return; // nearly always
    const endpoints = this.#options.view.endpoints(service);
    port.outliers.report(keyOf(candidate), outcome, policy?.outliers ?? DEFAULT_OUTLIERS, endpoints.length);
  }

  /** Call it when what was begun for a choice has ended. */
  done({ candidate, load, port }: Chosen): void {
    port.active -= 1;
    load.active -= 1;
    if (load.active === 0) this.#loads.delete(keyOf(candidate));
  }

  /** How many endpoints of a service port are left out now. */
  outOf(service: string, port: number): number {
    return this.#ports.get(`${service}:${port}`)?.outliers.count ?? 0;
  }

  #chosen(
    candidate: Candidate,
    service: Service | undefined,
    policy: BackendPolicy | undefined,
    port: PortState,
    isByName = false,
  ): Chosen {
    const key = keyOf(candidate);
    let load = this.#loads.get(key);
    if (load === undefined) {
      load = new Load();
      this.#loads.set(key, load);
    }
    load.active += 1;
    port.active += 1;
    return { candidate, isByName, service, policy, port, load };
  }

  #stateOf(owner: string, port: number): PortState {
    const key = `${owner}:${port}`;
    let state = this.#ports.get(key);
    if (state === undefined) {
      state = {
        outliers: new Outliers(this.#options.now),
        active: 0,
        turn: this.#options.random(),
        connections: new Slots(),
        since: new Map(),
      };
      this.#ports.set(key, state);
    }
    return state;
  }

  #pick(
    service: Service,
    port: number,
    state: PortState,
    policy: BackendPolicy | undefined,
    asking: Asking,
  ): Candidate {
    if (asking.mark !== undefined && asking.sent.length === 0) {
      const kept = this.#marked(service, port, state, policy, asking.mark);
      if (kept !== undefined) return kept;
    }
    const hashed = policy?.hash && this.#pickByHash(service, port, state, policy, asking);
    if (hashed !== undefined) return hashed;
    const tried = asking.sent;
    const balancing = policy?.balancing ?? 'LEAST_REQUEST';
    const random = balancing === 'ROUND_ROBIN' ? () => nextTurn(state) : this.#options.random;
    const ignoresOutliers = this.#isPanic(service, state, policy);
    const isWanted = (one: Candidate) =>
      !wasTried(one, tried) && (ignoresOutliers || !state.outliers.isOut(keyOf(one)));
    const slowStart = policy?.slowStart;
    let one = this.#draw(service, port, random);
    for (let i = 0; i < RESELECTIONS && !(isWanted(one) && this.#mayServe(one, state, slowStart)); i++) {
      one = this.#draw(service, port, random);
    }
    if (!isWanted(one)) one = this.#anyWanted(service, port, isWanted) ?? one;
    if (balancing !== 'LEAST_REQUEST') return one;
    const other = this.#draw(service, port, random);
    if (other.workload === one.workload || !isWanted(other)) return one;
    return this.#cost(other, state, slowStart) < this.#cost(one, state, slowStart) ? other : one;
  }

  #marked(
    service: Service,
    port: number,
    state: PortState | undefined,
    policy: BackendPolicy | undefined,
    mark: string,
  ): Candidate | undefined {
    const { view, place } = this.#options;
    const candidate = view.balancer(service).marked(place(), port, 'standard', mark);
    if (candidate === undefined || state === undefined || !state.outliers.isOut(keyOf(candidate))) return candidate;
    return this.#isPanic(service, state, policy) ? candidate : undefined;
  }

  /** Undefined: it has no key. Whoever was tried is tried again: the key leads there (waypoint.md section 1.12). */
  #pickByHash(
    service: Service,
    port: number,
    state: PortState,
    policy: BackendPolicy,
    asking: Asking,
  ): Candidate | undefined {
    const { view, place, random } = this.#options;
    const { hash } = policy;
    const key = hash && hashKeyOf(hash, asking, random);
    if (key === undefined || hash === undefined) return undefined;
    const ignoresOutliers = this.#isPanic(service, state, policy);
    const pick = view.balancer(service).pickByHash(place(), port, 'standard', {
      shape: { kind: hash.table, size: hash.size },
      hash: hashOf(key),
      isWanted: (one) => ignoresOutliers || !state.outliers.isOut(keyOf(one)),
    });
    return picked(pick, service, port);
  }

  /** So many are out that leaving them out would do more harm than they do. */
  #isPanic(service: Service, { outliers }: PortState, policy: BackendPolicy | undefined): boolean {
    if (outliers.isEmpty) return true; // nobody is out: nothing to look at
    const { minHealthPercent } = policy?.outliers ?? DEFAULT_OUTLIERS;
    if (minHealthPercent === 0) return false;
    const total = this.#options.view.endpoints(service).length;
    return total === 0 || ((total - outliers.count) / total) * 100 < minHealthPercent;
  }

  /** Chance has not found one in some draws: is there any? */
  #anyWanted(service: Service, port: number, isWanted: (one: Candidate) => boolean): Candidate | undefined {
    const { view, place, random } = this.#options;
    const all = view.balancer(service).choices(place(), port, 'standard');
    const wanted = all.filter(({ candidate }) => isWanted(candidate));
    return wanted[Math.floor(random() * wanted.length)]?.candidate;
  }

  #draw(service: Service, port: number, random: () => number): Candidate {
    const { view, place } = this.#options;
    return picked(view.balancer(service).pick(place(), port, 'standard', random), service, port);
  }

  #cost(candidate: Candidate, state: PortState, slowStart: SlowStart | undefined): number {
    const active = (this.#loads.get(keyOf(candidate))?.active ?? 0) + 1;
    return slowStart === undefined ? active : active / this.#share(candidate, state, slowStart);
  }

  #mayServe(candidate: Candidate, state: PortState, slowStart: SlowStart | undefined): boolean {
    if (slowStart === undefined) return true;
    const share = this.#share(candidate, state, slowStart);
    return share >= 1 || this.#options.random() < share;
  }

  /** Of its full share, in (0, 1]: more with the time since it was first seen. */
  #share(candidate: Candidate, { since }: PortState, { windowMs, minPercent, aggression }: SlowStart): number {
    const key = keyOf(candidate);
    const now = this.#options.now();
    let seen = since.get(key);
    if (seen === undefined) {
      seen = now;
      if (since.size >= MANY_SEEN) this.#forgetGone(since);
      since.set(key, seen);
    }
    const age = (now - seen) / windowMs;
    return age >= 1 ? 1 : Math.max(minPercent / 100, age ** (1 / aggression), 0.01);
  }

  #forgetGone(since: Map<string, number>): void {
    for (const key of [...since.keys()]) {
      if (this.#options.view.workloadByUid(key.slice(0, key.lastIndexOf(':'))) === undefined) since.delete(key);
    }
  }
}

function picked(pick: Pick, { hostname }: Service, port: number): Candidate {
  if (pick.kind === 'picked') return pick.candidate;
  throw failed('no_healthy_upstream', `${hostname} port ${port}: ${pick.reason}`);
}

function nextTurn(state: PortState): number {
  state.turn = (state.turn + EVEN_STEP) % 1;
  return state.turn;
}

function keyOf({ workload, targetPort }: Candidate): string {
  return `${workload.uid}:${targetPort}`;
}

function wasTried({ workload }: Candidate, tried: readonly SentTo[]): boolean {
  for (const sent of tried) if (sent.workload.uid === workload.uid) return true;
  return false;
}

function failed(detail: string, message: string): HttpError {
  return new HttpError('connect-failed', message, { detail, isProcessed: false });
}
