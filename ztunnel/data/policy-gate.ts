/** Asks policy about inbound connections, when they come and whenever the policies change. */
import {
  evaluate,
  formatBecause,
  formatDryRunHit,
  MeshError,
  type PolicyDecision,
  type PolicyScope,
  type View,
  type Workload,
} from '../../mesh/index.ts';
import { SlicedRounds } from '../slices.ts';
import type { LiveConnection } from './live-connection.ts';
import type { LiveConnections } from './live-connections.ts';
import type { ConnectionObserver, PolicyEvent } from './observer.ts';
import type { PodInfo } from './pod-proxy-types.ts';

export type Admission =
  | { readonly verdict: 'allow' }
  | { readonly verdict: 'deny'; readonly receipt: string; readonly error: string };

export class PolicyGate implements Disposable {
  readonly #view: View;
  readonly #info: PodInfo;
  readonly #observe: ConnectionObserver;
  readonly #live: LiveConnections;
  readonly #waitMs: number;
  /** New connections that wait for a missing policy; called on every change. */
  readonly #held = new Set<() => void>();
  /** Established ones that are to be judged again. */
  readonly #toJudge: SlicedRounds<LiveConnection>;
  /** Established ones that are left alone because a policy has not arrived yet, until the timer. */
  readonly #undecided = new Set<LiveConnection>();
  /** What dry runs have said about connections, as of the last time they were judged. */
  readonly #told = new WeakMap<LiveConnection, ReadonlySet<string>>();
  #recheck: NodeJS.Timeout | undefined;

  constructor(o: {
    readonly view: View;
    readonly info: PodInfo;
    readonly observe: ConnectionObserver;
    readonly live: LiveConnections;
    readonly missingPolicyWaitMs: number;
  }) {
    this.#view = o.view;
    this.#info = o.info;
    this.#observe = o.observe;
    this.#live = o.live;
    this.#waitMs = o.missingPolicyWaitMs;
    const judged = () => {
      if (this.#undecided.size === 0) this.#stopRecheck();
    };
    this.#toJudge = new SlicedRounds((connection) => this.#judge(connection, false), judged, monotonicMs);
  }

  /**
   * Decides about a connection that is tracked already, so that a change during this very call finds it. A policy that is
   * named and not held is waited for, within bounds; then the answer is no. Rejects with the reason when it is cut meanwhile.
   */
  async admit(connection: LiveConnection, local: Workload): Promise<Admission> {
    let event = this.#ask(connection, local, 'accept');
    if (isUndecided(event?.decision)) {
      await this.#arrival(connection.signal, () => !isUndecided(this.#ask(connection, local, 'accept')?.decision));
      event = this.#ask(connection, local, 'accept');
    }
    connection.throwIfCut();
    if (event === undefined) throw new MeshError('POLICY_UNDECIDED', 'an inbound connection without facts');
    this.#tellDryRun(connection, event);
    if (event.decision.verdict === 'deny') {
      return { verdict: 'deny', receipt: this.#observe.denied(event), error: denialOf(event.decision) };
    }
    this.#observe.allowed(event);
    return { verdict: 'allow' };
  }

  /**
   * Policies or the workload changed: every connection is judged by what is in force at its turn. What fits into a slice is
   * done when this returns, the rest in the turns that follow.
   */
  reevaluate(): void {
    for (const look of [...this.#held]) look();
    this.#toJudge.add(this.#live.inbound());
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#recheck);
    this.#toJudge.clear();
  }

  /** Cuts what is denied now. While a policy is missing, what only that denies is left until it came or its time is over. */
  #judge(connection: LiveConnection, missingDenies: boolean): void {
    this.#undecided.delete(connection);
    const local = this.#view.localWorkload(this.#info);
    // Gone from the mesh's view, not from the node: the pod's removal comes by the CNI agent and ends everything.
    if (local === undefined || connection.isOver) return;
    const event = this.#ask(connection, local, 'live');
    if (event === undefined) return;
    if (isUndecided(event.decision) && !missingDenies) {
      this.#undecided.add(connection);
      this.#recheck ??= setTimeout(() => this.#recheckNow(), this.#waitMs);
      return;
    }
    this.#tellDryRun(connection, event);
    if (event.decision.verdict === 'allow') return;
    this.#observe.denied(event);
    connection.cut({ reason: new MeshError('POLICY_REVOKED', denialOf(event.decision)), flags: 'DENY' });
  }

  /** Tells each thing that a dry run says about a connection once, however often the connection is judged. */
  #tellDryRun(connection: LiveConnection, event: PolicyEvent): void {
    const { dryRunHits: hits } = event.decision;
    const told = this.#told.get(connection);
    if (hits === undefined && told === undefined) return;
    const now = new Set(hits?.map(formatDryRunHit));
    this.#told.set(connection, now);
    const dryRunHits = hits?.filter((hit) => told?.has(formatDryRunHit(hit)) !== true) ?? [];
    if (dryRunHits.length > 0) this.#observe.dryRun({ ...event, decision: { ...event.decision, dryRunHits } });
  }

  #recheckNow(): void {
    this.#stopRecheck();
    for (const connection of [...this.#undecided]) this.#judge(connection, true);
  }

  #stopRecheck(): void {
    clearTimeout(this.#recheck);
    this.#recheck = undefined;
  }

  #ask(connection: LiveConnection, known: Workload, when: PolicyEvent['when']): PolicyEvent | undefined {
    const { facts, context } = connection;
    if (facts === undefined) return undefined;
    // The latest record: it may name other policies than the one the connection came in with.
    const local = this.#view.localWorkload(this.#info) ?? known;
    const scope: PolicyScope = this.#view.policyScope(local);
    return { context, facts, scope, when, decision: evaluate(scope, facts) };
  }

  #arrival(signal: AbortSignal, hasArrived: () => boolean): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, this.#waitMs);
    const onAbort = () => resolve();
    const look = () => {
      if (hasArrived()) resolve();
    };
    this.#held.add(look);
    signal.addEventListener('abort', onAbort, { once: true });
    return promise.finally(() => {
      clearTimeout(timer);
      this.#held.delete(look);
      signal.removeEventListener('abort', onAbort);
    });
  }
}

function isUndecided(decision: PolicyDecision | undefined): boolean {
  return decision?.because === 'policy-not-yet-known';
}

function denialOf(decision: PolicyDecision): string {
  const missing = decision.missing ? ` (${decision.missing.join(', ')})` : '';
  return `connection closed due to policy rejection: ${formatBecause(decision.because)}${missing}`;
}

const monotonicMs = () => performance.now();
