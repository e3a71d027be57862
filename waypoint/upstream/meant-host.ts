/**
 * The one host that is meant of all below a wildcard (ServiceEntries of resolution DYNAMIC_DNS; waypoint.md section 1.3): what the
 * request, or the ClientHello, asks for. Nobody is led out of the wildcard, nor to what only the node or the waypoint may call.
 */
import { HttpError } from '../../core/http/index.ts';
import type { Candidate, IpAddress, Resolution } from '../../mesh/index.ts';
import type { Asking } from './hash-key.ts';

/** RFC 1123 labels, with the underscore that people use all the same. */
const NAME = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)+$/;

/** A stand-in for many becomes the one that is meant; any other stays as it is. @throws HttpError `connect-failed`, `route_not_found`. */
export function meantBy(candidate: Candidate, asking: Asking): Candidate {
  const { workload, targetPort } = candidate;
  const wildcard = workload.hostname;
  if (!wildcard.startsWith('*.')) return candidate;
  const host = hostOf(asking);
  if (host === undefined) throw notFound(`only requests and TLS say which host below ${wildcard} is meant`);
  if (!host.endsWith(wildcard.slice(1)) || !NAME.test(host))
    throw notFound(`${host.slice(0, 100)} is not below ${wildcard}`);
  return { workload: { ...workload, uid: `${workload.uid}/${host}`, hostname: host }, targetPort };
}

/** Without port; in lower case. */
function hostOf({ request, serverName }: Asking): string | undefined {
  return (request?.authority?.replace(/:\d*$/, '') ?? serverName)?.toLowerCase();
}

function notFound(message: string): HttpError {
  return new HttpError('connect-failed', message, { detail: 'route_not_found', isProcessed: false });
}

/** Leaves out what may not be called; `refusal` says why not, in a word. */
export function onlyAllowed(resolution: Resolution, refusal: (ip: IpAddress) => string | undefined): Resolution {
  if ('error' in resolution) return resolution;
  const addresses = resolution.addresses.filter((ip) => refusal(ip) === undefined);
  const [first] = resolution.addresses;
  if (addresses.length > 0 || first === undefined) return { addresses };
  return { error: `${first} is ${refusal(first)}` };
}
