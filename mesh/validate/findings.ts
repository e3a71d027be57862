/** What validation finds: each with the field that it is about, so that a person can go there. */

export type Problem = {
  /** Stable, for tools: `invalid`, `unknown-field`, or what a warning is about. */
  readonly code: ProblemCode;
  /** Path in the object, as in `spec.rules[0].from[1].source.ipBlocks[0]`; '' for the object as a whole. */
  readonly field: string;
  readonly message: string;
};

export type ProblemCode =
  | 'invalid'
  | 'unknown-field'
  | 'denies-everything'
  | 'denies-more'
  | 'gone-around'
  | 'http-only-deny'
  | 'ignored'
  | 'matches-nothing'
  | 'missing-reference'
  | 'never-matches'
  | 'no-waypoint'
  | 'unusual';

/** With an error the object must not be taken; a warning is about what is legal but seldom meant. */
export type Validation = { readonly errors: readonly Problem[]; readonly warnings: readonly Problem[] };

/** More than anybody reads; one object can not make us hold more. */
const MAX_PROBLEMS = 50;

/** Collects what is found. */
export class Findings {
  readonly errors: Problem[] = [];
  readonly warnings: Problem[] = [];

  /** Nothing that is found from now on is kept: no need to look closely. */
  get isFull(): boolean {
    return this.errors.length >= MAX_PROBLEMS || this.warnings.length >= MAX_PROBLEMS;
  }

  error(field: string, message: string, code: ProblemCode = 'invalid'): void {
    if (this.errors.length < MAX_PROBLEMS) this.errors.push({ code, field, message });
  }

  warn(code: ProblemCode, field: string, message: string): void {
    if (this.warnings.length < MAX_PROBLEMS) this.warnings.push({ code, field, message });
  }
}

/** `field: message`, for people. */
export function formatProblem(problem: Problem): string {
  return problem.field === '' ? problem.message : `${problem.field}: ${problem.message}`;
}

/** Longest piece of somebody's value that a message repeats. */
const MAX_QUOTED = 80;

function json(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return 'what is nested this deep'; // RangeError: nobody wrote that by hand
  }
}

/** A value for a message: as JSON, cut when long. */
export function quote(value: unknown): string {
  const written = json(value);
  return written.length > MAX_QUOTED ? `${written.slice(0, MAX_QUOTED)}...` : written;
}
