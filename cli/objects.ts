import { knownType, type ResourceType } from '../core/kube/index.ts';
import type { KubeObject } from '../mesh/index.ts';
import { CliError } from './errors.ts';

/** The resource of an object of the bundle. Throws CliError for a kind that the CLI does not know. */
export function objectResource(object: KubeObject): ResourceType {
  const known = knownType(object.apiVersion, object.kind);
  if (known === undefined) throw new CliError(`manifest holds a ${object.kind}, which this command does not know`);
  return known;
}
