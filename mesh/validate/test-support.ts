/** Tables of validation: an object, and what must be found, as lines `field: message`. */
import { DEFAULT_MESH_CONFIG, type KubeObject } from '../kube-object.ts';
import { formatProblem } from './findings.ts';
import { nothingKnown, type Surroundings, surroundingsOf } from './surroundings.ts';
import { validate } from './validate.ts';

/** For each finding, a piece of its line that must be there, in order. */
export type Row = readonly [name: string, object: KubeObject, errors: readonly string[], warnings?: readonly string[]];

export const alone: Surroundings = nothingKnown(DEFAULT_MESH_CONFIG);

/** The mesh consists of these. */
export const among = (...objects: readonly KubeObject[]): Surroundings => surroundingsOf(objects, DEFAULT_MESH_CONFIG);

type Test = (name: string, body: (t: { test: Test }) => void | Promise<void>) => Promise<void>;

/** Tables that are run by `test`, each row a case of its own; the runner is passed in, since nothing here may import it. */
export const tableOf =
  (test: Test, equal: (got: readonly string[], wanted: readonly string[]) => void) =>
  (title: string, rows: readonly Row[], around: Surroundings = alone): void => {
    const compare = (got: readonly string[], wanted: readonly string[]): void => {
      const matches = got.length === wanted.length && wanted.every((piece, i) => got[i]?.includes(piece));
      if (!matches) equal(got, wanted);
    };
    test(title, async (t) => {
      for (const [name, object, errors, warnings = []] of rows) {
        await t.test(name, () => {
          const found = validate(object, around);
          compare(found.errors.map(formatProblem), errors);
          compare(found.warnings.map(formatProblem), warnings);
        });
      }
    });
  };
