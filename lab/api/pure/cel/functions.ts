/** Functions and methods of CEL and of the Kubernetes libraries that rules of CRDs call (spec section 14). */
import { BlockList, isIPv4 } from 'node:net';
import { compilePattern } from '../pattern.ts';
import { CelError } from './ast.ts';
import {
  type CelValue,
  Cidr,
  Duration,
  Ip,
  isList,
  isMap,
  NamedFormat,
  Optional,
  parseCidrText,
  parseDuration,
  parseIpText,
  parseUrlText,
  sameValue,
  Timestamp,
  Url,
} from './values.ts';

type Call = (args: readonly CelValue[]) => CelValue;

/** Functions by name and number of arguments. */
const FUNCTIONS: Readonly<Record<string, Call>> = {
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
  'url/1': ([value]) => parsed(parseUrlText, value, 'URL'),
  'isURL/1': ([value]) => parseUrlText(text(value)) !== undefined,
  'ip/1': ([value]) => parsed(parseIpText, value, 'IP address'),
  'isIP/1': ([value]) => parseIpText(text(value)) !== undefined,
  'cidr/1': ([value]) => parsed(parseCidrText, value, 'CIDR'),
  'isCIDR/1': ([value]) => parseCidrText(text(value)) !== undefined,
};

/** Methods by name and number of arguments; the first argument is what they are called on. */
const METHODS: Readonly<Record<string, Call>> = {
  'size/0': ([on]) => size(on),
  'contains/1': ([on, part]) => text(on).includes(text(part)),
  'startsWith/1': ([on, part]) => text(on).startsWith(text(part)),
  'endsWith/1': ([on, part]) => text(on).endsWith(text(part)),
  'matches/1': ([on, pattern]) => regularExpression(text(pattern)).test(text(on)),
  'find/1': ([on, pattern]) => regularExpression(text(pattern)).exec(text(on))?.[0] ?? '',
  'substring/1': ([on, from]) => substring(text(on), from, undefined),
  'substring/2': ([on, from, to]) => substring(text(on), from, to),
  'split/1': ([on, separator]) => text(on).split(text(separator)),
  'split/2': ([on, separator, limit]) => splitInto(text(on), text(separator), integer(limit)),
  'join/0': ([on]) => list(on).map(text).join(''),
  'join/1': ([on, separator]) => list(on).map(text).join(text(separator)),
  'replace/2': ([on, from, to]) => text(on).replaceAll(text(from), () => text(to)),
  'lowerAscii/0': ([on]) => text(on).replace(/[A-Z]/g, (letter) => letter.toLowerCase()),
  'upperAscii/0': ([on]) => text(on).replace(/[a-z]/g, (letter) => letter.toUpperCase()),
  'trim/0': ([on]) => text(on).trim(),
  'charAt/1': ([on, at]) => [...text(on)][integer(at)] ?? '',
  'indexOf/1': ([on, part]) => indexOf(on, part),
  'lastIndexOf/1': ([on, part]) => lastIndexOf(on, part),
  'isSorted/0': ([on]) => list(on).every((item, i, all) => i === 0 || orderKey(all[i - 1]) <= orderKey(item)),
  'sum/0': ([on]) => list(on).reduce<number>((total, item) => total + number(item), 0),
  'min/0': ([on]) => extreme(list(on), (a, b) => a < b),
  'max/0': ([on]) => extreme(list(on), (a, b) => a > b),
  'getScheme/0': ([on]) => (urlOf(on).protocol === 'relative:' ? '' : urlOf(on).protocol.slice(0, -1)),
  'getHost/0': ([on]) => urlOf(on).host,
  'getHostname/0': ([on]) => urlOf(on).hostname.replace(/^\[|\]$/g, ''),
  'getPort/0': ([on]) => urlOf(on).port,
  'getEscapedPath/0': ([on]) => urlOf(on).pathname,
  'family/0': ([on]) => (isIPv4(ipOf(on)) ? 4 : 6),
  'ip/0': ([on]) => (on instanceof Cidr ? new Ip(on.ip) : wrongType(on)),
  'prefixLength/0': ([on]) => (on instanceof Cidr ? on.prefix : wrongType(on)),
  'containsIP/1': ([on, ip]) => containsIp(on, ip),
  'getHours/0': ([on]) => Math.trunc(durationOf(on) / 3600),
  'getMinutes/0': ([on]) => Math.trunc(durationOf(on) / 60),
  'getSeconds/0': ([on]) => Math.trunc(durationOf(on)),
  'getMilliseconds/0': ([on]) => Math.trunc(durationOf(on) * 1000),
  'validate/1': ([on, value]) => validateFormat(on, value),
  'hasValue/0': ([on]) => (on instanceof Optional ? on.value !== undefined : wrongType(on)),
  'value/0': ([on]) => (on instanceof Optional ? (on.value ?? wrongType(null)) : wrongType(on)),
  'orValue/1': ([on, other]) => (on instanceof Optional ? (on.value ?? other ?? null) : wrongType(on)),
};

const DNS_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const DNS_SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const QUALIFIED_NAME = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

/** The names of the library `format`; what they give finds the problems of a text. */
const FORMATS: Readonly<Record<string, NamedFormat>> = {
  dns1123Label: pattern(DNS_LABEL, 63, 'a lowercase RFC 1123 label'),
  dns1035Label: pattern(/^[a-z]([-a-z0-9]*[a-z0-9])?$/, 63, 'an RFC 1035 label'),
  dns1123Subdomain: pattern(DNS_SUBDOMAIN, 253, 'a lowercase RFC 1123 subdomain'),
  dns1123LabelPrefix: pattern(/^[a-z0-9][-a-z0-9]*$/, 63, 'the beginning of a lowercase RFC 1123 label'),
  qualifiedName: pattern(QUALIFIED_NAME, 317, 'a qualified name'),
  labelValue: pattern(LABEL_VALUE, 63, 'a label value'),
};

function pattern(form: RegExp, maxLength: number, what: string): NamedFormat {
  return new NamedFormat((value) => {
    if (value.length > maxLength) return [`must be no more than ${maxLength} characters`];
    return form.test(value) ? [] : [`must be ${what}`];
  });
}

/** Whether a call of this form can be understood; asked when a definition is read, so that typos show early. */
export function isKnownCall(name: string, args: number, isMethod: boolean): boolean {
  const key = `${name}/${args}`;
  if (!isMethod) return Object.hasOwn(FUNCTIONS, key);
  return Object.hasOwn(METHODS, key) || (args === 0 && Object.hasOwn(FORMATS, name));
}

/** Throws CelError for an unknown function or arguments of the wrong type. */
export function callFunction(name: string, args: readonly CelValue[]): CelValue {
  const call = Object.hasOwn(FUNCTIONS, `${name}/${args.length}`) ? FUNCTIONS[`${name}/${args.length}`] : undefined;
  if (call === undefined) throw new CelError(`undeclared reference to ${name} with ${args.length} arguments`);
  return call(args);
}

export function callMethod(on: CelValue, name: string, args: readonly CelValue[]): CelValue {
  const call = Object.hasOwn(METHODS, `${name}/${args.length}`) ? METHODS[`${name}/${args.length}`] : undefined;
  if (call === undefined) throw new CelError(`undeclared reference to method ${name} with ${args.length} arguments`);
  return call([on, ...args]);
}

/** `format.NAME()`. */
export function namedFormat(name: string): NamedFormat | undefined {
  return Object.hasOwn(FORMATS, name) ? FORMATS[name] : undefined;
}

function wrongType(value: CelValue | undefined): never {
  throw new CelError(`no such overload for ${typeName(value)}`);
}

const text = (value: CelValue | undefined): string => (typeof value === 'string' ? value : wrongType(value));
const number = (value: CelValue | undefined): number => (typeof value === 'number' ? value : wrongType(value));
const list = (value: CelValue | undefined): readonly CelValue[] =>
  value !== undefined && isList(value) ? value : wrongType(value);
const integer = (value: CelValue | undefined): number => (Number.isInteger(value) ? number(value) : wrongType(value));
const urlOf = (value: CelValue | undefined): URL => (value instanceof Url ? value.url : wrongType(value));
const ipOf = (value: CelValue | undefined): string => (value instanceof Ip ? value.text : wrongType(value));
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
  if (value instanceof Ip) return value.text;
  if (value instanceof Cidr) return `${value.ip}/${value.prefix}`;
  if (value instanceof Duration) return `${value.seconds}s`;
  return value instanceof Timestamp ? new Date(value.ms).toISOString() : wrongType(value);
}

function typeName(value: CelValue | undefined): string {
  if (value === null || value === undefined) return 'null_type';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int' : 'double';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'string') return 'string';
  if (isList(value)) return 'list';
  return isMap(value) ? 'map' : value.constructor.name.toLowerCase();
}

function parsed<T extends CelValue>(
  parse: (text: string) => T | undefined,
  value: CelValue | undefined,
  what: string,
): T {
  const result = parse(text(value));
  if (result === undefined) throw new CelError(`not a ${what}: ${text(value)}`);
  return result;
}

function parseTimestamp(value: string): Timestamp | undefined {
  const ms = /^\d{4}-\d\d-\d\dT/.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(ms) ? undefined : new Timestamp(ms);
}

function regularExpression(source: string): RegExp {
  const pattern = compilePattern(source);
  if (pattern === undefined) throw new CelError(`not a regular expression: ${source}`);
  return pattern;
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

const orderKey = (value: CelValue | undefined): number | string =>
  typeof value === 'number' || typeof value === 'string' ? value : wrongType(value);

function extreme(values: readonly CelValue[], isBetter: (a: number | string, b: number | string) => boolean): CelValue {
  if (values.length === 0) throw new CelError('min or max of an empty list');
  return values.map(orderKey).reduce((best, value) => (isBetter(value, best) ? value : best));
}

function containsIp(on: CelValue | undefined, ip: CelValue | undefined): boolean {
  if (!(on instanceof Cidr)) return wrongType(on);
  const address = ip instanceof Ip ? ip.text : parsed(parseIpText, ip, 'IP address').text;
  if (isIPv4(address) !== isIPv4(on.ip)) return false;
  const block = new BlockList();
  block.addSubnet(on.ip, on.prefix, isIPv4(on.ip) ? 'ipv4' : 'ipv6');
  return block.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
}

/** Nothing when the text is right, else the list of its problems, as the Kubernetes library says it. */
function validateFormat(on: CelValue | undefined, value: CelValue | undefined): Optional {
  if (!(on instanceof NamedFormat)) return wrongType(on);
  const problems = on.problems(text(value));
  return new Optional(problems.length === 0 ? undefined : problems);
}
