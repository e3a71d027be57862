/** Shares tunnels among streams (ztunnel.md section 3.6), whatever they are made of. */
import { HboneError } from './errors.ts';
import { NotProcessed } from './tunnel.ts';
import {
  DEFAULT_SETTINGS,
  type HboneClient,
  type HboneClientOptions,
  type HboneSettings,
  type OpenedStream,
  type OpenOptions,
} from './types.ts';

/** One connection to a peer, as the pool sees it. */
export type PooledTunnel = {
  readonly isUsable: boolean;
  /** The peer takes no more bytes at all for now, whichever stream they are of. */
  readonly isSaturated: boolean;
  /** What the peer allows at once; unknown (infinite) until its SETTINGS came. */
  readonly peerStreamLimit: number;
  /** Told once, also when it is closed already. */
  onClose(listener: () => void): void;
  /** Takes leave; to be called when no stream is on it. */
  close(): void;
  /** Resets what runs, and is gone. */
  destroy(): void;
  /** One CONNECT. `over` is called once, when the stream no longer counts. */
  request(o: OpenOptions, over: () => void): Promise<OpenedStream>;
};

/** Dials, shakes hands and verifies the peer. Rejects with HboneError. */
export type Establish = (o: OpenOptions, settings: HboneSettings) => Promise<PooledTunnel>;

const DEFAULT_RELEASE_MS = 300_000;
const DEFAULT_MAX_STREAMS = 100;
/** To one peer at once, before streams are put on one that is saturated. */
const MAX_SPREAD = 4;
/** Tunnels kept without a stream on them; beyond it the one unused for longest is closed. */
const MAX_UNUSED = 500;

/**
 * A place for a tunnel. Its streams are counted from the moment they are promised, so that a crowd of first users fills one
 * connection attempt and no more than it can carry.
 *
 *     dialing --> ready --> closing (GOAWAY, unused, disposed): out of the pool, ends with its last stream
 */
type Slot = {
  readonly key: string;
  readonly tunnel: Promise<PooledTunnel>;
  ready: PooledTunnel | undefined;
  streams: number;
  release: NodeJS.Timeout | undefined;
};

/** See {@link HboneClient}. One for each pod: two pods never share a tunnel. */
export class PooledClient implements HboneClient {
  readonly #establish: Establish;
  readonly #settings: HboneSettings;
  readonly #releaseMs: number;
  readonly #maxStreams: number;
  readonly #pool = new Map<string, Set<Slot>>();
  /** Slots without streams, the longest unused first. */
  readonly #unused = new Set<Slot>();
  /** Everything that is open, pooled or not. */
  readonly #open = new Set<Slot>();
  #isDisposed = false;

  constructor(establish: Establish, options: HboneClientOptions) {
    this.#establish = establish;
    this.#settings = { ...DEFAULT_SETTINGS, ...options.settings };
    this.#releaseMs = options.poolUnusedReleaseMs ?? DEFAULT_RELEASE_MS;
    this.#maxStreams = options.maxStreamsPerConnection ?? DEFAULT_MAX_STREAMS;
  }

  stats() {
    let streams = 0;
    for (const slot of this.#open) streams += slot.streams;
    return { tunnels: this.#open.size, streams };
  }

  async open(o: OpenOptions): Promise<OpenedStream> {
    try {
      return await this.#openOnce(o);
    } catch (error) {
      // The tunnel was leaving while we came: once more, on another one.
      if (error instanceof NotProcessed && !this.#isDisposed) return this.#openOnce(o);
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    const gone: Promise<void>[] = [];
    for (const slot of [...this.#open]) {
      this.#forget(slot);
      const closed = slot.tunnel.then(
        (tunnel) =>
          new Promise<void>((resolve) => {
            tunnel.onClose(resolve);
            tunnel.destroy();
          }),
        () => {}, // never came to be: nothing to close
      );
      gone.push(closed);
    }
    await Promise.all(gone);
    this.#open.clear(); // a tunnel may be closed before it has told the pool so
  }

  async #openOnce(o: OpenOptions): Promise<OpenedStream> {
    if (this.#isDisposed) throw new HboneError('CLOSED', 'the client is closed');
    o.signal?.throwIfAborted();
    const slot = this.#slotFor(o);
    this.#take(slot);
    const leave = once(() => this.#leave(slot));
    let tunnel: PooledTunnel;
    try {
      tunnel = slot.ready ?? (await untilAborted(slot.tunnel, o.signal));
    } catch (error) {
      leave();
      throw error;
    }
    return tunnel.request(o, leave);
  }

  /** A tunnel with room: one that stands, else one that is being made, else a new one; one that is saturated last. */
  #slotFor(o: OpenOptions): Slot {
    // A renewed certificate is a new identity in all that matters: its streams never ride on the old one's tunnels.
    const key = `${o.poolKey}|${o.source.serial}`;
    const slots = this.#pool.get(key) ?? new Set<Slot>();
    let saturated: Slot | undefined;
    for (const slot of slots) {
      if (slot.ready && !slot.ready.isUsable) this.#forget(slot);
      else if (slot.streams < Math.min(this.#maxStreams, slot.ready?.peerStreamLimit ?? this.#maxStreams)) {
        if (!slot.ready?.isSaturated) return slot;
        saturated ??= slot;
      }
    }
    if (saturated !== undefined && slots.size >= MAX_SPREAD) return saturated;
    const slot: Slot = {
      key,
      tunnel: this.#establish(o, this.#settings),
      ready: undefined,
      streams: 0,
      release: undefined,
    };
    slots.add(slot);
    this.#pool.set(key, slots);
    this.#open.add(slot);
    slot.tunnel.then(
      (tunnel) => {
        slot.ready = tunnel;
        tunnel.onClose(() => {
          this.#forget(slot);
          this.#open.delete(slot);
        });
        // All who waited have left meanwhile.
        if (slot.streams === 0) this.#rest(slot);
      },
      () => {
        this.#forget(slot);
        this.#open.delete(slot);
      },
    );
    return slot;
  }

  #take(slot: Slot): void {
    slot.streams += 1;
    clearTimeout(slot.release);
    this.#unused.delete(slot);
  }

  #leave(slot: Slot): void {
    slot.streams -= 1;
    if (slot.streams === 0 && slot.ready) this.#rest(slot);
  }

  #rest(slot: Slot): void {
    if (!this.#pool.get(slot.key)?.has(slot)) {
      slot.ready?.close(); // out of the pool, and this was its last stream
      return;
    }
    this.#unused.add(slot);
    slot.release = setTimeout(() => this.#retire(slot), this.#releaseMs);
    const [oldest] = this.#unused;
    if (oldest && this.#unused.size > MAX_UNUSED) this.#retire(oldest);
  }

  #retire(slot: Slot): void {
    this.#forget(slot);
    slot.ready?.close();
  }

  #forget(slot: Slot): void {
    clearTimeout(slot.release);
    this.#unused.delete(slot);
    const slots = this.#pool.get(slot.key);
    slots?.delete(slot);
    if (slots?.size === 0) this.#pool.delete(slot.key);
  }
}

function once(work: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    work();
  };
}

/** The shared attempt goes on for the others when one caller loses patience. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  return Promise.race([work, promise]).finally(() => signal.removeEventListener('abort', onAbort));
}
