/** Values of the Kubernetes libraries, beside those of CEL. */
import { isIPv4, isIPv6 } from 'node:net';
import { type CelValue, Foreign } from '../../../../mesh/index.ts';

export class Url extends Foreign {
  readonly url: URL;
  constructor(url: URL) {
    super();
    this.url = url;
  }
  override equals(other: Foreign): boolean {
    return other instanceof Url && other.url.href === this.url.href;
  }
}
export class Ip extends Foreign {
  readonly text: string;
  constructor(text: string) {
    super();
    this.text = text;
  }
  override equals(other: Foreign): boolean {
    return other instanceof Ip && other.text === this.text;
  }
}
export class Cidr extends Foreign {
  readonly ip: string;
  readonly prefix: number;
  constructor(ip: string, prefix: number) {
    super();
    this.ip = ip;
    this.prefix = prefix;
  }
  override equals(other: Foreign): boolean {
    return other instanceof Cidr && other.ip === this.ip && other.prefix === this.prefix;
  }
}
/** What the name `format` stands for. */
export class Formats extends Foreign {
  override equals(other: Foreign): boolean {
    return other instanceof Formats;
  }
}
/** What `format.dns1123Label()` gives; it finds the problems of a text. */
export class NamedFormat extends Foreign {
  readonly problems: (text: string) => readonly string[];
  constructor(problems: (text: string) => readonly string[]) {
    super();
    this.problems = problems;
  }
  override equals(other: Foreign): boolean {
    return other === this;
  }
}
export class Optional extends Foreign {
  readonly value: CelValue | undefined;
  constructor(value: CelValue | undefined) {
    super();
    this.value = value;
  }
  override equals(other: Foreign): boolean {
    return other === this || (other instanceof Optional && other.value === undefined && this.value === undefined);
  }
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
