/** The `format` words that are checked; all others are documentation. */
import { isIPv4, isIPv6 } from 'node:net';
import { parseCelDuration } from '../../../../mesh/index.ts';
import { parseCidrText } from '../cel/index.ts';

const MAX_INT32 = 2 ** 31;
const DATE_TIME =
  /^\d{4}-(0\d|1[0-2])-([0-2]\d|3[01])[Tt]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?([Zz]|[-+]\d\d:\d\d)$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const HOSTNAME =
  /^(?=.{1,253}$)[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?)*$/;

const TEXT_FORMATS: Readonly<Record<string, (text: string) => boolean>> = {
  'date-time': (text) => DATE_TIME.test(text),
  datetime: (text) => DATE_TIME.test(text),
  date: (text) => /^\d{4}-(0\d|1[0-2])-([0-2]\d|3[01])$/.test(text),
  ipv4: isIPv4,
  ipv6: isIPv6,
  cidr: (text) => parseCidrText(text) !== undefined,
  byte: (text) => BASE64.test(text),
  uri: (text) => URL.canParse(text) || text.startsWith('/'),
  uuid: (text) => /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i.test(text),
  hostname: (text) => HOSTNAME.test(text),
  email: (text) => /^[^@\s]+@[^@\s]+$/.test(text),
  mac: (text) => /^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(text),
  duration: (text) => parseCelDuration(text) !== undefined,
};

/** True when the value has the format, or the format is not one that is checked for this type. */
export function hasFormat(value: string | number, format: string): boolean {
  if (typeof value === 'string')
    return Object.hasOwn(TEXT_FORMATS, format) ? (TEXT_FORMATS[format]?.(value) ?? true) : true;
  if (format === 'int32') return value >= -MAX_INT32 && value < MAX_INT32;
  return format === 'int64' ? Number.isInteger(value) : true;
}
