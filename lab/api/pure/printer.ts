/** Cells of Table answers (spec sections 5 and 14). */
import { compileJsonPath } from './json-path.ts';
import { isObject, type Json } from './types.ts';

/** A column as a CustomResourceDefinition names it: `additionalPrinterColumns`. */
export type PrinterColumn = {
  readonly name: string;
  /** `string`, `integer`, `number`, `boolean` or `date`; a date is printed as an age. */
  readonly type: string;
  readonly format?: string;
  readonly description?: string;
  /** Above 0: only with `-o wide`. */
  readonly priority?: number;
  readonly jsonPath: string;
};

/** One cell per column. Absent values are null (kubectl prints `<none>`), dates are ages, other types are as they are. */
export function printerCells(columns: readonly PrinterColumn[], object: Json, now: Date): Json[] {
  return columns.map((column) => cell(column, object, now));
}

function cell(column: PrinterColumn, object: Json, now: Date): Json {
  let values: Json[];
  try {
    values = compileJsonPath(column.jsonPath)(object);
  } catch {
    return null; // A path that is not understood must not hide the object; the definition was refused or warned about.
  }
  const [first] = values;
  if (first === undefined) return null;
  switch (column.type) {
    case 'date':
      return typeof first === 'string' ? humanAge(first, now) : '<unknown>';
    case 'integer':
      return typeof first === 'number' ? Math.trunc(first) : null;
    case 'number':
      return typeof first === 'number' ? first : null;
    case 'boolean':
      return typeof first === 'boolean' ? first : null;
    default:
      return values.map(printed).join(',');
  }
}

const printed = (value: Json): string =>
  isObject(value) || Array.isArray(value) ? JSON.stringify(value) : String(value ?? '');

const SECOND = 1;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

/** From which age on which two units are shown; the second one only while it says something. */
const AGE_FORMS: readonly { readonly below: number; readonly unit: number; readonly minor?: number }[] = [
  { below: 2 * MINUTE, unit: SECOND },
  { below: 10 * MINUTE, unit: MINUTE, minor: SECOND },
  { below: 3 * HOUR, unit: MINUTE },
  { below: 8 * HOUR, unit: HOUR, minor: MINUTE },
  { below: 2 * DAY, unit: HOUR },
  { below: 8 * DAY, unit: DAY, minor: HOUR },
  { below: 2 * YEAR, unit: DAY },
  { below: 8 * YEAR, unit: YEAR, minor: DAY },
  { below: Number.POSITIVE_INFINITY, unit: YEAR },
];
const UNIT_LETTER: Readonly<Record<number, string>> = {
  [SECOND]: 's',
  [MINUTE]: 'm',
  [HOUR]: 'h',
  [DAY]: 'd',
  [YEAR]: 'y',
};

/** The age as kubectl shows it: `5s`, `2m30s`, `47h`, `3d4h`; `<unknown>` for what is no time. */
export function humanAge(from: string, now: Date): string {
  const seconds = Math.floor((now.getTime() - Date.parse(from)) / 1000);
  if (Number.isNaN(seconds)) return '<unknown>';
  if (seconds < -1) return '<invalid>';
  if (seconds <= 0) return '0s';
  const form = AGE_FORMS.find(({ below }) => seconds < below);
  if (form === undefined) return '<unknown>';
  const major = `${Math.floor(seconds / form.unit)}${UNIT_LETTER[form.unit]}`;
  const minor = form.minor === undefined ? 0 : Math.floor((seconds % form.unit) / form.minor);
  return minor === 0 || form.minor === undefined ? major : `${major}${minor}${UNIT_LETTER[form.minor]}`;
}
