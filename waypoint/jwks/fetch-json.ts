/**
 * A JSON document from where an object of the API says: within a time and a size, never from an address that is refused, and only
 * from the very address that was looked at, so that a name can not mean one thing first and another then.
 */
import { lookup as dnsLookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { Agent, request } from 'undici';
import { type IpAddress, MeshError, parseIp } from '../../mesh/index.ts';

/** `service`: `namespace/hostname` of what the URL may name in the mesh; ''. */
export type FetchJson = (url: string, timeoutMs: number, service: string) => Promise<unknown>;

export interface JsonFetcher extends AsyncDisposable {
  readonly fetch: (url: string, timeoutMs: number) => Promise<unknown>;
}

export type FetcherOptions = {
  /** Why an address is not called; undefined: it is. */
  readonly refusal: (ip: IpAddress) => string | undefined;
  /** Default: the system's resolver. */
  readonly lookup?: typeof dnsLookup;
};

/** A key set has some hundred bytes for each key. */
export const MAX_BYTES = 1 << 20;

export function openFetcher({ refusal, lookup = dnsLookup }: FetcherOptions): JsonFetcher {
  const agent = new Agent({
    connect: { lookup: guarded(refusal, lookup) },
    connections: 2,
    pipelining: 1,
    keepAliveTimeout: 1_000,
    maxResponseSize: MAX_BYTES,
  });
  return {
    fetch: (url, timeoutMs) => fetchJson(agent, refusal, url, timeoutMs),
    [Symbol.asyncDispose]: () => agent.destroy(),
  };
}

/** @throws MeshError JWKS_FETCH_FAILED. */
async function fetchJson(
  agent: Agent,
  refusal: FetcherOptions['refusal'],
  url: string,
  timeoutMs: number,
): Promise<unknown> {
  try {
    const parsed = new URL(url);
    // An address that is written out is not looked up.
    const ip = parseIp(parsed.hostname.replace(/^\[|\]$/g, ''));
    const why = ip && refusal(ip);
    if (why !== undefined) throw new Error(`${ip} is ${why}`);
    const signal = AbortSignal.timeout(timeoutMs);
    const { statusCode, body } = await request(parsed, {
      dispatcher: agent,
      signal,
      headers: { accept: 'application/json' },
    });
    if (statusCode !== 200) {
      await body.dump({ limit: MAX_BYTES, signal });
      throw new Error(
        `status ${statusCode}${statusCode >= 300 && statusCode < 400 ? ': redirects are not followed' : ''}`,
      );
    }
    return JSON.parse(await body.text());
  } catch (cause) {
    throw new MeshError('JWKS_FETCH_FAILED', `${url.slice(0, 500)}: ${reasonOf(cause)}`, { cause });
  }
}

export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.name === 'TimeoutError' ? 'no answer in time' : error.message;
}

/** Looks a name up, and gives only addresses that may be called: it is these that are then called. */
function guarded(refusal: FetcherOptions['refusal'], lookup: typeof dnsLookup): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { family: options.family ?? 0, hints: options.hints ?? 0, all: true }, (error, addresses) => {
      if (error !== null) {
        callback(error, '', 0);
        return;
      }
      const good = addresses.filter(({ address }) => {
        const ip = parseIp(address);
        return ip !== undefined && refusal(ip) === undefined;
      });
      const [first] = good;
      if (first === undefined) {
        const [refused] = addresses;
        const ip = refused && parseIp(refused.address);
        callback(new Error(`${hostname} is ${ip ?? 'nowhere'}${ip ? `, ${refusal(ip)}` : ''}`), '', 0);
      } else if (options.all === true) callback(null, good);
      else callback(null, first.address, first.family);
    });
  };
}
