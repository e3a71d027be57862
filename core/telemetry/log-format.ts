/** How a log line looks, in the two formats that log collectors of the reference already read. */
import type { LogLevel } from './log-filter.ts';

/** A value that the plain format prints without quotes: addresses, identifiers, durations of machines. */
class Bare {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export const bare = (text: string): Bare => new Bare(text);

export type FieldValue = string | number | bigint | boolean | Bare | Error | null | undefined;
/** In the order in which they are printed; absent values are left out. */
export type Fields = Readonly<Record<string, FieldValue>>;

export type Span = { readonly name: string; readonly fields: Fields };

export type LogRecord = {
  readonly level: LogLevel;
  readonly timeMs: number;
  /** The full target, for example `ztunnel::xds`. */
  readonly target: string;
  readonly message: string;
  readonly fields: Fields;
  /** From the outermost to the innermost. */
  readonly spans: readonly Span[];
};

export type LogFormat = 'plain' | 'json';

/** One line without its newline. */
export function formatRecord(format: LogFormat, record: LogRecord, root: string): string {
  return format === 'json' ? formatJson(record) : formatPlain(record, root);
}

/** RFC 3339, UTC, six digits: the clock has milliseconds, the format microseconds. */
function formatTime(timeMs: number): string {
  const iso = new Date(timeMs).toISOString();
  const micros = Math.floor((timeMs - Math.floor(timeMs)) * 1_000);
  return `${iso.slice(0, -1)}${String(micros).padStart(3, '0')}Z`;
}

/** An error with everything that caused it, outermost first. */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  for (let e = error, hops = 0; e !== undefined && e !== null && hops < 8; hops += 1) {
    const text = e instanceof Error ? e.message || e.name : String(e);
    if (parts.at(-1) !== text) parts.push(text);
    e = e instanceof Error ? e.cause : undefined;
  }
  return parts.join(': ');
}

/** C0, DEL, C1 and the Unicode line separators: what ends a line, or makes a terminal do something. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

/** Nearly all that is logged: printable ASCII without what JSON escapes. */
const PLAIN = /^[ !#-[\]-~]*$/;

function withoutControls(text: string): string {
  if (PLAIN.test(text)) return text;
  return text.replace(CONTROLS, (c) => (c === '\n' ? '\\n' : `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`));
}

function plainValue(value: Exclude<FieldValue, null | undefined>): string {
  if (typeof value === 'string') return PLAIN.test(value) ? `"${value}"` : withoutControls(JSON.stringify(value));
  if (value instanceof Bare) return withoutControls(value.text);
  if (value instanceof Error) return withoutControls(JSON.stringify(describeError(value)));
  return String(value);
}

/** Names of fields that are plain: ours, and the same in every line. */
const MAX_NAMES = 256;
const names = new Set<string>();

function nameOf(key: string): string {
  if (names.has(key)) return key;
  if (!PLAIN.test(key)) return withoutControls(key);
  if (names.size < MAX_NAMES) names.add(key);
  return key;
}

function plainFields(fields: Fields): string {
  let out = '';
  for (const key of Object.keys(fields)) {
    const value = fields[key];
    if (value === undefined || value === null) continue;
    out += `${out === '' ? '' : ' '}${nameOf(key)}=${plainValue(value)}`;
  }
  return out;
}

function formatPlain(record: LogRecord, root: string): string {
  const prefix = `${root}::`;
  let scope = record.target.startsWith(prefix) ? record.target.slice(prefix.length) : record.target;
  for (const span of record.spans) scope += `:${span.name}{${plainFields(span.fields)}}`;
  const fields = plainFields(record.fields);
  // A message is ours, yet it may carry an error's text: a line must stay one line.
  const message = withoutControls(record.message);
  const line = `${formatTime(record.timeMs)}\t${record.level}\t${scope}\t${message}`;
  return fields === '' ? line : `${line}\t${fields}`;
}

function jsonValue(value: Exclude<FieldValue, null | undefined>): string | number | boolean {
  if (value instanceof Bare) return value.text;
  if (value instanceof Error) return describeError(value);
  return typeof value === 'bigint' ? value.toString() : value;
}

function jsonFields(into: Record<string, unknown>, fields: Fields): Record<string, unknown> {
  for (const [key, value] of Object.entries(fields)) {
    if (value !== undefined && value !== null) into[key] = jsonValue(value);
  }
  return into;
}

function formatJson(record: LogRecord): string {
  const line: Record<string, unknown> = {
    level: record.level,
    time: formatTime(record.timeMs),
    scope: record.target,
    message: record.message,
  };
  jsonFields(line, record.fields);
  for (const span of record.spans) line[span.name] = jsonFields({}, span.fields);
  return JSON.stringify(line);
}
