/** An error as the CNI specification wants it on standard output. */

/**
 * 1 version, 4 environment, 5 input, 6 decoding, 7 configuration, 11 try again later; 100 and up are ours.
 */
export class CniError extends Error {
  override readonly name = 'CniError';
  readonly code: number;
  readonly details: string;
  constructor(code: number, message: string, details = '', options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.details = details;
  }
}

/** The agent refused the pod, or could not enrol it. */
export const AGENT_REFUSED = 100;
export const TRY_AGAIN = 11;
/** What the CNI library says for everything that has no code. */
const INTERNAL = 999;

export function errorJson(error: unknown, cniVersion: string): string {
  const code = error instanceof CniError ? error.code : INTERNAL;
  const details = error instanceof CniError ? error.details : '';
  const msg = error instanceof Error ? error.message : String(error);
  return JSON.stringify({ cniVersion, code, msg, ...(details === '' ? {} : { details }) });
}
