/** What goes wrong in an exchange, as data: for the answer, the log's flags and details, and the decision to retry. */

/**
 * `malformed`: the other side broke the protocol. `too-large`: a limit of ours. `connect-failed`: no connection. `refused`: the
 * upstream says it did not look at the request. `denied`: policy does not let it pass. `reset`: the other side reset the stream. `closed`: the connection ended too
 * early. `cancelled`: our side withdrew it. `timeout`: one of the limits in time; `detail` names it. `unsupported`: we do not speak that.
 */
export type HttpErrorKind =
  | 'malformed'
  | 'too-large'
  | 'connect-failed'
  | 'refused'
  | 'denied'
  | 'reset'
  | 'closed'
  | 'cancelled'
  | 'timeout'
  | 'unsupported';

export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly kind: HttpErrorKind;
  /** Response code detail of the access log, for example `missing_host_header` (waypoint.md section 1.13). */
  readonly detail: string;
  /** Answer that a server gives when it can; 0: none is possible. */
  readonly status: number;
  /** False only if the upstream certainly did nothing with the request. */
  readonly isProcessed: boolean;

  constructor(
    kind: HttpErrorKind,
    message: string,
    o: {
      readonly detail?: string;
      readonly status?: number;
      readonly isProcessed?: boolean;
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, o.cause === undefined ? undefined : { cause: o.cause });
    this.kind = kind;
    this.detail = o.detail ?? kind;
    this.status = o.status ?? 0;
    this.isProcessed = o.isProcessed ?? true;
  }
}
