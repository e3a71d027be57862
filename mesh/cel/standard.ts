/**
 * The functions and methods of CEL itself, and of its extension for strings
 * (https://github.com/google/cel-spec/blob/master/doc/langdef.md#list-of-standard-definitions). `matches` is not among them: who
 * offers it says what runs the pattern.
 */
import { CelError } from './ast.ts';
import { type CelLibrary, integer, list, parsed, text, wrongType } from './library.ts';
import {
  type CelValue,
  Duration,
  isList,
  isMap,
  parseDuration,
  parseTimestamp,
  sameValue,
  Timestamp,
  typeName,
} from './values.ts';

export const STANDARD: CelLibrary = {
  functions: {
    'size/1': ([value]) => size(value),
    'int/1': ([value]) => toInt(value),
    'uint/1': ([value]) => toInt(value),
    'double/1': ([value]) => toDouble(value),
    'string/1': ([value]) => toText(value),
    'bool/1': ([value]) => (typeof value === 'boolean' ? value : value === 'true'),
    'dyn/1': ([value]) => value ?? null,
    'type/1': ([value]) => typeName(value),
    'duration/1': ([value]) => parsed(parseDuration, value, 'duration'),
    'timestamp/1': ([value]) => parsed(parseTimestamp, value, 'timestamp'),
  },
  methods: {
    'size/0': ([on]) => size(on),
    'contains/1': ([on, part]) => text(on).includes(text(part)),
    'startsWith/1': ([on, part]) => text(on).startsWith(text(part)),
    'endsWith/1': ([on, part]) => text(on).endsWith(text(part)),
    'substring/1': ([on, from]) => substring(text(on), from, undefined),
    'substring/2': ([on, from, to]) => substring(text(on), from, to),
    'split/1': ([on, separator]) => text(on).split(text(separator)),
    'split/2': ([on, separator, limit]) => splitInto(text(on), text(separator), integer(limit)),
    'join/0': ([on]) => joined(list(on).map(text), ''),
    'join/1': ([on, separator]) => joined(list(on).map(text), text(separator)),
    'replace/2': ([on, from, to]) => replaced(text(on), text(from), text(to)),
    'lowerAscii/0': ([on]) => text(on).replace(/[A-Z]/g, (letter) => letter.toLowerCase()),
    'upperAscii/0': ([on]) => text(on).replace(/[a-z]/g, (letter) => letter.toUpperCase()),
    'trim/0': ([on]) => text(on).trim(),
    'charAt/1': ([on, at]) => [...text(on)][integer(at)] ?? '',
    'indexOf/1': ([on, part]) => indexOf(on, part),
    'lastIndexOf/1': ([on, part]) => lastIndexOf(on, part),
    'getHours/0': ([on]) => Math.trunc(durationOf(on) / 3600),
    'getMinutes/0': ([on]) => Math.trunc(durationOf(on) / 60),
    'getSeconds/0': ([on]) => Math.trunc(durationOf(on)),
    'getMilliseconds/0': ([on]) => Math.trunc(durationOf(on) * 1000),
  },
};

/** More characters than any expression needs; the values may be somebody's who wants us to run out of memory. */
const MAX_TEXT = 1 << 20;

function joined(pieces: readonly string[], separator: string): string {
  const length = pieces.reduce((sum, piece) => sum + piece.length + separator.length, 0);
  if (length > MAX_TEXT) throw new CelError('it makes a text that is too long');
  return pieces.join(separator);
}

/** As in Go: the empty text is found before each character, and at the end. */
function replaced(whole: string, from: string, to: string): string {
  return joined(from === '' ? ['', ...whole, ''] : whole.split(from), to);
}

const durationOf = (value: CelValue | undefined): number =>
  value instanceof Duration ? value.seconds : wrongType(value);

function size(value: CelValue | undefined): number {
  if (typeof value === 'string') return [...value].length;
  if (value !== undefined && isList(value)) return value.length;
  return value !== undefined && isMap(value) ? Object.keys(value).length : wrongType(value);
}

function toInt(value: CelValue | undefined): number {
  if (typeof value === 'number') return Math.trunc(value);
  if (value instanceof Timestamp) return Math.trunc(value.ms / 1000);
  if (typeof value === 'string' && /^[-+]?\d+$/.test(value)) return Number(value);
  throw new CelError(`type conversion error: ${typeName(value)} to int`);
}

function toDouble(value: CelValue | undefined): number {
  const result =
    typeof value === 'number' ? value : typeof value === 'string' && value !== '' ? Number(value) : Number.NaN;
  if (Number.isNaN(result)) throw new CelError(`type conversion error: ${typeName(value)} to double`);
  return result;
}

function toText(value: CelValue | undefined): string {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (value instanceof Duration) return `${value.seconds}s`;
  return value instanceof Timestamp ? new Date(value.ms).toISOString() : wrongType(value);
}

function substring(value: string, from: CelValue | undefined, to: CelValue | undefined): string {
  const letters = [...value];
  const [start, end] = [integer(from), to === undefined ? letters.length : integer(to)];
  if (start < 0 || end > letters.length || start > end) throw new CelError(`index out of range: ${start}, ${end}`);
  return letters.slice(start, end).join('');
}

function splitInto(value: string, separator: string, limit: number): string[] {
  const parts = value.split(separator);
  if (limit < 0 || parts.length <= limit) return parts;
  return limit === 0 ? [] : [...parts.slice(0, limit - 1), parts.slice(limit - 1).join(separator)];
}

function indexOf(on: CelValue | undefined, part: CelValue | undefined): number {
  if (typeof on === 'string') return on.indexOf(text(part));
  return list(on).findIndex((item) => sameValue(item, part ?? null));
}

function lastIndexOf(on: CelValue | undefined, part: CelValue | undefined): number {
  if (typeof on === 'string') return on.lastIndexOf(text(part));
  return list(on).findLastIndex((item) => sameValue(item, part ?? null));
}
