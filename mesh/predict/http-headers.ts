/** Header fields of a request that is asked about, and what a waypoint makes of them before its policies are asked. */
import type { IpAddress } from '../address.ts';
import type { MutableHeaders } from '../route/header-modifier.ts';
import type { Headers } from '../route/request-facts.ts';
import type { SpiffeId } from '../spiffe.ts';
import type { HttpQuestion } from './question.ts';

/** Lines by name, as the waypoint's own fields hold them. */
export class AskedHeaders implements Headers, MutableHeaders {
  readonly #lines: Map<string, readonly string[]>;

  constructor(lines: Iterable<readonly [name: string, lines: readonly string[]]> = []) {
    this.#lines = new Map(lines);
  }

  static of(written: NonNullable<HttpQuestion['headers']>): AskedHeaders {
    const headers = new AskedHeaders();
    for (const [name, value] of Object.entries(written)) {
      for (const line of typeof value === 'string' ? [value] : value) headers.append(name.toLowerCase(), line);
    }
    return headers;
  }

  get(name: string): string | undefined {
    return this.#lines.get(name)?.join(', ');
  }

  all(name: string): readonly string[] {
    return this.#lines.get(name) ?? [];
  }

  has(name: string): boolean {
    return this.#lines.has(name);
  }

  set(name: string, value: string): void {
    this.#lines.set(name, [value]);
  }

  append(name: string, value: string): void {
    this.#lines.set(name, [...this.all(name), value]);
  }

  remove(name: string): void {
    this.#lines.delete(name);
  }

  clone(): AskedHeaders {
    return new AskedHeaders(this.#lines);
  }
}

export type TunnelPeer = { readonly identity: SpiffeId; readonly ip: IpAddress };

/** Stands for the id that is made where there is none: no policy can name it. */
const SOME_ID = 'made-by-the-waypoint';

/** What callers can forge goes, what is true comes (waypoint.md section 1.9): the same as the waypoint's layer of that purpose does. */
export function asProxied(headers: AskedHeaders, { identity, ip }: TunnelPeer): AskedHeaders {
  const made = headers.clone();
  made.remove('x-forwarded-client-cert');
  const before = made.get('x-forwarded-for');
  made.set('x-forwarded-for', before === undefined ? ip : `${before}, ${ip}`);
  made.set('ambit-source', `${identity};${ip}`);
  if (!made.has('x-forwarded-proto')) made.set('x-forwarded-proto', 'http');
  if (!made.has('x-request-id')) made.set('x-request-id', SOME_ID);
  return made;
}
