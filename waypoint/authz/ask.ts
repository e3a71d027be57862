/** What external authorizers are asked, over HTTP and gRPC, and what their answers mean (waypoint.md section 4.4). */
import { bodyOf, HeaderFields, HttpError, NO_BODY } from '../../core/http/index.ts';
import { CHECK_PATH, decodeCheck, encodeCheck } from '../../core/xds/index.ts';
import { type ExternalAuthorizer, type HttpAuthorizer, matchesName, type Pattern } from '../../mesh/index.ts';
import type { Exchange, Target } from '../exchange.ts';
import { type Answer, type CallParts, call } from '../upstream/call.ts';

export type HeaderEdit = { readonly name: string; readonly value: string; readonly appends: boolean };

export type Opinion =
  | {
      readonly kind: 'allowed';
      readonly request: readonly HeaderEdit[];
      readonly remove: readonly string[];
      readonly response: readonly HeaderEdit[];
    }
  | {
      readonly kind: 'denied';
      readonly status: number;
      readonly headers: readonly HeaderEdit[];
      readonly body: string;
    };

const DENIED = 403;

/** `body`: the beginning of the request's, where it is asked for. Rejects where there is no opinion to be had. */
export function askAuthorizer(
  parts: CallParts,
  authorizer: ExternalAuthorizer,
  x: Exchange,
  body: Buffer | undefined,
): Promise<Opinion> {
  const { service, port } = authorizer;
  const target: Target = { kind: 'service', service, port };
  if (authorizer.grpc !== undefined) return askGrpc(parts, authorizer, target, x, body);
  if (authorizer.http !== undefined) return askHttp(parts, authorizer, authorizer.http, target, x, body);
  return Promise.reject(new HttpError('unsupported', `provider ${authorizer.name} speaks neither HTTP nor gRPC`));
}

async function askHttp(
  parts: CallParts,
  { timeoutMs }: ExternalAuthorizer,
  http: HttpAuthorizer,
  target: Target,
  x: Exchange,
  body: Buffer | undefined,
): Promise<Opinion> {
  const { method, target: path, authority, scheme, headers } = x.request;
  const fields = new HeaderFields();
  for (const [name, value] of headers) {
    if (name === 'content-length' || name === 'te') continue;
    if (name === 'authorization' || matchesName(http.requestHeaders, name)) fields.append(name, value);
  }
  for (const { name, value } of http.additionalHeaders) fields.set(name, value);
  fields.set('content-length', String(body?.length ?? 0));
  const request = {
    method,
    target: `${http.pathPrefix}${path}`,
    authority,
    scheme,
    headers: fields,
    body: body === undefined ? NO_BODY : bodyOf(body),
    upgrade: undefined,
  };
  const options = {
    version: 'HTTP/1.1' as const,
    timeoutMs,
    onWithdraw: (to: (e: HttpError) => void) => x.onAbort(to),
  };
  const answer = await call(parts, target, request, options);
  if (answer.status >= 500) throw new HttpError('malformed', `the authorizer answered ${answer.status}`);
  if (answer.status === 200) {
    const request = edits(answer, http.toUpstreamOnAllow);
    return { kind: 'allowed', request, remove: [], response: edits(answer, http.toDownstreamOnAllow) };
  }
  const listed = http.toDownstreamOnDeny;
  const headersOfDenial = listed.length === 0 ? edits(answer, [ALL]) : edits(answer, [...listed, ...ALWAYS]);
  return { kind: 'denied', status: answer.status, headers: headersOfDenial, body: answer.body.toString() };
}

const ALL: Pattern = { kind: 'PRESENT', value: '' };
/** Without these a denial is none that a client can act upon. */
const ALWAYS: readonly Pattern[] = ['www-authenticate', 'location'].map((value) => ({ kind: 'EXACT', value }));

function edits({ headers }: Answer, patterns: readonly Pattern[]): readonly HeaderEdit[] {
  const found: HeaderEdit[] = [];
  const seen = new Set<string>();
  for (const [name, value] of headers) {
    if (!isEditable(name) || !matchesName(patterns, name)) continue;
    found.push({ name, value, appends: seen.has(name) });
    seen.add(name);
  }
  return found;
}

/** These are about the message that they came in, or say what only we may. */
const NOT_PASSED: ReadonlySet<string> = new Set([
  ...['host', 'content-length', 'transfer-encoding', 'connection', 'keep-alive', 'upgrade', 'te', 'trailer'],
  ...['ambit-source', 'x-forwarded-client-cert'],
]);

export function isEditable(name: string): boolean {
  return !name.startsWith(':') && !NOT_PASSED.has(name);
}

async function askGrpc(
  parts: CallParts,
  { timeoutMs, service, body: wants }: ExternalAuthorizer,
  target: Target,
  x: Exchange,
  body: Buffer | undefined,
): Promise<Opinion> {
  const question = framed(
    encodeCheck({ ...questionOf(x), body: body && { bytes: body, asBytes: wants?.asBytes === true } }),
  );
  const request = {
    method: 'POST',
    target: CHECK_PATH,
    authority: service.slice(service.indexOf('/') + 1),
    scheme: 'http',
    headers: HeaderFields.of({
      'content-type': 'application/grpc',
      te: 'trailers',
      'grpc-timeout': `${Math.min(timeoutMs, 99_999_999)}m`,
    }),
    body: bodyOf(question),
    upgrade: undefined,
  };
  const options = { version: 'HTTP/2' as const, timeoutMs, onWithdraw: (to: (e: HttpError) => void) => x.onAbort(to) };
  const answer = await call(parts, target, request, options);
  const status = answer.trailers?.first('grpc-status') ?? answer.headers.first('grpc-status');
  if (answer.status !== 200 || status !== '0') {
    throw new HttpError('malformed', `the authorizer answered ${answer.status}, grpc-status ${status ?? 'missing'}`);
  }
  const said = decodeCheck(unframed(answer.body));
  const editable = ({ name }: HeaderEdit) => isEditable(name);
  if (said.kind === 'denied') {
    return { ...said, status: said.status || DENIED, headers: said.headers.filter(editable) };
  }
  return {
    kind: 'allowed',
    request: said.headers.filter(editable),
    remove: said.remove.filter(isEditable),
    response: said.responseHeaders.filter(editable),
  };
}

function questionOf({ request, source, called }: Exchange) {
  const { method, target: path, authority: host, scheme, version: protocol } = request;
  const headers: Record<string, string> = { ':method': method, ':path': path, ':authority': host, ':scheme': scheme };
  for (const [name] of request.headers) headers[name] ??= request.headers.get(name) ?? '';
  return {
    source: { ip: source.ip as string, port: source.port, principal: source.identity as string },
    destination: { ip: called.ip ?? '', port: called.port, principal: '' },
    id: request.headers.first('x-request-id') ?? '',
    ...{ method, path, host, scheme, protocol, headers },
  };
}

/** A message of gRPC: not compressed, its length, itself. */
function framed(message: Uint8Array): Buffer {
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}

function unframed(body: Buffer): Buffer {
  const length = body.length >= 5 && body[0] === 0 ? body.readUInt32BE(1) : -1;
  if (length !== body.length - 5) throw new HttpError('malformed', 'the authorizer answered no message of gRPC');
  return body.subarray(5);
}
