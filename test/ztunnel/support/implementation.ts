/** Which ztunnels are tried against each other: ours, and with AMBIT_TEST_ZTUNNEL=PATH one of the reference in its place. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';

export type Implementation = {
  readonly name: 'ours' | 'reference';
  readonly command: string;
  readonly args: readonly string[];
};

/** What carries the traffic: node `a` has the callers, node `b` the servers. */
export type Pair = { readonly a: Implementation; readonly b: Implementation };

export const OURS: Implementation = {
  name: 'ours',
  command: process.execPath,
  args: [
    '--disable-warning=ExperimentalWarning',
    '--disable-sigusr1',
    join(import.meta.dirname, '../../../ztunnel/main.ts'),
  ],
};

const VARIABLE = 'AMBIT_TEST_ZTUNNEL';

/** Undefined when the variable is not set. Throws when it names nothing. */
function reference(): Implementation | undefined {
  const path = process.env[VARIABLE];
  if (path === undefined || path === '') return undefined;
  if (!existsSync(path)) throw new Error(`${VARIABLE}=${path}: there is no such program`);
  return { name: 'reference', command: path, args: [] };
}

const SKIPPED = `${VARIABLE} is not set: NOT tried with a ztunnel of the reference`;

/** The same scenarios for each pair: ours alone, and with a reference at hand that alone and both mixed. */
export function forEachPair(scenarios: (pair: Pair) => void): void {
  const theirs = reference();
  describe('ours on both nodes', () => scenarios({ a: OURS, b: OURS }));
  if (theirs === undefined) {
    skipLoudly();
    return;
  }
  describe('the reference on both nodes', () => scenarios({ a: theirs, b: theirs }));
  describe('ours calling the reference', () => scenarios({ a: OURS, b: theirs }));
  describe('the reference calling ours', () => scenarios({ a: theirs, b: OURS }));
}

/** The same scenarios for ours and, if at hand, the reference. */
export function forEachImplementation(scenarios: (implementation: Implementation) => void): void {
  const theirs = reference();
  describe('ours', () => scenarios(OURS));
  if (theirs === undefined) skipLoudly();
  else describe('the reference', () => scenarios(theirs));
}

function skipLoudly(): void {
  console.log(`\n!!! ${SKIPPED} !!!\n`);
  test('a ztunnel of the reference takes the place of ours', { skip: SKIPPED }, () => {});
}
