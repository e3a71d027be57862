/** The name servers of a `resolv.conf` (resolv.conf(5)), read again when the file changes. */
import { readFileSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { describeError, type Logger } from '../../core/telemetry/index.ts';
import { type IpAddress, parseIp } from '../../mesh/index.ts';

export type ResolvConf = { readonly servers: readonly IpAddress[]; readonly search: readonly string[] };

/** More than libc reads (3 and 6): what waits behind so many is never asked. */
const MAX_SERVERS = 8;
const MAX_SEARCH = 32;
const LOOK_EVERY_MS = 5_000;

/** What is not understood is left out. An address with a zone is: the zone is one of another namespace. */
export function parseResolvConf(text: string): ResolvConf {
  const servers: IpAddress[] = [];
  let search: readonly string[] = [];
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    const server = keyword === 'nameserver' ? parseIp(values[0] ?? '') : undefined;
    if (server !== undefined && !servers.includes(server) && servers.length < MAX_SERVERS) servers.push(server);
    // The last of the two counts.
    if (keyword === 'search' || keyword === 'domain') search = values.slice(0, MAX_SEARCH).map(plainDomain);
  }
  return { servers, search: search.filter((domain) => domain !== '') };
}

const plainDomain = (text: string) => text.toLowerCase().replace(/^\.+|\.+$/g, '');

/** Keeps the last readable content. Looks at the file when it is asked, at most every 5 s, and never makes anybody wait. */
export class ResolvConfFile {
  readonly #path: string;
  readonly #log: Logger;
  readonly #now: () => number;
  #current: ResolvConf = { servers: [], search: [] };
  /** What tells one content from another without reading it. */
  #version = '';
  #lookedAtMs: number;
  #isLooking = false;

  /** Reads the file once; one that is missing is looked for again. `now` in milliseconds. */
  constructor(path: string, log: Logger, now: () => number) {
    this.#path = path;
    this.#log = log;
    this.#now = now;
    this.#lookedAtMs = now();
    try {
      this.#current = parseResolvConf(readFileSync(path, 'utf8'));
    } catch (error) {
      log.warn('no name servers yet', { path, error: describeError(error) });
    }
    if (this.#current.servers.length === 0) this.#lookedAtMs = Number.NEGATIVE_INFINITY;
  }

  get current(): ResolvConf {
    if (!this.#isLooking && this.#now() - this.#lookedAtMs >= LOOK_EVERY_MS) void this.#look();
    return this.#current;
  }

  async #look(): Promise<void> {
    this.#isLooking = true;
    this.#lookedAtMs = this.#now();
    try {
      const { mtimeMs, size, ino } = await stat(this.#path);
      const version = `${mtimeMs} ${size} ${ino}`;
      if (version === this.#version) return;
      const read = parseResolvConf(await readFile(this.#path, 'utf8'));
      this.#version = version;
      if (read.servers.join() === this.#current.servers.join() && read.search.join() === this.#current.search.join())
        return;
      this.#current = read;
      this.#log.info('name servers', { path: this.#path, servers: read.servers.join(' ') });
    } catch (error) {
      this.#log.debug('the name servers stay as they are', { path: this.#path, error: describeError(error) });
    } finally {
      this.#isLooking = false;
    }
  }
}
