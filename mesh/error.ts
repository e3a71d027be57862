/** UPPER_SNAKE and stable: tests, metrics and callers tell errors apart by it, people read the message. */
export type MeshErrorCode = string;

/** An error that people or programs tell apart by its `code`. */
export class MeshError extends Error {
  override readonly name: string = 'MeshError';
  readonly code: MeshErrorCode;

  constructor(code: MeshErrorCode, message: string, options?: ErrorOptions) {
    super(`[${code}] ${message}`, options);
    this.code = code;
  }
}

/** Longer cause chains than this are cyclic or nonsense. */
const MAX_CAUSES = 32;

/** The first error of class `type` on the cause chain of `err`, however many layers wrapped it. */
export function causedBy<E extends Error>(err: unknown, type: new (...args: never[]) => E): E | undefined {
  for (let e = err, hops = 0; e instanceof Error && hops < MAX_CAUSES; e = e.cause, hops++) {
    if (e instanceof type) return e;
  }
  return undefined;
}
