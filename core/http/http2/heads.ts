/** Heads of requests and responses, and trailers, out of fields: RFC 9113 sections 8.1 to 8.5, and RFC 8441. Pure. */
import { HeaderFields } from '../header-fields.ts';
import { HttpError } from '../http-error.ts';
import { type HttpField, KIND } from './fields.ts';

export type RequestHead = {
  readonly method: string;
  readonly target: string;
  readonly authority: string;
  readonly scheme: string;
  readonly headers: HeaderFields;
  /** As Content-Length says. */
  readonly length: number | undefined;
  readonly upgrade: string | undefined;
};

export type ResponseHead = {
  readonly status: number;
  readonly headers: HeaderFields;
  readonly length: number | undefined;
};

/** The one protocol that extended CONNECT may ask for. */
const WEBSOCKET = 'websocket';

function malformed(what: string): HttpError {
  return new HttpError('malformed', what, { detail: 'http2.invalid.header.field' });
}

function twice(name: string): HttpError {
  return malformed(`${name} twice`);
}

function describe({ name, value }: HttpField): string {
  return `field ${JSON.stringify(name.slice(0, 64))} with value ${JSON.stringify(value.slice(0, 64))} does not belong here`;
}

/** An error whose `status` is 0 is for a reset (PROTOCOL_ERROR), others are for an answer. */
export function readRequest(fields: readonly HttpField[]): RequestHead | HttpError {
  let method: string | undefined;
  let scheme: string | undefined;
  let path: string | undefined;
  let authority: string | undefined;
  let protocol: string | undefined;
  let host: string | undefined;
  let length: number | undefined;
  let cookieAt = -1;
  const list: string[] = [];
  let isPseudo = true;
  for (const field of fields) {
    const { kind, name, value } = field;
    if (kind >= KIND.METHOD && kind <= KIND.PROTOCOL) {
      if (!isPseudo) return malformed(`${name} after a regular field`);
      if (kind === KIND.METHOD) {
        if (method !== undefined) return twice(name);
        method = value;
      } else if (kind === KIND.PATH) {
        if (path !== undefined) return twice(name);
        path = value;
      } else if (kind === KIND.SCHEME) {
        if (scheme !== undefined) return twice(name);
        scheme = value;
      } else if (kind === KIND.AUTHORITY) {
        if (authority !== undefined) return twice(name);
        authority = value;
      } else {
        if (protocol !== undefined) return twice(name);
        protocol = value;
      }
      continue;
    }
    isPseudo = false;
    switch (kind) {
      case KIND.REGULAR:
      case KIND.NO_TRAILER:
        list.push(name, value);
        break;
      case KIND.COOKIE:
        // Section 8.2.3: crumbs are joined for whoever does not speak HTTP/2.
        if (cookieAt >= 0) list[cookieAt] = `${list[cookieAt]}; ${value}`;
        else cookieAt = list.push(name, value) - 1;
        break;
      case KIND.HOST:
        if (host !== undefined) return twice(name);
        host = value;
        break;
      case KIND.CONTENT_LENGTH:
        if (length !== undefined) return twice(name);
        length = field.number;
        list.push(name, value);
        break;
      default:
        return malformed(describe(field));
    }
  }
  if (method === undefined) return malformed('no :method');
  if (method === 'CONNECT' && protocol === undefined) {
    if (scheme !== undefined || path !== undefined || !authority) return malformed('CONNECT with :scheme or :path');
    return new HttpError('unsupported', 'CONNECT is for tunnels, not for requests', {
      detail: 'connect_not_allowed',
      status: 403,
    });
  }
  if (scheme === undefined || path === undefined) return malformed('no :scheme or no :path');
  if (path === '*' && method !== 'OPTIONS') return malformed(':path * is for OPTIONS alone');
  // Section 8.3.1: whoever reads the one and whoever reads the other must mean the same.
  if (
    authority !== undefined &&
    host !== undefined &&
    authority !== host &&
    authority.toLowerCase() !== host.toLowerCase()
  ) {
    return malformed('host is not :authority');
  }
  const named = authority || host;
  if (!named) return new HttpError('malformed', 'no :authority', { detail: 'missing_host_header', status: 400 });
  const rest = { target: path, authority: named, scheme, headers: new HeaderFields(list), length };
  if (protocol === undefined) return { method, ...rest, upgrade: undefined };
  if (method !== 'CONNECT') return malformed(':protocol without CONNECT');
  if (protocol.toLowerCase() !== WEBSOCKET) {
    return new HttpError('unsupported', `CONNECT for ${protocol.slice(0, 64)}`, {
      detail: 'upgrade_failed',
      status: 403,
    });
  }
  return { method: 'GET', ...rest, upgrade: WEBSOCKET };
}

/** Also of an interim response. The error is for a reset. */
export function readResponse(fields: readonly HttpField[]): ResponseHead | HttpError {
  let status = 0;
  let length: number | undefined;
  const list: string[] = [];
  for (const field of fields) {
    const { kind, name, value } = field;
    if (kind === KIND.STATUS) {
      if (status !== 0 || list.length > 0) return malformed(':status twice, or after a regular field');
      status = field.number;
    } else if (kind === KIND.CONTENT_LENGTH) {
      if (length !== undefined) return twice(name);
      length = field.number;
      list.push(name, value);
    } else if (kind === KIND.REGULAR || kind === KIND.NO_TRAILER || kind === KIND.COOKIE) {
      list.push(name, value);
    } else if (kind !== KIND.HOST) {
      return malformed(describe(field));
    }
  }
  if (status === 0) return malformed('no :status');
  return { status, headers: new HeaderFields(list), length };
}

/** Undefined: there were none that may be among trailers. */
export function readTrailers(fields: readonly HttpField[]): HeaderFields | undefined | HttpError {
  const list: string[] = [];
  for (const field of fields) {
    if (field.kind === KIND.REGULAR) list.push(field.name, field.value);
    else if (field.kind < KIND.HOST) return malformed(describe(field));
  }
  return list.length > 0 ? new HeaderFields(list) : undefined;
}
