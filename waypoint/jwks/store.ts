/** Keys by where they are to be had: fetched once for all who want them, refreshed while they are used, and used for a while when that fails. */
import { type JwtRule, MeshError } from '../../mesh/index.ts';
import type { FetchJson } from './fetch-json.ts';
import { KeySet } from './key-set.ts';

export type JwksStoreOptions = {
  readonly fetchJson: FetchJson;
  /** Milliseconds. */
  readonly now: () => number;
  readonly onProblem: (source: string, error: unknown) => void;
};

export type KeySource = Pick<JwtRule, 'issuer' | 'jwks' | 'jwksUri' | 'keysService' | 'timeoutMs'>;

/** As proxies of the reference do (waypoint.md section 4.6). */
const FRESH_MS = 5 * 60_000;
/** An issuer that is away: its keys are good for so long. */
const STALE_MS = 60 * 60_000;
/** Callers can name keys that nobody has: no more often is looked for new ones, nor after a failure. */
const AGAIN_MS = 30_000;
const AFTER_FAILURE_MS = 5_000;
/** Sources that are kept; of those beyond, the one that was not used for longest goes. */
const MAX_SOURCES = 1_024;

type Entry = {
  keys: KeySet | undefined;
  fetchedAt: number;
  /** When it was last asked, whatever came of it. */
  askedAt: number;
  failure: unknown;
  fetching: Promise<void> | undefined;
};

export class JwksStore {
  readonly #options: JwksStoreOptions;
  readonly #entries = new Map<string, Entry>();

  constructor(options: JwksStoreOptions) {
    this.#options = options;
  }

  /** Begins to fetch, so that the first request does not have to wait. */
  prepare(source: KeySource): void {
    const found = this.keys(source);
    if (found instanceof Promise) found.catch(() => {}); // it was told, and is tried again
  }

  /**
   * Keys that may be used now. Rejects with MeshError JWKS_UNAVAILABLE. `missing`: the keys that were had before did not have the
   * one that is needed.
   */
  keys(source: KeySource, missing?: KeySet): KeySet | Promise<KeySet> {
    const entry = this.#entry(source);
    const now = this.#options.now();
    const { keys } = entry;
    if (source.jwks !== '') return keys ?? Promise.reject(this.#unavailable(source, entry));
    const isUsable = keys !== undefined && now - entry.fetchedAt < STALE_MS;
    const mayAsk = now - entry.askedAt >= (entry.failure === undefined ? AGAIN_MS : AFTER_FAILURE_MS);
    const wants = !isUsable || now - entry.fetchedAt >= FRESH_MS || missing === keys;
    if (wants && mayAsk) entry.fetching ??= this.#fetch(source, entry);
    if (isUsable && missing !== keys) return keys;
    if (entry.fetching === undefined) return isUsable ? keys : Promise.reject(this.#unavailable(source, entry));
    return this.#fetched(source, entry);
  }

  async #fetched(source: KeySource, entry: Entry): Promise<KeySet> {
    await entry.fetching;
    if (entry.keys !== undefined && this.#options.now() - entry.fetchedAt < STALE_MS) return entry.keys;
    throw this.#unavailable(source, entry);
  }

  #entry(source: KeySource): Entry {
    const name = nameOf(source);
    let entry = this.#entries.get(name);
    if (entry === undefined) {
      entry = {
        keys: undefined,
        fetchedAt: 0,
        askedAt: Number.NEGATIVE_INFINITY,
        failure: undefined,
        fetching: undefined,
      };
      if (source.jwks !== '') parseInto(entry, source.jwks);
      if (this.#entries.size >= MAX_SOURCES) this.#forgetOldest();
    } else this.#entries.delete(name); // to the end: the latest used
    this.#entries.set(name, entry);
    return entry;
  }

  #forgetOldest(): void {
    for (const name of this.#entries.keys()) {
      this.#entries.delete(name);
      return;
    }
  }

  async #fetch(source: KeySource, entry: Entry): Promise<void> {
    const { fetchJson, now, onProblem } = this.#options;
    entry.askedAt = now();
    try {
      const url = source.jwksUri === '' ? await this.#discover(source) : source.jwksUri;
      const service = isSameHost(url, source.jwksUri || source.issuer) ? source.keysService : '';
      entry.keys = KeySet.parse(await fetchJson(url, source.timeoutMs, service));
      entry.fetchedAt = now();
      entry.failure = undefined;
    } catch (error) {
      entry.failure = error;
      onProblem(describe(source), error);
    } finally {
      entry.fetching = undefined;
    }
  }

  /** OpenID Connect Discovery 1.0 section 4. */
  async #discover({ issuer, keysService, timeoutMs }: KeySource): Promise<string> {
    const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const document = (await this.#options.fetchJson(url, timeoutMs, keysService)) as Readonly<
      Record<string, unknown>
    > | null;
    const uri = document?.['jwks_uri'];
    if (typeof uri !== 'string' || !/^https?:\/\//.test(uri)) {
      throw new MeshError('JWKS_FETCH_FAILED', `${url}: says nothing of jwks_uri`);
    }
    return uri;
  }

  #unavailable(source: KeySource, { failure }: Entry): MeshError {
    const why = failure instanceof Error ? failure.message : 'not fetched';
    return new MeshError('JWKS_UNAVAILABLE', `no keys of ${describe(source)}: ${why}`, { cause: failure });
  }
}

function parseInto(entry: Entry, jwks: string): void {
  try {
    entry.keys = KeySet.parse(JSON.parse(jwks));
  } catch (error) {
    entry.failure = error;
  }
}

/** A short name is another service in another namespace. */
function nameOf({ issuer, jwks, jwksUri, keysService }: KeySource): string {
  if (jwks !== '') return `inline ${jwks}`;
  return `${keysService} ${jwksUri === '' ? `issuer ${issuer}` : jwksUri}`;
}

function isSameHost(url: string, other: string): boolean {
  const [a, b] = [URL.parse(url), URL.parse(other)];
  return a !== null && a.protocol === b?.protocol && a.hostname === b.hostname;
}

function describe({ issuer, jwks, jwksUri }: KeySource): string {
  return jwks !== '' ? `issuer ${issuer}, inline` : jwksUri || `issuer ${issuer}`;
}
