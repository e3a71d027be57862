/** Rules for names, labels and annotations that hold for every kind (spec section 11). */
import { type ApiObject, mapAt } from '../object.ts';
import type { Cause, ResourceInfo } from '../pure/index.ts';
import { forbiddenValue, invalidValue, required } from './strategy.ts';

const DNS_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const DNS_SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const QUALIFIED_NAME = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const MAX_ANNOTATION_BYTES = 256 * 1024;

/** Kinds whose names are DNS labels, since they become parts of host names. */
const LABEL_NAMED = new Set(['/services', '/namespaces']);
const isRbac = (info: ResourceInfo): boolean => info.group === 'rbac.authorization.k8s.io';

/** Why a name can't be used, or undefined. */
function nameProblem(info: ResourceInfo, name: string): string | undefined {
  if (isRbac(info)) {
    // Roles are named like `system:node`: anything that is one step of a path.
    return name === '.' || name === '..' || /[/%]/.test(name) ? 'must be usable as one segment of a path' : undefined;
  }
  if (LABEL_NAMED.has(`${info.group}/${info.plural}`)) {
    if (DNS_LABEL.test(name) && name.length <= 63) return undefined;
    return 'a lowercase RFC 1123 label must consist of lower case letters, digits or "-", start and end with a letter or digit, and have at most 63 characters';
  }
  if (DNS_SUBDOMAIN.test(name) && name.length <= 253) return undefined;
  return 'a lowercase RFC 1123 subdomain must consist of lower case letters, digits, "-" or ".", start and end with a letter or digit, and have at most 253 characters';
}

function keyProblem(key: string): string | undefined {
  const slash = key.indexOf('/');
  const prefix = slash < 0 ? undefined : key.slice(0, slash);
  const name = key.slice(slash + 1);
  if (prefix !== undefined && (!DNS_SUBDOMAIN.test(prefix) || prefix.length > 253))
    return 'prefix must be a DNS subdomain';
  if (!QUALIFIED_NAME.test(name) || name.length > 63) {
    return 'name part must consist of letters, digits, "-", "_" or ".", start and end with a letter or digit, and have at most 63 characters';
  }
  return undefined;
}

function stringMapProblems(field: string, map: Readonly<Record<string, unknown>>, labels: boolean): readonly Cause[] {
  const causes: Cause[] = [];
  for (const [key, value] of Object.entries(map)) {
    const problem = keyProblem(labels ? key : key.toLowerCase());
    if (problem !== undefined) causes.push(invalidValue(field, key, problem));
    if (typeof value !== 'string') causes.push(invalidValue(`${field}.${key}`, value, 'must be a string'));
    else if (labels && value !== '' && (!QUALIFIED_NAME.test(value) || value.length > 63)) {
      causes.push(
        invalidValue(
          field,
          value,
          'a label value must be empty or consist of letters, digits, "-", "_" or ".", start and end with a letter or digit, and have at most 63 characters',
        ),
      );
    }
  }
  return causes;
}

export function metadataProblems(info: ResourceInfo, object: ApiObject, old: ApiObject | undefined): readonly Cause[] {
  const { metadata } = object;
  const causes: Cause[] = [];
  if (metadata.name === '') causes.push(required('metadata.name', 'Required value: name or generateName is required'));
  else if (old === undefined) {
    const problem = nameProblem(info, metadata.name);
    if (problem !== undefined) causes.push(invalidValue('metadata.name', metadata.name, problem));
  }
  causes.push(...stringMapProblems('metadata.labels', mapAt(metadata, 'labels'), true));
  const annotations = mapAt(metadata, 'annotations');
  causes.push(...stringMapProblems('metadata.annotations', annotations, false));
  const size = Object.entries(annotations).reduce((sum, [k, v]) => sum + Buffer.byteLength(`${k}${v}`), 0);
  if (size > MAX_ANNOTATION_BYTES) {
    const message = `Too long: may not be more than ${MAX_ANNOTATION_BYTES} bytes`;
    causes.push({ reason: 'FieldValueTooLong', field: 'metadata.annotations', message });
  }
  if (old?.metadata.deletionTimestamp !== undefined) {
    const added = (metadata.finalizers ?? []).filter((f) => !(old.metadata.finalizers ?? []).includes(f));
    if (added.length > 0) {
      causes.push(
        forbiddenValue(
          'metadata.finalizers',
          `no new finalizers can be added if the object is being deleted, found new finalizers ${JSON.stringify(added)}`,
        ),
      );
    }
  }
  return causes;
}
