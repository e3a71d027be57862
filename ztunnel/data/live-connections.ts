/** The connections of one pod: what is shown, re-judged, drained and cut. */
import { setMaxListeners } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type ConnectionFacts, MeshError } from '../../mesh/index.ts';
import { type Cut, LiveConnection } from './live-connection.ts';
import type { ConnectionContext, ConnectionInfo, ConnectionObserver } from './observer.ts';

/** How often idleness is looked at, as a part of what is allowed. */
const IDLE_LOOKS = 60;

export class LiveConnections implements Disposable {
  readonly #observe: Pick<ConnectionObserver, 'opened'>;
  readonly #now: () => number;
  readonly #live = { inbound: new Set<LiveConnection>(), outbound: new Set<LiveConnection>() };
  /** Connections that are not far enough to be tracked. */
  #starting = 0;
  /** Of all of these: they are cut together, and with everything else. */
  #abortStarting = sharedAbort();
  readonly #idleTimer: NodeJS.Timeout;
  readonly #onEmpty = new Set<() => void>();

  constructor(o: { observe: Pick<ConnectionObserver, 'opened'>; now: () => number; idleTimeoutMs: number }) {
    this.#observe = o.observe;
    this.#now = o.now;
    this.#idleTimer = setInterval(() => this.#cutIdle(o.idleTimeoutMs), Math.max(o.idleTimeoutMs / IDLE_LOOKS, 10));
    this.#idleTimer.unref();
  }

  /** Runs the part of a connection's life that precedes tracking, with a signal that ends it with the pod. */
  async starting<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    this.#starting += 1;
    try {
      return await work(this.#abortStarting.signal);
    } finally {
      this.#starting -= 1;
      this.#checkEmpty();
    }
  }

  track(context: ConnectionContext, facts?: ConnectionFacts): LiveConnection {
    const connection = new LiveConnection({
      context,
      ...(facts && { facts }),
      open: this.#observe.opened(context),
      nowMs: this.#now(),
      untrack: this.#untrack,
    });
    this.#live[context.direction].add(connection);
    return connection;
  }

  readonly #untrack = (done: LiveConnection): void => {
    this.#live[done.context.direction].delete(done);
    this.#checkEmpty();
  };

  /** Connections that are served, or about to be. */
  get size(): number {
    return this.#live.inbound.size + this.#live.outbound.size + this.#starting;
  }

  inbound(): readonly LiveConnection[] {
    return [...this.#live.inbound];
  }

  show(): { readonly inbound: readonly ConnectionInfo[]; readonly outbound: readonly ConnectionInfo[] } {
    const infos = (of: Iterable<LiveConnection>) => Array.from(of, ({ info }) => info);
    return { inbound: infos(this.#live.inbound), outbound: infos(this.#live.outbound) };
  }

  cutAll(cut: Cut): void {
    const starting = this.#abortStarting;
    this.#abortStarting = sharedAbort();
    starting.abort(cut.reason);
    for (const connection of [...this.#live.inbound, ...this.#live.outbound]) connection.cut(cut);
  }

  /** Resolves when there is no connection any more. */
  async empty(): Promise<void> {
    do {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#onEmpty.add(resolve);
      this.#checkEmpty();
      await promise;
      await nextTurn(); // whoever has left `starting` just now is tracked in the same turn
    } while (this.size > 0);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#idleTimer);
  }

  #checkEmpty(): void {
    if (this.size > 0) return;
    for (const tell of this.#onEmpty) tell();
    this.#onEmpty.clear();
  }

  #cutIdle(limitMs: number): void {
    const now = this.#now();
    for (const connection of [...this.#live.inbound, ...this.#live.outbound]) {
      if (connection.idleMs(now) < limitMs) continue;
      connection.cut({ reason: new MeshError('IDLE', `no byte in ${limitMs} ms`), flags: '-' });
    }
  }
}

function sharedAbort(): AbortController {
  const abort = new AbortController();
  setMaxListeners(0, abort.signal); // one for each connection that waits
  return abort;
}
