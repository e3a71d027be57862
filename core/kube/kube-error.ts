/** What the API server answered instead of what was asked, in one shape. */

/** The parts of a `Status` object that programs decide by (kubernetes-api conventions). */
export type StatusDetails = {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly retryAfterSeconds?: number;
  readonly causes?: readonly { readonly reason?: string; readonly message?: string; readonly field?: string }[];
};

/** `code` is the HTTP status, or 0 when there was no answer at all (reason `Unreachable` or `Timeout`). */
export class KubeError extends Error {
  override readonly name = 'KubeError';
  readonly code: number;
  /** `NotFound`, `AlreadyExists`, `Conflict`, `Forbidden`, `Invalid`, `Expired`, ... */
  readonly reason: string;
  readonly details: StatusDetails;

  constructor(code: number, reason: string, message: string, details: StatusDetails = {}, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.reason = reason;
    this.details = details;
  }
}

export function isNotFound(error: unknown): boolean {
  return error instanceof KubeError && error.code === 404;
}

/** 409, whether the object exists already or has changed meanwhile. */
export function isConflict(error: unknown): boolean {
  return error instanceof KubeError && error.code === 409;
}

/** The version asked for is older than the server's history: list again. */
export function isGone(error: unknown): boolean {
  return error instanceof KubeError && (error.code === 410 || error.reason === 'Expired' || error.reason === 'Gone');
}

const REASONS: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  409: 'Conflict',
  410: 'Expired',
  415: 'UnsupportedMediaType',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
};

/** An answer's body as an error: a Status, or whatever text a proxy in between sent. */
export function errorFromAnswer(code: number, body: string, what: string): KubeError {
  try {
    return errorFromStatus(JSON.parse(body), what, code);
  } catch {
    const text = body.trim().slice(0, 300); // not JSON: some other server on the way answered
    return new KubeError(code, REASONS[code] ?? 'Unknown', `${what}: HTTP ${code}${text === '' ? '' : `: ${text}`}`);
  }
}

/** A Status object, as watches carry it, too. */
export function errorFromStatus(status: unknown, what: string, httpCode = 0): KubeError {
  const given = (typeof status === 'object' && status !== null ? status : {}) as {
    readonly code?: unknown;
    readonly reason?: unknown;
    readonly message?: unknown;
    readonly details?: StatusDetails;
  };
  const code = typeof given.code === 'number' ? given.code : httpCode;
  const reason = typeof given.reason === 'string' && given.reason !== '' ? given.reason : (REASONS[code] ?? 'Unknown');
  const message = typeof given.message === 'string' && given.message !== '' ? given.message : `HTTP ${code} ${reason}`;
  return new KubeError(code, reason, `${what}: ${message}`, given.details ?? {});
}
