/** Functions and methods of the Kubernetes libraries that rules of CRDs call (spec section 14), beside those of CEL. */
import { BlockList, isIPv4 } from 'node:net';
import {
  type CelCall,
  CelError,
  type CelMeter,
  type CelValue,
  celArguments,
  STANDARD_CEL,
  withCelLibrary,
} from '../../../../mesh/index.ts';
import { compilePattern } from '../pattern.ts';
import { Cidr, Formats, Ip, NamedFormat, Optional, parseCidrText, parseIpText, parseUrlText, Url } from './values.ts';

const { list, number, parsed, text, wrongType } = celArguments;

const urlOf = (value: CelValue | undefined): URL => (value instanceof Url ? value.url : wrongType(value));
const ipOf = (value: CelValue | undefined): string => (value instanceof Ip ? value.text : wrongType(value));

const DNS_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const DNS_SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const QUALIFIED_NAME = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

/** The names of the library `format`; what they give finds the problems of a text. */
const FORMATS: Readonly<Record<string, CelCall>> = {
  'dns1123Label/0': pattern(DNS_LABEL, 63, 'a lowercase RFC 1123 label'),
  'dns1035Label/0': pattern(/^[a-z]([-a-z0-9]*[a-z0-9])?$/, 63, 'an RFC 1035 label'),
  'dns1123Subdomain/0': pattern(DNS_SUBDOMAIN, 253, 'a lowercase RFC 1123 subdomain'),
  'dns1123LabelPrefix/0': pattern(/^[a-z0-9][-a-z0-9]*$/, 63, 'the beginning of a lowercase RFC 1123 label'),
  'qualifiedName/0': pattern(QUALIFIED_NAME, 317, 'a qualified name'),
  'labelValue/0': pattern(LABEL_VALUE, 63, 'a label value'),
};

function pattern(form: RegExp, maxLength: number, what: string): CelCall {
  const format = new NamedFormat((value) => {
    if (value.length > maxLength) return [`must be no more than ${maxLength} characters`];
    return form.test(value) ? [] : [`must be ${what}`];
  });
  return ([on]) => (on instanceof Formats ? format : wrongType(on));
}

export const KUBERNETES = withCelLibrary(STANDARD_CEL, {
  functions: {
    'string/1': ([value], meter) => toText(value, meter),
    'url/1': ([value]) => parsed(parseUrlText, value, 'URL'),
    'isURL/1': ([value]) => parseUrlText(text(value)) !== undefined,
    'ip/1': ([value]) => parsed(parseIpText, value, 'IP address'),
    'isIP/1': ([value]) => parseIpText(text(value)) !== undefined,
    'cidr/1': ([value]) => parsed(parseCidrText, value, 'CIDR'),
    'isCIDR/1': ([value]) => parseCidrText(text(value)) !== undefined,
  },
  methods: {
    ...FORMATS,
    'matches/1': ([on, source]) => regularExpression(text(source)).test(text(on)),
    'find/1': ([on, source]) => regularExpression(text(source)).exec(text(on))?.[0] ?? '',
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
    'validate/1': ([on, value]) => validateFormat(on, value),
    'hasValue/0': ([on]) => (on instanceof Optional ? on.value !== undefined : wrongType(on)),
    'value/0': ([on]) => (on instanceof Optional ? (on.value ?? wrongType(null)) : wrongType(on)),
    'orValue/1': ([on, other]) => (on instanceof Optional ? (on.value ?? other ?? null) : wrongType(on)),
  },
});

function toText(value: CelValue | undefined, meter: CelMeter): CelValue {
  if (value instanceof Ip) return value.text;
  if (value instanceof Cidr) return `${value.ip}/${value.prefix}`;
  return STANDARD_CEL.functions['string/1']?.([value ?? null], meter) ?? wrongType(value);
}

function regularExpression(source: string): RegExp {
  const compiled = compilePattern(source);
  if (compiled === undefined) throw new CelError(`not a regular expression: ${source}`);
  return compiled;
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
