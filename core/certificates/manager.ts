/**
 * Certificates of the identities that live on this node: asked for before they are needed, renewed at half their life, kept
 * while they are valid whatever happens to the authority, forgotten when nobody here has that identity any more.
 *
 *     initializing --signed--> available --(half its life)--> available ...
 *          |                       '--(failing and expired)--> unavailable --signed--> available
 *          '--failed--> unavailable: whoever asks is told at once, until the scheduled retry succeeds
 */

import { MeshError, type SpiffeId } from '../../mesh/index.ts';
import type { TlsMaterial } from '../hbone/index.ts';
import { generateKeyAndCsr } from '../identity/index.ts';
import { describeError, type Logger } from '../telemetry/index.ts';
import type { Clock } from '../time/index.ts';
import { type CertificateView, type CheckedChain, checkChain } from './chain.ts';
import { type Priority, RequestQueue } from './request-queue.ts';
import { refreshAt, retryAt } from './schedule.ts';

/** Who signs. */
export interface Signer {
  createCertificate(
    csrPem: string,
    identity: string,
    ttlSeconds: number,
    signal?: AbortSignal,
  ): Promise<readonly string[]>;
}

export type CertificateManagerOptions = {
  readonly signer: Signer;
  readonly ttlSeconds: number;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
  /** A certificate came: the first one of its identity, or one that replaces the last. */
  readonly onReceived?: (material: TlsMaterial) => void;
  /** Dedicated mode: our token decides who we are. */
  readonly anyIdentity?: boolean;
  /** Of the tunnels that use these certificates. */
  readonly suites?: TlsMaterial['suites'];
};

/** One identity as `/config_dump` shows it. */
export type CertificateDump = {
  readonly identity: string;
  readonly state: string;
  readonly certChain: readonly CertificateView[];
  readonly rootCerts: readonly CertificateView[];
};

type State =
  | { readonly kind: 'initializing' }
  | { readonly kind: 'available'; readonly chain: CheckedChain }
  | { readonly kind: 'unavailable'; readonly error: MeshError };

type Entry = {
  readonly identity: SpiffeId;
  state: State;
  readonly waiters: Set<PromiseWithResolvers<TlsMaterial>>;
  inFlight: AbortController | undefined;
  timer: Disposable | undefined;
  failures: number;
  failingSinceMs: number;
};

const MAX_IN_FLIGHT = 8;
/** How long a connection waits for its certificate. */
const WAIT_MS = 5_000;
/** Prefetches beyond this are dropped: a connection that needs one asks by itself. */
const MAX_WARMUPS = 256;

export class CertificateManager implements Disposable {
  readonly #options: CertificateManagerOptions;
  readonly #entries = new Map<SpiffeId, Entry>();
  readonly #queue = new RequestQueue<Entry>();
  #inFlight = 0;

  constructor(options: CertificateManagerOptions) {
    this.#options = options;
  }

  /**
   * The current key and certificate. Waits up to 5 s for the first one; fails at once when the last attempt failed.
   * Rejects with `CERTIFICATE_UNAVAILABLE`, `CERTIFICATE_TIMEOUT`, `CERTIFICATE_FORGOTTEN`, or the signal's reason.
   */
  async fetch(identity: SpiffeId, signal?: AbortSignal): Promise<TlsMaterial> {
    signal?.throwIfAborted();
    const entry = this.#ask(identity, 'realtime');
    const { state } = entry;
    if (state.kind === 'available') {
      if (state.chain.material.notAfter.getTime() > this.#options.clock.now()) return state.chain.material;
      throw unavailable(identity, new MeshError('CERTIFICATE_EXPIRED', 'it has expired'));
    }
    if (state.kind === 'unavailable') throw unavailable(identity, state.error);
    const waiter = Promise.withResolvers<TlsMaterial>();
    entry.waiters.add(waiter);
    const deadline = this.#options.clock.after(WAIT_MS, () =>
      waiter.reject(new MeshError('CERTIFICATE_TIMEOUT', `no certificate for ${identity} within ${WAIT_MS} ms`)),
    );
    const onAbort = () => waiter.reject(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      return await waiter.promise;
    } finally {
      entry.waiters.delete(waiter);
      deadline[Symbol.dispose]();
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Asks before anybody waits. */
  prefetch(identity: SpiffeId): void {
    if (this.#entries.has(identity)) return;
    if (this.#queue.count('warmup') >= MAX_WARMUPS) {
      this.#options.log.info('prefetch dropped, too many are waiting', { identity });
      return;
    }
    this.#ask(identity, 'warmup');
  }

  /** The control plane is heard again: who has nothing does not wait out a pause that grew while it was away. */
  retry(): void {
    for (const entry of this.#entries.values()) {
      if (entry.state.kind !== 'unavailable' || entry.inFlight !== undefined) continue;
      entry.failures = 0;
      entry.timer?.[Symbol.dispose]();
      this.#enqueue(entry, 'background');
    }
  }

  /** Nobody here has this identity any more. */
  forget(identity: SpiffeId): void {
    const entry = this.#entries.get(identity);
    if (entry === undefined) return;
    this.#entries.delete(identity);
    this.#queue.delete(entry);
    entry.timer?.[Symbol.dispose]();
    entry.inFlight?.abort(new MeshError('CERTIFICATE_FORGOTTEN', 'no longer wanted'));
    for (const waiter of entry.waiters) {
      waiter.reject(new MeshError('CERTIFICATE_FORGOTTEN', `no workload of this node is ${identity} any more`));
    }
  }

  /** Sorted by identity. */
  dump(): readonly CertificateDump[] {
    return [...this.#entries.values()]
      .sort((a, b) => (a.identity < b.identity ? -1 : 1))
      .map(({ identity, state }) => ({
        identity,
        state: stateText(state),
        certChain: state.kind === 'available' ? state.chain.certChain : [],
        rootCerts: state.kind === 'available' ? state.chain.rootCerts : [],
      }));
  }

  [Symbol.dispose](): void {
    for (const identity of [...this.#entries.keys()]) this.forget(identity);
  }

  #ask(identity: SpiffeId, priority: Priority): Entry {
    let entry = this.#entries.get(identity);
    if (entry === undefined) {
      entry = {
        identity,
        state: { kind: 'initializing' },
        waiters: new Set(),
        inFlight: undefined,
        timer: undefined,
        failures: 0,
        failingSinceMs: 0,
      };
      this.#entries.set(identity, entry);
    }
    if (entry.state.kind === 'initializing' && entry.inFlight === undefined) this.#enqueue(entry, priority);
    return entry;
  }

  #enqueue(entry: Entry, priority: Priority): void {
    this.#queue.add(entry, priority, this.#options.clock.now());
    this.#pump();
  }

  #pump(): void {
    while (this.#inFlight < MAX_IN_FLIGHT) {
      const entry = this.#queue.take();
      if (entry === undefined) return;
      this.#inFlight += 1;
      const abort = new AbortController();
      entry.inFlight = abort;
      void this.#attempt(entry, abort.signal).finally(() => {
        this.#inFlight -= 1;
        entry.inFlight = undefined;
        this.#pump();
      });
    }
  }

  /** Never rejects. */
  async #attempt(entry: Entry, signal: AbortSignal): Promise<void> {
    const { clock, signer, ttlSeconds, anyIdentity = false, suites } = this.#options;
    const { identity } = entry;
    const startedMs = clock.now();
    try {
      const { privateKeyPem, csrPem } = await generateKeyAndCsr(identity);
      const pems = await signer.createCertificate(csrPem, identity, ttlSeconds, signal);
      const nowMs = clock.now();
      const chain = checkChain(pems, { identity, privateKeyPem, nowMs, anyIdentity, ...(suites && { suites }) });
      if (this.#entries.get(identity) === entry) this.#succeeded(entry, chain, startedMs);
    } catch (error) {
      if (this.#entries.get(identity) === entry) this.#failed(entry, error);
    }
  }

  #succeeded(entry: Entry, chain: CheckedChain, triedMs: number): void {
    const { log, random } = this.#options;
    const { material, warnings } = chain;
    for (const warning of warnings) log.warn('a root certificate is left out', { identity: entry.identity, warning });
    entry.state = { kind: 'available', chain };
    entry.failures = 0;
    const validity = { notBefore: material.notBefore.getTime(), notAfter: material.notAfter.getTime() };
    this.#schedule(entry, refreshAt(validity, triedMs, random()));
    log.info('certificate received', {
      identity: entry.identity,
      serial: material.serial,
      expires: material.notAfter.toISOString(),
    });
    this.#options.onReceived?.(material);
    for (const waiter of entry.waiters) waiter.resolve(material);
  }

  #failed(entry: Entry, cause: unknown): void {
    const { clock, log, random } = this.#options;
    const nowMs = clock.now();
    if (entry.failures === 0) entry.failingSinceMs = nowMs;
    entry.failures += 1;
    const { state, failures, failingSinceMs } = entry;
    const heldUntil = state.kind === 'available' ? state.chain.material.notAfter.getTime() : undefined;
    const nextMs = retryAt({ failures, failingSinceMs, nowMs }, heldUntil, random());
    const retry = `${Math.round(nextMs - nowMs)}ms`;
    log.warn('no certificate', { identity: entry.identity, error: describeError(cause), retry_in: retry });
    if (heldUntil === undefined || heldUntil <= nowMs) {
      const error = new MeshError('CERTIFICATE_UNAVAILABLE', describeError(cause), { cause });
      entry.state = { kind: 'unavailable', error };
      for (const waiter of entry.waiters) waiter.reject(unavailable(entry.identity, error));
    }
    this.#schedule(entry, nextMs);
  }

  #schedule(entry: Entry, atMs: number): void {
    const { clock } = this.#options;
    entry.timer?.[Symbol.dispose]();
    entry.timer = clock.after(Math.max(0, atMs - clock.now()), () => this.#enqueue(entry, 'background'));
  }
}

function stateText(state: State): string {
  switch (state.kind) {
    case 'initializing':
      return 'Initializing';
    case 'available':
      return 'Available';
    case 'unavailable':
      return `Unavailable: ${describeError(state.error)}`;
    default:
      return state satisfies never;
  }
}

function unavailable(identity: SpiffeId, cause: MeshError): MeshError {
  return new MeshError('CERTIFICATE_UNAVAILABLE', `no certificate for ${identity}: ${describeError(cause)}`, { cause });
}
