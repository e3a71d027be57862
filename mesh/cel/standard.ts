/**
 * The functions and methods of CEL itself, and of its extension for strings
 * (https://github.com/google/cel-spec/blob/master/doc/langdef.md#list-of-standard-definitions). `matches` is not among them: who
 * offers it says what runs the pattern.
 */
import { CelError } from './ast.ts';
import { charactersIn, offsetOf } from './characters.ts';
import { type CelLibrary, integer, list, parsed, text, wrongType } from './library.ts';
import { type Meter, PRICE, parsingOf, searchOf } from './meter.ts';
import {
  type CelValue,
  Duration,
  isList,
  isMap,
  keysOf,
  parseDuration,
  parseTimestamp,
  sameValue,
  Timestamp,
  typeName,
} from './values.ts';

export const STANDARD: CelLibrary = {
  functions: {
    'size/1': ([value], meter) => size(value, meter),
    'int/1': ([value]) => toInt(value),
    'uint/1': ([value]) => toInt(value),
    'double/1': ([value]) => toDouble(value),
    'string/1': ([value]) => toText(value),
    'bool/1': ([value]) => (typeof value === 'boolean' ? value : value === 'true'),
    'dyn/1': ([value]) => value ?? null,
    'type/1': ([value]) => typeName(value),
    'duration/1': ([value], meter) => parsed(parseDuration, taken(value, meter), 'duration'),
    'timestamp/1': ([value], meter) => parsed(parseTimestamp, taken(value, meter), 'timestamp'),
  },
  methods: {
    'size/0': ([on], meter) => size(on, meter),
    'contains/1': ([on, part], meter) => sought(on, part, meter).includes(text(part)),
    'startsWith/1': ([on, part]) => text(on).startsWith(text(part)),
    'endsWith/1': ([on, part]) => text(on).endsWith(text(part)),
    'substring/1': ([on, from]) => substring(text(on), from, undefined),
    'substring/2': ([on, from, to]) => substring(text(on), from, to),
    'split/1': ([on, separator], meter) => sought(on, separator, meter).split(text(separator)),
    'split/2': ([on, separator, limit], meter) => splitInto(text(on), text(separator), integer(limit), meter),
    'join/0': ([on], meter) => joined(list(on).map(text), '', meter),
    'join/1': ([on, separator], meter) => joined(list(on).map(text), text(separator), meter),
    'replace/2': ([on, from, to], meter) => replaced(text(on), text(from), text(to), meter),
    'lowerAscii/0': ([on]) => text(on).replace(/[A-Z]/g, (letter) => letter.toLowerCase()),
    'upperAscii/0': ([on]) => text(on).replace(/[a-z]/g, (letter) => letter.toUpperCase()),
    'trim/0': ([on]) => text(on).trim(),
    'charAt/1': ([on, at]) => charAt(text(on), integer(at)),
    'indexOf/1': ([on, part], meter) => indexOf(on, part, meter),
    'lastIndexOf/1': ([on, part], meter) => lastIndexOf(on, part, meter),
    'getHours/0': ([on]) => Math.trunc(durationOf(on) / 3600),
    'getMinutes/0': ([on]) => Math.trunc(durationOf(on) / 60),
    'getSeconds/0': ([on]) => Math.trunc(durationOf(on)),
    'getMilliseconds/0': ([on]) => Math.trunc(durationOf(on) * 1000),
  },
};

/** More characters than any expression needs; the values may be somebody's who wants us to run out of memory. */
const MAX_TEXT = 1 << 20;

function joined(pieces: readonly string[], separator: string, meter: Meter): string {
  meter.spend(pieces.length * PRICE.item);
  const length = pieces.reduce((sum, piece) => sum + piece.length + separator.length, 0);
  if (length > MAX_TEXT) throw new CelError('it makes a text that is too long');
  return pieces.join(separator);
}

/** As in Go: the empty text is found before each character, and at the end. */
function replaced(whole: string, from: string, to: string, meter: Meter): string {
  return joined(from === '' ? ['', ...whole, ''] : sought(whole, from, meter).split(from), to, meter);
}

/** The text in which the part is about to be looked for. */
function sought(whole: CelValue | undefined, part: CelValue | undefined, meter: Meter): string {
  meter.spend(searchOf(text(part), text(whole)));
  return text(whole);
}

/** A text that is about to be taken apart. */
function taken(value: CelValue | undefined, meter: Meter): string {
  meter.spend(parsingOf(text(value)));
  return text(value);
}

const durationOf = (value: CelValue | undefined): number =>
  value instanceof Duration ? value.seconds : wrongType(value);

function size(value: CelValue | undefined, meter: Meter): number {
  if (typeof value === 'string') return charactersIn(value);
  if (value !== undefined && isList(value)) return value.length;
  return value !== undefined && isMap(value) ? keysOf(value, meter).length : wrongType(value);
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
  if (value instanceof Duration) return `${withoutExponent(value.seconds)}s`;
  return value instanceof Timestamp ? new Date(value.ms).toISOString() : wrongType(value);
}

/** A duration ends at nanoseconds. */
const withoutExponent = (seconds: number): string =>
  Math.abs(seconds) < 1e-6 ? seconds.toFixed(9).replace(/\.?0+$/, '') : String(seconds);

function substring(value: string, from: CelValue | undefined, to: CelValue | undefined): string {
  const first = integer(from);
  const last = to === undefined ? charactersIn(value) : integer(to);
  const [start, end] = [offsetOf(value, first), offsetOf(value, last)];
  if (start === undefined || end === undefined || first > last) {
    throw new CelError(`index out of range: ${first}, ${last}`);
  }
  return value.slice(start, end);
}

function charAt(value: string, at: number): string {
  const point = value.codePointAt(offsetOf(value, at) ?? value.length);
  return point === undefined ? '' : String.fromCodePoint(point);
}

function splitInto(value: string, separator: string, limit: number, meter: Meter): string[] {
  const parts = sought(value, separator, meter).split(separator);
  meter.spend(parts.length * PRICE.item);
  if (limit < 0 || parts.length <= limit) return parts;
  return limit === 0 ? [] : [...parts.slice(0, limit - 1), parts.slice(limit - 1).join(separator)];
}

/** Of an offset, in characters; -1 is nowhere. */
const place = (value: string, offset: number): number => (offset < 0 ? -1 : charactersIn(value.slice(0, offset)));

function indexOf(on: CelValue | undefined, part: CelValue | undefined, meter: Meter): number {
  if (typeof on === 'string') return place(on, sought(on, part, meter).indexOf(text(part)));
  return list(on).findIndex((item) => sameValue(item, part ?? null, meter));
}

function lastIndexOf(on: CelValue | undefined, part: CelValue | undefined, meter: Meter): number {
  if (typeof on === 'string') return place(on, sought(on, part, meter).lastIndexOf(text(part)));
  return list(on).findLastIndex((item) => sameValue(item, part ?? null, meter));
}
