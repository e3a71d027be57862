/** Errors of system calls, with the code that Node's own errors carry, so that callers need one kind of `switch`. */
import { getSystemErrorMessage, getSystemErrorName } from 'node:util';

/** A system call failed. `code` is the errno's name (`ECONNREFUSED`), `syscall` the call, the message what it was for. */
export class KernelError extends Error {
  override readonly name = 'KernelError';
  readonly code: string;
  readonly syscall: string;
  constructor(code: string, syscall: string, message: string, options?: ErrorOptions) {
    super(`${syscall} ${code}: ${message}`, options);
    this.code = code;
    this.syscall = syscall;
  }
}

/**
 * Passes a result of `sys` on, and turns a negative one (minus the errno) into an error.
 * @throws KernelError
 */
export function must(result: number, syscall: string, purpose: string): number {
  if (result >= 0) return result;
  throw new KernelError(getSystemErrorName(result), syscall, `${purpose}: ${getSystemErrorMessage(result)}`);
}
