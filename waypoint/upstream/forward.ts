/** The innermost layer: one attempt, to one endpoint of the exchange's target. */
import type { ClientRequest, HttpResponse, HttpVersion } from '../../core/http/index.ts';
import { HttpError } from '../../core/http/index.ts';
import { serviceKey } from '../../mesh/index.ts';
import type { Exchange, Next } from '../exchange.ts';
import { TrackedBody } from '../tracked-body.ts';
import type { Chosen, Endpoints } from './endpoints.ts';
import type { TryOutcome } from './outliers.ts';
import type { Pool } from './pool.ts';

export type ForwardParts = {
  readonly endpoints: Endpoints;
  readonly pool: Pool;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
};

/** Sends the request and resolves with the head of the answer. Rejects with HttpError; the caller of a retry may try again. */
export function forward(parts: ForwardParts): Next {
  return (x) => attempt(parts, x);
}

async function attempt({ endpoints, pool, now }: ForwardParts, x: Exchange): Promise<HttpResponse> {
  const mine = x.begin();
  const chosen = endpoints.choose(x.target, x);
  const { workload, targetPort: port } = chosen.candidate;
  x.sent.push({ workload, port });
  let isDone = false;
  const done = () => {
    if (isDone) return;
    isDone = true;
    endpoints.done(chosen);
  };
  try {
    const taken = pool.take(chosen, x.source, versionTowards(chosen, x));
    const connection = taken instanceof Promise ? await taken : taken;
    if (x.aborted !== undefined) throw new HttpError('cancelled', 'the caller has gone', { cause: x.aborted });
    if (!x.isCurrent(mine)) throw new HttpError('cancelled', 'the attempt was withdrawn', { isProcessed: false });
    x.sentAt = now();
    const call = connection.send(requestOf(x, chosen), (status, headers) => x.request.inform(status, headers));
    pool.used(connection, chosen);
    x.onAbort((error) => call.cancel(error));
    const response = await call.response;
    endpoints.report(chosen, { kind: 'answered', status: response.status });
    if (x.newCookie !== undefined) response.headers.append('set-cookie', x.newCookie.setCookie);
    response.body = new TrackedBody(response.body, done);
    return response;
  } catch (error) {
    const outcome = outcomeOf(error);
    if (outcome !== undefined) endpoints.report(chosen, outcome);
    done();
    throw error;
  }
}

/** What went wrong is the endpoint's doing, unless it was ours or the caller's. */
function outcomeOf(error: unknown): TryOutcome | undefined {
  if (!(error instanceof HttpError)) return undefined;
  switch (error.kind) {
    case 'connect-failed':
      return error.detail === 'overflow' ? undefined : { kind: 'local' };
    case 'closed':
    case 'reset':
    case 'malformed':
    case 'timeout':
      return { kind: 'broken' };
    default:
      return undefined;
  }
}

function requestOf({ request, body }: Exchange, { policy }: Chosen): ClientRequest {
  const { method, target, authority, headers, upgrade } = request;
  const scheme = policy?.tls === undefined ? request.scheme : 'https';
  return { method, target, authority, scheme, headers, body, upgrade };
}

/** What the service says its endpoints speak; where it says nothing, what the caller speaks. */
function versionTowards({ service }: Chosen, { target, request }: Exchange): HttpVersion {
  const declared = service?.ports.find(({ servicePort }) => servicePort === target.port)?.appProtocol;
  switch (declared) {
    case 'HTTP2':
    case 'GRPC':
      return 'HTTP/2';
    case 'HTTP11':
      return 'HTTP/1.1';
    default:
      return request.version;
  }
}

/** The service that a target means, as it is known now; for labels. */
export function serviceOf(x: Exchange): string | undefined {
  return x.target.kind === 'service' ? x.target.service : x.called.service && serviceKey(x.called.service);
}
