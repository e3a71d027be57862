import type { Cause, Json, JsonObject, ResourceInfo } from './types.ts';
import { qualifiedResource } from './types.ts';

/** The part of a Status that names what failed. `kind` is the plural for 404 and 409 and the Kind for 422. */
export type StatusDetails = {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly Cause[];
  /** Seconds; the server sends it as `Retry-After` too. */
  readonly retryAfterSeconds?: number;
};

/** A refusal that goes to the client as a Status object: clients decide by `reason` and `code` (spec section 10). */
export class ApiStatusError extends Error {
  override readonly name = 'ApiStatusError';
  /** The HTTP status. */
  readonly code: number;
  readonly reason: string;
  readonly details: StatusDetails | undefined;
  /** For the client's eyes, besides the refusal. */
  warnings: readonly string[] = [];

  constructor(code: number, reason: string, message: string, details?: StatusDetails, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.reason = reason;
    this.details = details;
  }

  /** The body of the answer. */
  toStatus(): JsonObject {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: this.message,
      reason: this.reason,
      ...(this.details === undefined ? {} : { details: detailsJson(this.details) }),
      code: this.code,
    };
  }
}

function detailsJson(details: StatusDetails): Json {
  const { causes, ...rest } = details;
  return { ...rest, ...(causes === undefined ? {} : { causes: causes.map((cause) => ({ ...cause })) }) };
}

type Named = Pick<ResourceInfo, 'group' | 'plural'>;

const detailsOf = (info: Named, name: string): StatusDetails => ({ name, group: info.group, kind: info.plural });

/** 404: the object does not exist. */
export function notFound(info: Named, name: string): ApiStatusError {
  return new ApiStatusError(404, 'NotFound', `${qualifiedResource(info)} "${name}" not found`, detailsOf(info, name));
}

/** 404 for a path that no resource type answers. */
export function unknownPath(): ApiStatusError {
  return new ApiStatusError(404, 'NotFound', 'the server could not find the requested resource');
}

/** 409: a create of what exists. */
export function alreadyExists(info: Named, name: string): ApiStatusError {
  const message = `${qualifiedResource(info)} "${name}" already exists`;
  return new ApiStatusError(409, 'AlreadyExists', message, detailsOf(info, name));
}

/** 409: the write was made for another version of the object (or another uid), which `why` may say instead. */
export function conflict(info: Named, name: string, why?: string): ApiStatusError {
  const because = why ?? 'the object has been modified; please apply your changes to the latest version and try again';
  const message = `Operation cannot be fulfilled on ${qualifiedResource(info)} "${name}": ${because}`;
  return new ApiStatusError(409, 'Conflict', message, detailsOf(info, name));
}

/** 422: the object was understood and breaks a rule; every broken rule is a cause. */
export function invalid(
  info: Pick<ResourceInfo, 'group' | 'kind'>,
  name: string,
  causes: readonly Cause[],
): ApiStatusError {
  const qualified = info.group === '' ? info.kind : `${info.kind}.${info.group}`;
  const lines = causes.map((cause) => `${cause.field}: ${cause.message}`);
  const text = lines.length === 1 ? lines[0] : `[${lines.join(', ')}]`;
  return new ApiStatusError(422, 'Invalid', `${qualified} "${name}" is invalid: ${text}`, {
    name,
    group: info.group,
    kind: info.kind,
    causes,
  });
}

/** 400: the request makes no sense as it stands. */
export function badRequest(message: string, options?: ErrorOptions): ApiStatusError {
  return new ApiStatusError(400, 'BadRequest', message, undefined, options);
}

/** 401: no valid credentials. */
export function unauthorized(): ApiStatusError {
  return new ApiStatusError(401, 'Unauthorized', 'Unauthorized');
}

/** 403 with a free reason, such as a create in a namespace that is going away. */
export function forbidden(info: Named, name: string, why: string): ApiStatusError {
  const object = name === '' ? '' : ` "${name}"`;
  const message = `${qualifiedResource(info)}${object} is forbidden: ${why}`;
  return new ApiStatusError(403, 'Forbidden', message, detailsOf(info, name));
}

/** 405: the resource exists and does not know the verb. */
export function methodNotAllowed(): ApiStatusError {
  const message = 'the server does not allow this method on the requested resource';
  return new ApiStatusError(405, 'MethodNotAllowed', message);
}

/** 410: the history that was asked for is gone; informers list again. */
export function expired(message: string): ApiStatusError {
  return new ApiStatusError(410, 'Expired', message);
}

/** 415: the body's format is unknown here; clients do not repeat it in another one. */
export function unsupportedMediaType(message: string): ApiStatusError {
  return new ApiStatusError(415, 'UnsupportedMediaType', message);
}

/** 429: come back later. */
export function tooManyRequests(message: string, retryAfterSeconds: number): ApiStatusError {
  return new ApiStatusError(429, 'TooManyRequests', message, { retryAfterSeconds });
}

/** 501: real clusters can do it, this server cannot. */
export function notImplemented(message: string): ApiStatusError {
  return new ApiStatusError(501, 'NotImplemented', message);
}

/** 500: our fault. */
export function internalError(message: string, options?: ErrorOptions): ApiStatusError {
  return new ApiStatusError(500, 'InternalError', `Internal error occurred: ${message}`, undefined, options);
}
