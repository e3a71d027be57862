/** One description of a test, for a waypoint in this process and for a lab. */
import assert from 'node:assert/strict';
import type { Answer, Asked, GrpcAnswer } from './echo.ts';

/** Namespace `mesh` as `meshYaml` has it, its clients, and clients of namespace `consumer`. */
export interface Echoes {
  /** A request through the waypoint, on a connection of its own. Redirects are not followed. */
  get(path: string, asked?: Asked): Promise<Answer>;
  /** A unary call of gRPC to service `echo`. */
  grpc(method: string, headers?: Readonly<Record<string, string>>): Promise<GrpcAnswer>;
  /** Resolves once the waypoint has logged a line that matches. */
  logged(pattern: RegExp): Promise<unknown>;
}

export type Scenario = {
  /** The name of the conformance suite's test, or several, and after a colon what it is about. */
  readonly name: string;
  /** Absent: none. */
  readonly routes?: string;
  /** Rejects unless the mesh does what the routes say; may be run again and again. */
  check(mesh: Echoes): Promise<void>;
};

/** Who answers, or with which status. */
export type Row = readonly [path: string, asked: Asked, expected: string | number];

export async function checkAnswers(mesh: Echoes, rows: readonly Row[]): Promise<void> {
  for (const [path, asked, expected] of rows) {
    const answer = await mesh.get(path, asked);
    assert.equal(answer.backend || answer.status, expected, `${path} ${JSON.stringify(asked)}`);
  }
}

const AT_ONCE = 5;

/** How many of `count` requests each version answered, or each status. */
export async function shares(
  count: number,
  ask: () => Promise<Pick<Answer | GrpcAnswer, 'backend' | 'status'>>,
): Promise<Readonly<Record<string, number>>> {
  const found: Record<string, number> = {};
  let left = count;
  const work = async () => {
    while (left-- > 0) {
      const { backend, status } = await ask();
      const who = backend || String(status);
      found[who] = (found[who] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return found;
}

/** That `who` has its share of all and nobody beside them has any: more than four standard deviations are no chance. */
export function assertShare(found: Readonly<Record<string, number>>, who: string, share: number): void {
  const count = Object.values(found).reduce((sum, n) => sum + n, 0);
  const tolerance = 4.2 * Math.sqrt((share * (1 - share)) / count);
  const got = (found[who] ?? 0) / count;
  assert.ok(Math.abs(got - share) < tolerance, `${who} has ${got} of ${JSON.stringify(found)}`);
}
