/** A request that cannot be served, with the status that says so. */
export class HttpProblem extends Error {
  override readonly name = 'HttpProblem';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }

  static from(error: unknown): HttpProblem {
    if (error instanceof HttpProblem) return error;
    return new HttpProblem(500, error instanceof Error ? error.message : String(error));
  }
}
