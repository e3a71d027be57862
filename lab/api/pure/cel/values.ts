/** What a CEL expression can evaluate to: JSON, and a few types of the Kubernetes libraries. */
import { isIPv4, isIPv6 } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { CelError } from './ast.ts';

export type CelValue = null | boolean | number | string | readonly CelValue[] | CelMap | Special;
export type CelMap = { readonly [key: string]: CelValue };

/** Values that are not JSON; classes, so that a map is never mistaken for one. */
export type Special = Duration | Timestamp | Url | Ip | Cidr | NamedFormat | Optional;

export class Duration {
  readonly seconds: number;
  constructor(seconds: number) {
    this.seconds = seconds;
  }
}
export class Timestamp {
  readonly ms: number;
  constructor(ms: number) {
    this.ms = ms;
  }
}
export class Url {
  readonly url: URL;
  constructor(url: URL) {
    this.url = url;
  }
}
export class Ip {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}
export class Cidr {
  readonly ip: string;
  readonly prefix: number;
  constructor(ip: string, prefix: number) {
    this.ip = ip;
    this.prefix = prefix;
  }
}
/** What `format.dns1123Label()` gives; it finds the problems of a text. */
export class NamedFormat {
  readonly problems: (text: string) => readonly string[];
  constructor(problems: (text: string) => readonly string[]) {
    this.problems = problems;
  }
}
export class Optional {
  readonly value: CelValue | undefined;
  constructor(value: CelValue | undefined) {
    this.value = value;
  }
}

const SPECIALS = [Duration, Timestamp, Url, Ip, Cidr, NamedFormat, Optional] as const;

const isSpecial = (value: CelValue): value is Special => SPECIALS.some((type) => value instanceof type);
export const isList = (value: CelValue): value is readonly CelValue[] => Array.isArray(value);
export const isMap = (value: CelValue): value is CelMap =>
  typeof value === 'object' && value !== null && !isList(value) && !isSpecial(value);

export function sameValue(a: CelValue, b: CelValue): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  if (a instanceof Url && b instanceof Url) return a.url.href === b.url.href;
  return isDeepStrictEqual(a, b);
}

/** Below, at or above zero as `a` is before, equal to or after `b`; throws CelError for what has no order. */
export function compareValues(a: CelValue, b: CelValue): number {
  const [left, right] = [orderable(a), orderable(b)];
  if (typeof left !== typeof right || left === undefined || right === undefined) {
    throw new CelError('no such overload: these values have no order');
  }
  return left < right ? -1 : left > right ? 1 : 0;
}

function orderable(value: CelValue): number | string | undefined {
  if (typeof value === 'number' || typeof value === 'string') return value;
  if (typeof value === 'boolean') return Number(value);
  if (value instanceof Duration) return value.seconds;
  return value instanceof Timestamp ? value.ms : undefined;
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

/** Go's notation, `1h30m`; undefined for what is none. */
export function parseDuration(text: string): Duration | undefined {
  if (!DURATION.test(text)) return undefined;
  let seconds = 0;
  for (const [, count, unit = 's'] of text.matchAll(/(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)/g)) {
    seconds += Number(count) * (UNIT_SECONDS[unit] ?? 0);
  }
  return new Duration(text.startsWith('-') ? -seconds : seconds);
}

/** An address as the Kubernetes library takes it: no zone, no IPv4 inside IPv6, no leading zeros. */
export function parseIpText(text: string): Ip | undefined {
  const isAddress = isIPv4(text) || (isIPv6(text) && !text.includes('%') && !text.includes('.'));
  return isAddress ? new Ip(text) : undefined;
}

export function parseCidrText(text: string): Cidr | undefined {
  const [address = '', prefix = '', ...rest] = text.split('/');
  const ip = parseIpText(address);
  if (ip === undefined || rest.length > 0 || !/^(0|[1-9]\d{0,2})$/.test(prefix)) return undefined;
  return Number(prefix) <= (isIPv4(address) ? 32 : 128) ? new Cidr(ip.text, Number(prefix)) : undefined;
}

/** An absolute URL or an absolute path, as Go's `url.ParseRequestURI` takes it. */
export function parseUrlText(text: string): Url | undefined {
  const url = URL.parse(text) ?? (text.startsWith('/') ? URL.parse(text, RELATIVE_BASE) : null);
  return url === null || /\s/.test(text) ? undefined : new Url(url);
}

const RELATIVE_BASE = 'relative://';
