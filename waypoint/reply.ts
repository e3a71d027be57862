/** Answers that the waypoint gives itself, in the form that the caller's protocol wants (waypoint.md section 1.13). */
import {
  bodyOf,
  HeaderFields,
  type HttpError,
  type HttpRequest,
  type HttpResponse,
  NO_BODY,
} from '../core/http/index.ts';
import type { Exchange } from './exchange.ts';

export type Reply = {
  readonly status: number;
  readonly body?: string;
  readonly flags?: string;
  readonly details: string;
  readonly headers?: Readonly<Record<string, string>>;
};

/** Notes why in the exchange, and makes the response. */
export function reply(x: Exchange, { status, body = '', flags = '', details, headers = {} }: Reply): HttpResponse {
  x.flags = flags;
  x.details = details;
  if (isGrpc(x.request)) return grpcReply(status, body, headers);
  const fields = HeaderFields.of(headers);
  if (body === '') return { status, headers: fields, body: NO_BODY };
  if (!fields.has('content-type')) fields.append('content-type', 'text/plain');
  return { status, headers: fields, body: bodyOf(body) };
}

/** `application/grpc`, and its variants with a suffix; gRPC-Web is not one of them. */
export function isGrpc({ headers }: Pick<HttpRequest, 'headers'>): boolean {
  const type = headers.first('content-type');
  if (type === undefined || !type.startsWith('application/grpc')) return false;
  const after = type['application/grpc'.length];
  return after === undefined || after === '+' || after === ';';
}

/** Everything else is UNKNOWN. */
const GRPC_STATUS: ReadonlyMap<number, number> = new Map([
  [400, 13],
  [401, 16],
  [403, 7],
  [404, 12],
  [429, 14],
  [502, 14],
  [503, 14],
  [504, 14],
]);

function grpcReply(status: number, message: string, headers: Readonly<Record<string, string>>): HttpResponse {
  const fields = HeaderFields.of(headers);
  fields.append('content-type', 'application/grpc');
  fields.append('grpc-status', String(GRPC_STATUS.get(status) ?? 2));
  if (message !== '') fields.append('grpc-message', percentEncoded(message));
  return { status: 200, headers: fields, body: NO_BODY };
}

/** As the gRPC protocol wants it of `grpc-message`: printable ASCII stays as it is, but for the percent sign. */
function percentEncoded(text: string): string {
  return text.toWellFormed().replace(/[^ -$&-~]+/g, encodeURIComponent);
}

/** What the caller is told when the upstream did not answer. */
export function replyOfError(error: HttpError): Reply {
  const { kind, detail, status, message } = error;
  const base = { details: detail };
  switch (kind) {
    case 'connect-failed':
      return replyOfNoConnection(error);
    case 'refused':
      return { ...base, status: 503, flags: 'UR', body: reset('remote refused stream reset'), details: details(error) };
    case 'denied':
      return { ...base, status: 403, body: 'RBAC: access denied' };
    case 'reset':
      return { ...base, status: 503, flags: 'UR', body: reset('remote reset'), details: details(error) };
    case 'closed':
      return { ...base, status: 503, flags: 'UC', body: reset('connection termination'), details: details(error) };
    case 'malformed':
      return { ...base, status: 502, flags: 'UPE', body: reset('protocol error'), details: details(error) };
    case 'timeout':
      return { ...base, status: status || 504, flags: 'UT', body: 'upstream request timeout' };
    case 'too-large':
      return { ...base, status: status || 413, body: message };
    case 'cancelled':
      return { ...base, status: status || 503, flags: 'DC', body: '' };
    case 'unsupported':
      return { ...base, status: status || 501, body: message };
    default:
      return kind satisfies never;
  }
}

/** Nothing was sent anywhere. */
function replyOfNoConnection(error: HttpError): Reply {
  const { detail, message } = error;
  switch (detail) {
    case 'no_healthy_upstream':
      return { status: 503, flags: 'UH', details: detail, body: 'no healthy upstream' };
    case 'cluster_not_found':
      return { status: 503, flags: 'NC', details: detail };
    case 'route_not_found':
      return { status: 404, flags: 'NR', details: detail };
    case 'overflow': {
      const headers = { 'x-envoy-overloaded': 'true' };
      return { status: 503, flags: 'UO', details: detail, body: reset('overflow'), headers };
    }
    case 'unsupported_policy':
      return { status: 503, flags: 'UF', details: detail, body: message };
    default:
      return { status: 503, flags: 'UF', details: details(error), body: reset('connection failure', message) };
  }
}

const details = ({ kind }: HttpError): string => `upstream_reset_before_response_started{${kind}}`;

function reset(reason: string, more = ''): string {
  const why = more === '' ? reason : `${reason}, ${more}`;
  return `upstream connect error or disconnect/reset before headers. reset reason: ${why}`;
}
