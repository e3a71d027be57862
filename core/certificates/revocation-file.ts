/** The file of revocation lists (CRL_PATH): read at the start, read again when it changes. */
import { type FSWatcher, readFileSync, statSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import { MeshError } from '../../mesh/index.ts';
import type { Revocations } from '../hbone/index.ts';
import { type Ancestry, RevocationLists } from '../identity/index.ts';
import { describeError, type Logger } from '../telemetry/index.ts';
import type { Clock } from '../time/index.ts';

/** ztunnel.md section 3.1: writers may take several steps. */
const SETTLE_MS = 2_000;
/** How often a directory that is not there is looked for. */
const RETRY_MS = 10_000;
/** A list has some 40 bytes for each certificate. */
const MAX_BYTES = 32 << 20;

export type RevocationEvents = {
  loaded(lists: RevocationLists): void;
  failed(): void;
};

export type RevocationFileOptions = {
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly events: RevocationEvents;
};

/**
 * What can't be read never makes anybody trusted again: at the start it is an error, later the last good lists stay, also
 * when the file goes away. A file that has never been there revokes nothing; it is picked up when it appears.
 */
export class RevocationFile implements Revocations, Disposable {
  readonly #o: RevocationFileOptions;
  readonly #listeners = new Set<() => void>();
  #lists = RevocationLists.none;
  #hasLoaded = false;
  #watcher: FSWatcher | undefined;
  #timer: Disposable | undefined;
  #isDisposed = false;

  /** @throws MeshError CRL_UNUSABLE when the file is there and can't be used. */
  constructor(o: RevocationFileOptions) {
    this.#o = o;
    this.#watch(); // before the first look, so that no change falls in between
    try {
      if (!this.#load()) o.log.warn('there is no revocation list yet: nothing is revoked', { path: o.path });
    } catch (cause) {
      this[Symbol.dispose]();
      throw new MeshError('CRL_UNUSABLE', `CRL_PATH="${o.path}": ${describeError(cause)}`, { cause });
    }
  }

  isRevoked(ancestry: Ancestry): boolean {
    return this.#lists.isRevoked(ancestry, (issuer) => {
      this.#o.log.warn('a revocation list is ignored: its issuer has not signed it', { path: this.#o.path, issuer });
    });
  }

  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.#watcher?.close();
    this.#timer?.[Symbol.dispose]();
    this.#listeners.clear();
  }

  /** False when there is no file. */
  #load(): boolean {
    const { path, events, log } = this.#o;
    const bytes = readIfThere(path);
    if (bytes === undefined) return false;
    this.#lists = RevocationLists.parse(bytes);
    this.#hasLoaded = true;
    events.loaded(this.#lists);
    log.info('revocation lists loaded', { path, revoked: this.#lists.size });
    return true;
  }

  #reload(): void {
    const { path, events, log } = this.#o;
    this.#watch(); // the directory may be another one by now
    try {
      if (!this.#load()) {
        if (this.#hasLoaded) log.warn('the revocation list is gone: the last one stays in force', { path });
        return;
      }
    } catch (error) {
      events.failed();
      log.warn('the revocation list can not be used: the last one stays in force', {
        path,
        error: describeError(error),
      });
      return;
    }
    for (const listener of [...this.#listeners]) listener();
  }

  /** Of the directory, since files are replaced by renaming, and mounted ones by changing a symlink beside them. */
  #watch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    try {
      const watcher = watch(dirname(this.#o.path), { persistent: false }, () => this.#later(SETTLE_MS));
      watcher.on('error', () => this.#later(SETTLE_MS)); // watched anew then
      this.#watcher = watcher;
    } catch {
      this.#later(RETRY_MS); // no such directory yet
    }
  }

  #later(ms: number): void {
    if (this.#isDisposed) return;
    this.#timer?.[Symbol.dispose]();
    this.#timer = this.#o.clock.after(ms, () => this.#reload());
  }
}

function readIfThere(path: string): Buffer | undefined {
  try {
    if (statSync(path).size > MAX_BYTES) throw new Error(`more than ${MAX_BYTES} bytes`);
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
