/** What a CEL expression can evaluate to: JSON, times, and what a library adds. */
import { CelError } from './ast.ts';
import { type Meter, PRICE, readingOf } from './meter.ts';

export type CelValue = null | boolean | number | string | readonly CelValue[] | CelMap | Special;
export type CelMap = { readonly [key: string]: CelValue };

/** Values that are not JSON; classes, so that a map is never mistaken for one. */
export type Special = Duration | Timestamp | Foreign;

export class Duration {
  readonly seconds: number;
  /** @throws CelError beyond some ten thousand years. */
  constructor(seconds: number) {
    if (!isDuration(seconds)) throw new CelError('a duration of more than ten thousand years');
    this.seconds = seconds;
  }
}
export class Timestamp {
  /** Since 1970. */
  readonly ms: number;
  /** @throws CelError outside of the years 1 to 9999. */
  constructor(ms: number) {
    if (!isTimestamp(ms)) throw new CelError('a time before the year 1 or after 9999');
    this.ms = ms;
  }
}

/** As google.protobuf.Duration and google.protobuf.Timestamp have it, whose ranges CEL takes over (langdef.md, overflow). */
const MAX_DURATION_SECONDS = 315_576_000_000;
const FIRST_MS = Date.parse('0001-01-01T00:00:00.000Z');
const LAST_MS = Date.parse('9999-12-31T23:59:59.999Z');
/** Not of NaN either. */
const isDuration = (seconds: number) => Math.abs(seconds) <= MAX_DURATION_SECONDS;
const isTimestamp = (ms: number) => ms >= FIRST_MS && ms <= LAST_MS;

/** A value that only the functions of the library which made it look into. */
export abstract class Foreign {
  abstract equals(other: Foreign): boolean;
}

const isSpecial = (value: CelValue): value is Special =>
  value instanceof Duration || value instanceof Timestamp || value instanceof Foreign;
export const isList = (value: CelValue): value is readonly CelValue[] => Array.isArray(value);
export const isMap = (value: CelValue): value is CelMap =>
  typeof value === 'object' && value !== null && !isList(value) && !isSpecial(value);

/** @throws CelError when there is more to compare than `meter` has left. */
export function sameValue(a: CelValue, b: CelValue, meter: Meter): boolean {
  meter.spend(PRICE.comparison);
  if (typeof a === 'string' && typeof b === 'string') return sameText(a, b, meter);
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  if (a instanceof Duration) return b instanceof Duration && a.seconds === b.seconds;
  if (a instanceof Timestamp) return b instanceof Timestamp && a.ms === b.ms;
  if (a instanceof Foreign) return b instanceof Foreign && a.equals(b);
  const isAlike = (x: CelValue | undefined, y: CelValue | undefined) => sameValue(x ?? null, y ?? null, meter);
  if (isList(a)) return isList(b) && a.length === b.length && a.every((item, i) => isAlike(item, b[i]));
  if (!isMap(b)) return false;
  const keys = keysOf(a, meter);
  return (
    keys.length === keysOf(b, meter).length && keys.every((key) => Object.hasOwn(b, key) && isAlike(a[key], b[key]))
  );
}

function sameText(a: string, b: string, meter: Meter): boolean {
  if (a.length !== b.length) return false;
  meter.spend(readingOf(a));
  return a === b;
}

export function keysOf(map: CelMap, meter: Meter): readonly string[] {
  const keys = Object.keys(map);
  meter.spend(keys.length * PRICE.item);
  return keys;
}

/** Below, at or above zero as `a` is before, equal to or after `b`. @throws CelError for what has no order, or is too long. */
export function compareValues(a: CelValue, b: CelValue, meter: Meter): number {
  const [left, right] = [orderable(a), orderable(b)];
  if (typeof left !== typeof right || left === undefined || right === undefined) {
    throw new CelError('no such overload: these values have no order');
  }
  if (typeof left === 'string' && typeof right === 'string') {
    meter.spend(readingOf(left.length < right.length ? left : right));
  }
  return left < right ? -1 : left > right ? 1 : 0;
}

function orderable(value: CelValue): number | string | undefined {
  if (typeof value === 'number' || typeof value === 'string') return value;
  if (typeof value === 'boolean') return Number(value);
  if (value instanceof Duration) return value.seconds;
  return value instanceof Timestamp ? value.ms : undefined;
}

/** As CEL calls its type; for messages. */
export function typeName(value: CelValue | undefined): string {
  if (value === null || value === undefined) return 'null_type';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int' : 'double';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'string') return 'string';
  if (isList(value)) return 'list';
  return isMap(value) ? 'map' : value.constructor.name.toLowerCase();
}

const DURATION = /^[-+]?(?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+$|^0$/;
const UNIT_SECONDS: Readonly<Record<string, number>> = {
  ns: 1e-9,
  us: 1e-6,
  µs: 1e-6,
  ms: 1e-3,
  s: 1,
  m: 60,
  h: 3600,
};

/** Go's notation, `1h30m`; undefined for what is none, or too long for one. */
export function parseDuration(text: string): Duration | undefined {
  if (!DURATION.test(text)) return undefined;
  let seconds = 0;
  for (const [, count, unit = 's'] of text.matchAll(/(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)/g)) {
    seconds += Number(count) * (UNIT_SECONDS[unit] ?? 0);
  }
  if (!isDuration(seconds)) return undefined;
  return new Duration(text.startsWith('-') ? -seconds : seconds);
}

/** With its zone: without one it would be in that of this machine. */
const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[-+]\d\d:\d\d)$/;

/** RFC 3339; undefined for what is none, or out of range. */
export function parseTimestamp(value: string): Timestamp | undefined {
  const ms = RFC_3339.test(value) ? Date.parse(value) : Number.NaN;
  return isTimestamp(ms) ? new Timestamp(ms) : undefined;
}
