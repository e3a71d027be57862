/** Many calls, one after the other, and what came of them. */

/** Resolves with the answer, rejects when it is none. */
export type Call = () => Promise<string>;

/** Calls as long as there is `more`; prints how many were answered, by whom, and what failed. Resolves with the exit code. */
export async function callMany(call: Call, more: (done: number) => boolean, pauseMs = 0): Promise<0 | 1> {
  const answers = new Map<string, number>();
  const failures = new Map<string, number>();
  for (let done = 0; more(done); done++) {
    try {
      count(answers, serviceOf(await call()));
    } catch (error) {
      count(failures, reasonOf(error));
    }
    if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  const [answered, failed] = [sum(answers), sum(failures)];
  console.log(`${answered} answered, ${failed} failed`);
  for (const [service, times] of answers) console.log(`  ${times} times: ${service}`);
  for (const [reason, times] of failures) console.log(`  ${times} times: ${reason}`);
  return failed === 0 && answered > 0 ? 0 : 1;
}

/** A name with several addresses fails with one error for each, and none of its own. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}

/** The HTTP sample says who it is in JSON, the others in their first word. */
const serviceOf = (answer: string): string => /"service":"([^"]*)"/.exec(answer)?.[1] ?? answer.split(' ', 1)[0] ?? '';

const count = (counts: Map<string, number>, key: string) => counts.set(key, (counts.get(key) ?? 0) + 1);

const sum = (counts: ReadonlyMap<string, number>) => [...counts.values()].reduce((total, n) => total + n, 0);
