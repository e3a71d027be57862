/** CustomResourceDefinitions: checked whole, and established in the very write that stores them (spec section 14). */
import { type ApiObject, at, childOf, defaultTo, listAt, mapAt, sameJson, textAt, timestamp } from '../object.ts';
import { type Cause, isObject, type Json, structuralProblems } from '../pure/index.ts';
import { condition } from '../resources/crd-info.ts';
import { BUILT_IN_KINDS } from '../resources/kinds.ts';
import { CRD_STORAGE } from '../resources/registry.ts';
import { invalidValue, required, type Strategy, unsupportedValue, type WriteContext } from './strategy.ts';

const PRINTER_TYPES = ['boolean', 'date', 'integer', 'number', 'string'];

/** Another type of the same group that already has the plural, the kind or the singular; undefined when there is none. */
function nameClash(crd: ApiObject, { store }: WriteContext): string | undefined {
  const group = textAt(crd, 'spec', 'group');
  const { plural, kind } = mapAt(crd, 'spec', 'names');
  if (BUILT_IN_KINDS.some((info) => info.group === group && (info.plural === plural || info.kind === kind))) {
    return `"${String(kind)}" is a built-in kind of ${group}`;
  }
  const other = store
    .list(CRD_STORAGE)
    .find(
      (o) =>
        o.metadata.name !== crd.metadata.name &&
        textAt(o, 'spec', 'group') === group &&
        textAt(o, 'status', 'acceptedNames', 'kind') === kind,
    );
  return other && `"${String(kind)}" is already in use by ${other.metadata.name}`;
}

function setStatus(crd: ApiObject, old: ApiObject | undefined, context: WriteContext): void {
  const clash = nameClash(crd, context);
  const now = timestamp(context.now());
  const make = (type: string, status: boolean, reason: string, message: string): Json => {
    const before = condition(old ?? null, type);
    const text = status ? 'True' : 'False';
    const since = textAt(before, 'status') === text ? textAt(before, 'lastTransitionTime') : now;
    return { type, status: text, reason, message, lastTransitionTime: since };
  };
  const accepted = clash === undefined;
  const stored = listAt(crd, 'spec', 'versions').filter((v) => at(v, 'storage') === true);
  const versions = new Set([...listAt(old, 'status', 'storedVersions'), ...stored.map((v) => textAt(v, 'name'))]);
  crd['status'] = {
    conditions: [
      make('NamesAccepted', accepted, accepted ? 'NoConflicts' : 'KindConflict', clash ?? 'no conflicts found'),
      make(
        'Established',
        accepted,
        accepted ? 'InitialNamesAccepted' : 'NotAccepted',
        accepted ? 'the initial names have been accepted' : 'not all names are accepted',
      ),
      ...listAt(old, 'status', 'conditions').filter((c) => textAt(c, 'type') === 'Terminating'),
    ],
    acceptedNames: accepted ? structuredClone(mapAt(crd, 'spec', 'names')) : { plural: '', kind: '' },
    storedVersions: [...versions],
  };
}

function versionProblems(crd: ApiObject): readonly Cause[] {
  const versions = listAt(crd, 'spec', 'versions');
  const causes: Cause[] = [];
  if (versions.length === 0) causes.push(required('spec.versions'));
  if (versions.filter((v) => at(v, 'storage') === true).length !== 1) {
    causes.push(
      invalidValue(
        'spec.versions',
        versions.map((v) => textAt(v, 'name')),
        'must have exactly one version marked as storage version',
      ),
    );
  }
  versions.forEach((version, i) => {
    const field = `spec.versions[${i}]`;
    if (!/^[a-z]([-a-z0-9]*[a-z0-9])?$/.test(textAt(version, 'name'))) {
      causes.push(invalidValue(`${field}.name`, at(version, 'name') ?? '', 'must be a lowercase RFC 1035 label'));
    }
    const schema = at(version, 'schema', 'openAPIV3Schema');
    if (schema === undefined)
      causes.push(required(`${field}.schema.openAPIV3Schema`, 'Required value: schemas are required'));
    else {
      causes.push(...structuralProblems(schema).map((c) => ({ ...c, field: `${field}.schema.${c.field}` })));
    }
    listAt(version, 'additionalPrinterColumns').forEach((column, c) => {
      const path = `${field}.additionalPrinterColumns[${c}]`;
      for (const key of ['name', 'type', 'jsonPath'])
        if (textAt(column, key) === '') causes.push(required(`${path}.${key}`));
      const type = textAt(column, 'type');
      if (type !== '' && !PRINTER_TYPES.includes(type))
        causes.push(unsupportedValue(`${path}.type`, type, PRINTER_TYPES));
    });
  });
  return causes;
}

export const crds: Strategy = {
  prepare(crd, old, context) {
    const spec = childOf(crd, 'spec');
    const names = childOf(spec, 'names');
    const kind = textAt(names, 'kind');
    defaultTo(names, 'singular', kind.toLowerCase());
    defaultTo(names, 'listKind', `${kind}List`);
    const conversion = childOf(spec, 'conversion');
    defaultTo(conversion, 'strategy', 'None');
    if (old !== undefined && sameJson(spec, at(old, 'spec'))) return;
    setStatus(crd, old, context);
  },
  validate(crd, old) {
    const spec = at(crd, 'spec');
    const causes: Cause[] = [];
    const group = textAt(spec, 'group');
    const plural = textAt(spec, 'names', 'plural');
    for (const [field, value] of [
      ['spec.group', group],
      ['spec.names.plural', plural],
      ['spec.names.kind', textAt(spec, 'names', 'kind')],
    ] as const) {
      if (value === '') causes.push(required(field));
    }
    if (crd.metadata.name !== `${plural}.${group}`) {
      causes.push(invalidValue('metadata.name', crd.metadata.name, 'must be spec.names.plural+"."+spec.group'));
    }
    const scope = textAt(spec, 'scope');
    if (!['Namespaced', 'Cluster'].includes(scope))
      causes.push(unsupportedValue('spec.scope', scope, ['Cluster', 'Namespaced']));
    if (at(spec, 'conversion', 'strategy') !== 'None') {
      causes.push(unsupportedValue('spec.conversion.strategy', at(spec, 'conversion', 'strategy'), ['None']));
    }
    if (isObject(at(spec, 'preserveUnknownFields')) || at(spec, 'preserveUnknownFields') === true) {
      causes.push(invalidValue('spec.preserveUnknownFields', true, 'must be false'));
    }
    for (const field of ['group', 'scope'] as const) {
      if (old !== undefined && at(old, 'spec', field) !== at(spec, field)) {
        causes.push(invalidValue(`spec.${field}`, at(spec, field) ?? null, 'field is immutable'));
      }
    }
    return [...causes, ...versionProblems(crd)];
  },
};
