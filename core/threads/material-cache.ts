/** A worker's certificates: one object for each identity, since TLS contexts are kept by it. */

import type { SpiffeId } from '../../mesh/index.ts';
import type { TlsMaterial } from '../hbone/index.ts';

export class MaterialCache {
  readonly #ask: (identity: SpiffeId) => Promise<TlsMaterial>;
  readonly #nowMs: () => number;
  readonly #held = new Map<SpiffeId, TlsMaterial>();
  readonly #asked = new Map<SpiffeId, Promise<TlsMaterial>>();

  /** `nowMs` is wall time. */
  constructor(ask: (identity: SpiffeId) => Promise<TlsMaterial>, nowMs: () => number) {
    this.#ask = ask;
    this.#nowMs = nowMs;
  }

  /** Rejects with what the question is rejected with, or the signal's reason. */
  async fetch(identity: SpiffeId, signal?: AbortSignal): Promise<TlsMaterial> {
    signal?.throwIfAborted();
    const held = this.#held.get(identity);
    if (held !== undefined && held.notAfter.getTime() > this.#nowMs()) return held;
    const asked = this.#asked.get(identity) ?? this.#begin(identity);
    if (signal === undefined) return asked;
    const aborted = Promise.withResolvers<never>();
    const onAbort = () => aborted.reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await Promise.race([asked, aborted.promise]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Takes the place of what is held; what nobody here has asked for is not kept. */
  renewed(material: TlsMaterial): void {
    if (this.#held.has(material.identity)) this.#held.set(material.identity, material);
  }

  forgotten(identity: SpiffeId): void {
    this.#held.delete(identity);
  }

  #begin(identity: SpiffeId): Promise<TlsMaterial> {
    const asked = this.#ask(identity)
      .then((material) => {
        this.#held.set(identity, material);
        return material;
      })
      .finally(() => this.#asked.delete(identity));
    this.#asked.set(identity, asked);
    return asked;
  }
}
