/** Label and field selectors, as text in queries and as objects in specs (spec section 5). */
import { badRequest } from './status-error.ts';
import { isObject, type Json } from './types.ts';

export type Labels = Readonly<Record<string, string>>;

/** `LabelSelector` of meta/v1. */
export type LabelSelector = {
  readonly matchLabels?: Labels;
  readonly matchExpressions?: readonly LabelExpression[];
};

export type LabelExpression = {
  readonly key: string;
  /** `In`, `NotIn`, `Exists` or `DoesNotExist`. */
  readonly operator: string;
  readonly values?: readonly string[];
};

type Predicate<T> = (subject: T) => boolean;

const QUALIFIED_NAME = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/;
const MAX_LABEL_VALUE = 63;
const SET_REQUIREMENT = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/;
const EQUALITY_REQUIREMENT = /^([^=!\s]+)\s*(==|=|!=)\s*(\S*)$/;
const EXISTS_REQUIREMENT = /^(!?)\s*([^=!\s]+)$/;

/**
 * Compiles `a=b,c!=d,e in (x,y),f notin (z),g,!h`; the empty text matches everything. `!=` and `notin` also match
 * objects without the label. Throws 400 for what is no selector.
 */
export function parseLabelSelector(text: string): Predicate<Labels> {
  const requirements = splitRequirements(text).map((part) => labelPredicate(parseRequirement(part, text)));
  return (labels) => requirements.every((matches) => matches(labels));
}

/** True when all of the selector holds; an empty selector matches everything. Throws 400 for an unknown operator. */
export function matchLabelSelector(selector: LabelSelector, labels: Labels): boolean {
  const wanted = Object.entries(selector.matchLabels ?? {});
  if (!wanted.every(([key, value]) => labelOf(labels, key) === value)) return false;
  return (selector.matchExpressions ?? []).every((expression) => labelPredicate(expression)(labels));
}

/** Commas inside parentheses belong to a list of values. */
function splitRequirements(text: string): string[] {
  if (text.trim() === '') return [];
  return text.split(/,(?![^(]*\))/).map((part) => part.trim());
}

function parseRequirement(part: string, whole: string): LabelExpression {
  const requirement = readRequirement(part);
  if (requirement === undefined || !QUALIFIED_NAME.test(requirement.key)) {
    throw badRequest(`unable to parse requirement: "${part}" in the label selector "${whole}"`);
  }
  for (const value of requirement.values ?? []) {
    if (value.length > MAX_LABEL_VALUE || !LABEL_VALUE.test(value)) {
      throw badRequest(`unable to parse requirement: "${value}" in the label selector "${whole}" is no label value`);
    }
  }
  return requirement;
}

function readRequirement(part: string): LabelExpression | undefined {
  const set = SET_REQUIREMENT.exec(part);
  if (set) {
    const [, key = '', word, list = ''] = set;
    return { key, operator: word === 'in' ? 'In' : 'NotIn', values: list.split(',').map((value) => value.trim()) };
  }
  const equality = EQUALITY_REQUIREMENT.exec(part);
  if (equality) {
    const [, key = '', sign, value = ''] = equality;
    return { key, operator: sign === '!=' ? 'NotIn' : 'In', values: [value] };
  }
  const exists = EXISTS_REQUIREMENT.exec(part);
  return exists ? { key: exists[2] ?? '', operator: exists[1] === '!' ? 'DoesNotExist' : 'Exists' } : undefined;
}

function labelPredicate({ key, operator, values = [] }: LabelExpression): Predicate<Labels> {
  switch (operator) {
    case 'In':
      return (labels) => values.includes(labelOf(labels, key) ?? ABSENT);
    case 'NotIn':
      return (labels) => !values.includes(labelOf(labels, key) ?? ABSENT);
    case 'Exists':
      return (labels) => labelOf(labels, key) !== undefined;
    case 'DoesNotExist':
      return (labels) => labelOf(labels, key) === undefined;
    default:
      throw badRequest(`"${operator}" is not a valid label selector operator`);
  }
}

/** No label value has this form, so no list of values holds it. */
const ABSENT = '\0';

const labelOf = (labels: Labels, key: string) => (Object.hasOwn(labels, key) ? labels[key] : undefined);

const FIELD_REQUIREMENT = /^([^=!]+?)(==|=|!=)(.*)$/;

/**
 * Compiles `metadata.name=x,status.phase!=Failed`. A field that the object lacks reads as empty. Throws 400 for a field
 * that is not among `supported` (dotted paths).
 */
export function parseFieldSelector(text: string, supported: readonly string[]): Predicate<Json> {
  const requirements = text
    .split(/(?<!\\),/)
    .filter((part) => part !== '')
    .map((part): Predicate<Json> => {
      const [, field, sign, raw = ''] = FIELD_REQUIREMENT.exec(part.trim()) ?? [];
      if (field === undefined) throw badRequest(`invalid field selector: "${part}"`);
      if (!supported.includes(field)) throw badRequest(`field label not supported: ${field}`);
      const value = raw.replace(/\\([\\,=])/g, '$1');
      const path = field.split('.');
      return sign === '!='
        ? (object) => fieldText(object, path) !== value
        : (object) => fieldText(object, path) === value;
    });
  return (object) => requirements.every((matches) => matches(object));
}

function fieldText(object: Json, path: readonly string[]): string {
  let value: Json | undefined = object;
  for (const step of path) value = isObject(value) && Object.hasOwn(value, step) ? value[step] : undefined;
  return value === undefined || value === null ? '' : String(value);
}
