/** Reads a CustomResourceDefinition: which resource types it adds, and whether it is established. */
import { type ApiObject, at, listAt, textAt } from '../object.ts';
import { isObject, type Json, type ResourceInfo } from '../pure/index.ts';

const VERBS = ['delete', 'deletecollection', 'get', 'list', 'patch', 'create', 'update', 'watch'] as const;

export function condition(object: Json, type: string): Json | undefined {
  return listAt(object, 'status', 'conditions').find((c) => textAt(c, 'type') === type);
}

export const isEstablished = (crd: ApiObject): boolean => textAt(condition(crd, 'Established'), 'status') === 'True';

export function versionEntry(crd: ApiObject, version: string): Json | undefined {
  return listAt(crd, 'spec', 'versions').find((entry) => textAt(entry, 'name') === version);
}

const strings = (values: readonly Json[]): readonly string[] => values.filter((v) => typeof v === 'string');

/** One row for each served version. */
export function resourcesOf(crd: ApiObject): readonly ResourceInfo[] {
  const names = at(crd, 'spec', 'names');
  const kind = textAt(names, 'kind');
  return listAt(crd, 'spec', 'versions')
    .filter((entry) => at(entry, 'served') === true)
    .map((entry) => {
      const schema = at(entry, 'schema', 'openAPIV3Schema');
      return {
        group: textAt(crd, 'spec', 'group'),
        version: textAt(entry, 'name'),
        kind,
        plural: textAt(names, 'plural'),
        singular: textAt(names, 'singular') || kind.toLowerCase(),
        shortNames: strings(listAt(names, 'shortNames')),
        namespaced: textAt(crd, 'spec', 'scope') === 'Namespaced',
        categories: strings(listAt(names, 'categories')),
        subresources: ['scale', 'status'].filter((sub) => isObject(at(entry, 'subresources', sub))),
        custom: true,
        verbs: VERBS,
        ...(schema === undefined ? {} : { schema }),
      };
    });
}
