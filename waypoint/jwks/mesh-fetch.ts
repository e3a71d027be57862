/**
 * Keys from a service of the mesh: through tunnels, in the waypoint's own name, as everything goes that it sends into the mesh; so
 * they are to be had under STRICT, and the issuer's policies say who may have them. What has no tunnel is fetched like anything
 * outside, with the refusals that hold there; but not where a rule asks for TLS, which only the URL could have outside.
 */
import { Deadline, HeaderFields, HttpError, NO_BODY } from '../../core/http/index.ts';
import { MeshError } from '../../mesh/index.ts';
import { type CallParts, call } from '../upstream/call.ts';
import type { Chosen } from '../upstream/endpoints.ts';
import { type FetchJson, type JsonFetcher, MAX_BYTES, reasonOf } from './fetch-json.ts';

export type MeshFetchParts = CallParts & {
  /** Resolves when it is known which services there are, of those that this waypoint was told to know. */
  readonly addressesKnown: () => Promise<void>;
  readonly hasService: (service: string) => boolean;
  readonly outside: JsonFetcher['fetch'];
};

/** Rejects with MeshError JWKS_FETCH_FAILED. */
export function meshFetch(parts: MeshFetchParts): FetchJson {
  const { addressesKnown, hasService, outside, deadlines } = parts;
  return async (url, timeoutMs, service) => {
    if (service === '') return outside(url, timeoutMs);
    try {
      await within(deadlines, timeoutMs, addressesKnown());
      if (!hasService(service)) return await outside(url, timeoutMs);
      return await inside(parts, new URL(url), timeoutMs, service);
    } catch (cause) {
      if (cause instanceof NotInMesh) return outside(url, timeoutMs);
      if (cause instanceof MeshError) throw cause;
      const how = `through the mesh, as ${parts.own().identity}`;
      throw new MeshError('JWKS_FETCH_FAILED', `${url.slice(0, 500)}: ${how}: ${reasonOf(cause)}`, {
        cause: cause instanceof Error ? cause.cause : cause, // it itself is said already
      });
    }
  };
}

class NotInMesh extends Error {}

async function inside(parts: CallParts, url: URL, timeoutMs: number, service: string): Promise<unknown> {
  const target = { kind: 'service', service, port: Number(url.port || 80) } as const;
  const request = {
    method: 'GET',
    target: `${url.pathname}${url.search}`,
    authority: url.host,
    scheme: 'http',
    headers: HeaderFields.of({ accept: 'application/json' }),
    body: NO_BODY,
    upgrade: undefined,
  };
  const answer = await call(parts, target, request, {
    version: 'HTTP/1.1',
    timeoutMs,
    examine: onlyTunnels,
    answerBytes: MAX_BYTES,
  });
  if (answer.status !== 200) throw new Error(`status ${answer.status}`);
  return JSON.parse(answer.body.toString());
}

/** From outside the URL would be fetched as it is written, which is in the clear. */
function onlyTunnels({ candidate: { workload }, policy }: Chosen): void {
  if (workload.tunnelProtocol === 'HBONE') return;
  if (policy?.tls === undefined) throw new NotInMesh(`${workload.uid} has no tunnel`);
  throw new Error(`TLS is asked for, and ${workload.uid} has no tunnel: say https in the URL`);
}

/** Rejects when it takes longer. */
async function within(deadlines: CallParts['deadlines'], ms: number, wanted: Promise<void>): Promise<void> {
  const late = Promise.withResolvers<never>();
  const deadline = new Deadline(deadlines, () =>
    late.reject(new HttpError('timeout', 'nobody has said whether there is such a service')),
  );
  deadline.set(ms);
  try {
    await Promise.race([wanted, late.promise]);
  } finally {
    deadline.close();
  }
}
