/** Formats of access logs, made ready once: text with operators in it, or fields of a JSON object that are such texts. */
import { MeshError } from '../../mesh/index.ts';
import type { Entry } from './entry.ts';
import { type Operator, operatorOf } from './log-operators.ts';

/** A line without its end. */
export type Format = (entry: Entry) => string;

/** Field, operator, and whether the text line has it in quotes (waypoint.md section 5.3). */
const FIELDS: readonly (readonly [name: string, operator: string, isQuoted?: 'quoted'])[] = [
  ['response_code', '%RESPONSE_CODE%'],
  ['response_flags', '%RESPONSE_FLAGS%'],
  ['response_code_details', '%RESPONSE_CODE_DETAILS%'],
  ['connection_termination_details', '%CONNECTION_TERMINATION_DETAILS%'],
  ['upstream_transport_failure_reason', '%UPSTREAM_TRANSPORT_FAILURE_REASON%', 'quoted'],
  ['bytes_received', '%BYTES_RECEIVED%'],
  ['bytes_sent', '%BYTES_SENT%'],
  ['duration', '%DURATION%'],
  ['upstream_service_time', '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%'],
  ['x_forwarded_for', '%REQ(X-FORWARDED-FOR)%', 'quoted'],
  ['user_agent', '%REQ(USER-AGENT)%', 'quoted'],
  ['request_id', '%REQ(X-REQUEST-ID)%', 'quoted'],
  ['authority', '%REQ(:AUTHORITY)%', 'quoted'],
  ['upstream_host', '%UPSTREAM_HOST%', 'quoted'],
  ['upstream_cluster', '%UPSTREAM_CLUSTER%'],
  ['upstream_local_address', '%UPSTREAM_LOCAL_ADDRESS%'],
  ['downstream_local_address', '%DOWNSTREAM_LOCAL_ADDRESS%'],
  ['downstream_remote_address', '%DOWNSTREAM_REMOTE_ADDRESS%'],
  ['requested_server_name', '%REQUESTED_SERVER_NAME%'],
  ['route_name', '%ROUTE_NAME%'],
  // Ours, behind those that readers know.
  ['receipt', '%AMBIT(RECEIPT)%'],
  ['source_principal', '%AMBIT(SOURCE_PRINCIPAL)%'],
  ['policy_reason', '%AMBIT(POLICY_REASON)%', 'quoted'],
];

const TEXT = [
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL%"',
  ...FIELDS.map(([, operator, isQuoted]) => (isQuoted ? `"${operator}"` : operator)),
].join(' ');

const JSON_FIELDS: readonly (readonly [string, string])[] = [
  ['start_time', '%START_TIME%'],
  ['method', '%REQ(:METHOD)%'],
  ['path', '%REQ(:PATH)%'],
  ['protocol', '%PROTOCOL%'],
  ...FIELDS.map(([name, operator]) => [name, operator] as const),
];

export type FormatChoice = {
  readonly encoding: 'TEXT' | 'JSON';
  /** '': the default of the encoding. Of JSON an object, as JSON, whose values are texts with operators. */
  readonly format: string;
};

/** @throws MeshError ACCESS_LOG_FORMAT, saying what is wrong with it. */
export function compileFormat({ encoding, format }: FormatChoice): Format {
  if (encoding === 'TEXT') return textFormat(format === '' ? TEXT : format.replace(/\n$/, ''));
  return jsonFormat(format === '' ? JSON_FIELDS : fieldsOf(format));
}

function textFormat(format: string): Format {
  const parts = partsOf(format);
  return (entry) => {
    let line = '';
    for (const part of parts) line += typeof part === 'string' ? part : textOf(part(entry));
    return line;
  };
}

function textOf(value: string | number | undefined): string {
  if (value === undefined) return '-';
  return typeof value === 'number' ? String(value) : escaped(value);
}

/** Put together field by field: an object that is made to be printed costs twice as much. */
function jsonFormat(fields: readonly (readonly [string, string])[]): Format {
  const compiled = fields.map(([name, format], i) => ({
    key: `${i === 0 ? '{' : ','}${JSON.stringify(name)}:`,
    parts: partsOf(format),
  }));
  return (entry) => {
    let line = '';
    for (const { key, parts } of compiled) line += key + jsonText(jsonValue(parts, entry));
    return `${line}}`;
  };
}

function jsonText(value: string | number): string {
  if (typeof value === 'number') return String(value);
  return UNSAFE.test(value) ? JSON.stringify(value) : `"${value}"`;
}

type Part = string | Operator;

/** One operator alone keeps its type: numbers are numbers, and what is missing is `-`. */
function jsonValue(parts: readonly Part[], entry: Entry): string | number {
  const [only] = parts;
  if (parts.length === 1 && typeof only === 'function') return only(entry) ?? '-';
  return parts.map((part) => (typeof part === 'string' ? part : String(part(entry) ?? '-'))).join('');
}

/** Text and operators in turn; `%%` is a percent sign. */
function partsOf(format: string): readonly Part[] {
  const parts: Part[] = [];
  format.split('%').forEach((piece, i, all) => {
    const isCommand = i % 2 === 1;
    if (isCommand && i === all.length - 1) {
      throw new MeshError('ACCESS_LOG_FORMAT', `the format ends inside of an operator: %${piece.slice(0, 100)}`);
    }
    if (isCommand) parts.push(piece === '' ? '%' : operatorOf(piece));
    else if (piece !== '') parts.push(piece);
  });
  return parts;
}

function fieldsOf(format: string): readonly (readonly [string, string])[] {
  let value: unknown;
  try {
    value = JSON.parse(format);
  } catch {
    throw new MeshError('ACCESS_LOG_FORMAT', 'the format of a JSON log is not JSON');
  }
  const entries = typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : [];
  if (entries.length === 0)
    throw new MeshError('ACCESS_LOG_FORMAT', 'the format of a JSON log is an object with fields');
  return entries.map(([name, text]) => {
    if (typeof text === 'string') return [name, text] as const;
    throw new MeshError(
      'ACCESS_LOG_FORMAT',
      `${name}: a field of a JSON log is a text; nested ones are not for waypoints`,
    );
  });
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNSAFE = /["\\\u0000-\u001f\u007f-\u009f\u2028\u2029\ud800-\udfff]/;
const ALL_UNSAFE = new RegExp(UNSAFE.source.replace('\\ud800-\\udfff', ''), 'g');

/** Peers write much of this: a line stays one line, and a quoted value ends where it ends. */
function escaped(text: string): string {
  if (!UNSAFE.test(text)) return text;
  return text.replace(ALL_UNSAFE, (c) =>
    c === '"' || c === '\\' ? `\\${c}` : `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
