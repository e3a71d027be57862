/** One world for the scenarios of a suite: made by the first that runs, gone after the last. */
import { after, before, type TestContext, test } from 'node:test';
import { needsRoot } from '../../support/netns.ts';

export type Scenario<W> = (world: W, t: TestContext) => Promise<void>;

/** Of a scenario that starts several ztunnels, on a machine that does much else: what they wait for has its own deadlines. */
const SCENARIO_DEADLINE_MS = 60_000;

/** Defines scenarios, each with a deadline, that run one after the other in a world of their own suite. */
export function inWorld<W extends AsyncDisposable>(
  create: () => Promise<W>,
  /** Brings the world back to how it was, whatever the scenario left. */
  restore: (world: W) => Promise<void> = async () => {},
): (name: string, scenario: Scenario<W>) => void {
  let world: W | undefined;
  if (needsRoot === false) {
    before(async () => {
      world = await create();
    });
    after(async () => {
      await world?.[Symbol.asyncDispose]();
    });
  }
  return (name, scenario) =>
    alone(name, async (t) => {
      if (world === undefined) throw new Error('there is no world to run in');
      try {
        await scenario(world, t);
      } finally {
        await restore(world);
      }
    });
}

/** A scenario that makes what it needs by itself. */
export function alone(name: string, scenario: (t: TestContext) => Promise<void>): void {
  test(name, { skip: needsRoot, timeout: SCENARIO_DEADLINE_MS }, scenario);
}
