/** What a peer did wrong, as the error that the exchange ends with. */
import { HttpError } from '../http-error.ts';

/** The other side's message is not HTTP as we read it. `detail` for the log; the status is a server's answer. */
export const malformed = (detail: string, message: string, status = 400): HttpError =>
  new HttpError('malformed', message, { detail: `http1.${detail}`, status });

export const headTooLarge = (what: string): HttpError =>
  new HttpError('too-large', `a head with more than ${what}`, { detail: 'request_headers_too_large', status: 431 });
