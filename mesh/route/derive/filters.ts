/** Filters of rules and backends (waypoint.md section 2.3). What is not understood must not be skipped: its requests fail. */
import { type Fields, fields, list, portNumber, text, texts } from '../../derive/read.ts';
import { isHttpName } from '../../http-names.ts';
import type { Cors, Header, HeaderModifier, PathRewrite, Redirect, Rewrite, StringMatch } from '../model.ts';
import type { Filters, MirrorFacts, RuleProblem } from './facts.ts';
import { backendRef } from './parts.ts';

export type ReadFilters = {
  readonly filters: Filters;
  readonly mirrors: readonly MirrorFacts[];
  /** Of each: what it is, and why it can not be had. */
  readonly problems: readonly FilterProblem[];
};

export type FilterProblem = Omit<RuleProblem, 'effect'>;

type Around = {
  readonly namespace: string;
  /** The only path prefix of the rule, which alone can be replaced. */
  readonly prefix: string | undefined;
  readonly on: 'rule' | 'backend';
};

/** Text says why a filter can not be had. */
type Read = (content: Fields, around: Around) => Partial<Filters> | string;

const READERS: ReadonlyMap<string, { readonly field: string; readonly read: Read; readonly onBackend: boolean }> =
  new Map([
    ['RequestHeaderModifier', { field: 'requestHeaderModifier', read: readRequestHeaders, onBackend: true }],
    ['ResponseHeaderModifier', { field: 'responseHeaderModifier', read: readResponseHeaders, onBackend: true }],
    ['RequestRedirect', { field: 'requestRedirect', read: readRedirect, onBackend: true }],
    ['URLRewrite', { field: 'urlRewrite', read: readRewrite, onBackend: true }],
    ['CORS', { field: 'cors', read: readCors, onBackend: false }],
  ]);

export function readFilters(value: unknown, at: string, around: Around): ReadFilters {
  let filters: Filters = {};
  const mirrors: MirrorFacts[] = [];
  const problems: FilterProblem[] = [];
  for (const [index, entry] of list(value).entries()) {
    const written = fields(entry);
    const type = text(written['type']);
    const refuse = (why: string, isUnsupported = false) =>
      problems.push({ message: `${at}filters[${index}] ${type}: ${why}`, isUnsupported });
    const reader = READERS.get(type);
    if (type === 'RequestMirror' && around.on === 'rule') {
      const mirror = readMirror(fields(written['requestMirror']), around.namespace);
      if (typeof mirror === 'string') refuse(mirror);
      else mirrors.push(mirror);
    } else if (reader === undefined || (around.on === 'backend' && !reader.onBackend)) {
      refuse(`is not supported on a ${around.on}`, true);
    } else {
      const read = reader.read(fields(written[reader.field]), around);
      if (typeof read === 'string') refuse(read);
      else filters = { ...filters, ...read, ...mergedRewrite(filters, read) };
    }
  }
  return { filters, mirrors, problems };
}

/** A rewrite and a `host` that is set are one thing; what a rewrite says beats the header. */
function mergedRewrite(before: Partial<Filters>, next: Partial<Filters>): Partial<Filters> {
  if (before.rewrite === undefined || next.rewrite === undefined) return {};
  const [header, rewrite] =
    next.requestHeaders === undefined ? [before.rewrite, next.rewrite] : [next.rewrite, before.rewrite];
  return { rewrite: { ...rewrite, hostname: rewrite.hostname || header.hostname } };
}

function readRequestHeaders(content: Fields): Partial<Filters> | string {
  const read = readModifier(content);
  if (typeof read === 'string') return read;
  const host = [...read.set, ...read.add].find(({ name }) => name === 'host');
  if (host !== undefined && !AUTHORITY.test(host.value)) return `host: ${JSON.stringify(host.value)} is no host`;
  const others = (headers: readonly Header[]) => headers.filter(({ name }) => name !== 'host');
  return {
    requestHeaders: { set: others(read.set), add: others(read.add), remove: read.remove },
    ...(host !== undefined && { rewrite: { hostname: host.value } }),
  };
}

function readResponseHeaders(content: Fields): Partial<Filters> | string {
  const read = readModifier(content);
  return typeof read === 'string' ? read : { responseHeaders: read };
}

/** RFC 9110 section 5.5, without blanks at its ends. */
const VALUE = /^[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?$/;
/** They say where a message ends, or belong to one connection: with another value a peer reads another message. */
const FRAMING: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Applications believe them: the proxies of the mesh say who calls, and no route does. */
const TRUSTED: ReadonlySet<string> = new Set(['ambit-source', 'x-forwarded-client-cert']);

function readModifier(content: Fields): HeaderModifier | string {
  const set = readHeaders(content['set'], 'set');
  if (typeof set === 'string') return set;
  const add = readHeaders(content['add'], 'add');
  if (typeof add === 'string') return add;
  const remove = [...new Set(texts(content['remove']).map((name) => name.toLowerCase()))];
  const bad = remove.find((name) => !isHttpName(name) || FRAMING.has(name) || name === 'host');
  return bad === undefined ? { set, add, remove } : `remove: ${JSON.stringify(bad)} can not be removed`;
}

/** Whether a header of that name, in lower case, means nothing but what a route makes of it. */
export function isFreeHeader(name: string): boolean {
  return isHttpName(name) && !FRAMING.has(name) && !TRUSTED.has(name) && name !== 'host';
}

/** Of several with one name the first counts. */
function readHeaders(value: unknown, at: string): readonly Header[] | string {
  const headers = new Map<string, Header>();
  for (const entry of list(value)) {
    const { name: writtenName, value: writtenValue } = fields(entry);
    const name = text(writtenName).toLowerCase();
    if (!isHttpName(name)) return `${at}: ${JSON.stringify(writtenName)} is no header name`;
    if (FRAMING.has(name)) return `${at}: ${name} says how a message is framed, and is not for routes to change`;
    if (TRUSTED.has(name)) return `${at}: ${name} is for the mesh alone to say`;
    if (!VALUE.test(text(writtenValue))) return `${at}: the value of ${name} has characters that a header can not have`;
    if (!headers.has(name)) headers.set(name, { name, value: text(writtenValue) });
  }
  return [...headers.values()];
}

const REDIRECT_CODES: ReadonlySet<unknown> = new Set([301, 302, 303, 307, 308]);
const HOSTNAME = /^[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?$/;

const AUTHORITY = /^[-A-Za-z0-9._]+(?::\d{1,5})?$/;

function readRedirect(content: Fields, around: Around): Partial<Filters> | string {
  const { scheme = '', hostname, port, statusCode = 302 } = content;
  if (scheme !== '' && scheme !== 'http' && scheme !== 'https')
    return `scheme: ${JSON.stringify(scheme)} is neither http nor https`;
  if (!REDIRECT_CODES.has(statusCode))
    return `statusCode: ${JSON.stringify(statusCode)} is none of 301, 302, 303, 307, 308`;
  if (port !== undefined && portNumber(port) === undefined) return `port: ${JSON.stringify(port)} is no port`;
  const host = readHostname(hostname);
  if (host === undefined) return `hostname: ${JSON.stringify(hostname)} is no host name`;
  const path = readPath(content['path'], around);
  if (typeof path === 'string') return path;
  const redirect: Redirect = {
    scheme,
    hostname: host,
    port: portNumber(port) ?? 0,
    ...path,
    status: Number(statusCode),
  };
  return { redirect };
}

function readRewrite(content: Fields, around: Around): Partial<Filters> | string {
  const host = readHostname(content['hostname']);
  if (host === undefined) return `hostname: ${JSON.stringify(content['hostname'])} is no host name`;
  const path = readPath(content['path'], around);
  if (typeof path === 'string') return path;
  const rewrite: Rewrite = { hostname: host, ...path };
  return { rewrite };
}

function readHostname(value: unknown): string | undefined {
  if (value === undefined || value === '') return '';
  return HOSTNAME.test(text(value)) && text(value).length <= 253 ? text(value) : undefined;
}

/** Absolute path without query, fragment, blanks and control characters: it becomes part of a request line. */
const PATH = /^\/[!$%&'()*+,\-./:;=@_~0-9A-Za-z]*$/;

function readPath(value: unknown, { prefix }: Around): { readonly path?: PathRewrite } | string {
  if (value === undefined) return {};
  const written = fields(value);
  const isPrefix = written['type'] === 'ReplacePrefixMatch';
  if (!isPrefix && written['type'] !== 'ReplaceFullPath')
    return `path.type: ${JSON.stringify(written['type'])} is not known`;
  const replacement = text(written[isPrefix ? 'replacePrefixMatch' : 'replaceFullPath']);
  if (replacement !== '' && !PATH.test(replacement)) return `path: ${JSON.stringify(replacement)} is no path`;
  if (!isPrefix) return { path: { kind: 'FULL', prefix: '', value: replacement } };
  if (prefix === undefined) return 'path: a prefix is replaced only where it is all that the rule matches';
  return { path: { kind: 'SEGMENTS', prefix, value: replacement } };
}

/** `*` somewhere in the host: any labels. */
const WILDCARD_ORIGIN = /^([a-z][a-z0-9+.-]*):\/\/\*\.([-a-zA-Z0-9.]+(?::\d{1,5})?)$/;

function readCors(content: Fields): Partial<Filters> | string {
  const allowOrigins: StringMatch[] = [];
  for (const origin of texts(content['allowOrigins'])) {
    const wildcard = WILDCARD_ORIGIN.exec(origin);
    if (origin === '*') allowOrigins.push({ kind: 'PRESENT', value: '', ignoreCase: false });
    else if (wildcard !== null) {
      const tail = (wildcard[2] ?? '').replaceAll('.', '\\.');
      allowOrigins.push({ kind: 'REGEX', value: `${wildcard[1]}://[-a-z0-9_.]+\\.${tail}`, ignoreCase: true });
    } else if (origin.includes('*'))
      return `allowOrigins: ${JSON.stringify(origin)} has its * in another place than the first label`;
    else allowOrigins.push({ kind: 'EXACT', value: origin, ignoreCase: true });
  }
  const lists = {
    allowMethods: texts(content['allowMethods']),
    allowHeaders: texts(content['allowHeaders']),
    exposeHeaders: texts(content['exposeHeaders']),
  };
  for (const [field, names] of Object.entries(lists)) {
    const bad = names.find((name) => !isHttpName(name));
    if (bad !== undefined) return `${field}: ${JSON.stringify(bad)} is no name`;
  }
  const { maxAge } = content;
  const maxAgeSeconds =
    typeof maxAge === 'number' && Number.isInteger(maxAge) && maxAge >= 0 ? maxAge : DEFAULT_MAX_AGE;
  const cors: Cors = {
    allowOrigins,
    ...lists,
    allowCredentials: content['allowCredentials'] === true,
    maxAgeSeconds,
    forwardsUnmatched: false,
  };
  return { cors };
}

/** As the CRD has it. */
const DEFAULT_MAX_AGE = 5;

function readMirror(content: Fields, namespace: string): MirrorFacts | string {
  const ref = backendRef(fields(content['backendRef']), namespace);
  const isShare = (value: unknown): value is number =>
    typeof value === 'number' && Number.isInteger(value) && value >= 0;
  const { percent, fraction } = content;
  if (percent !== undefined) {
    return isShare(percent) && percent <= 100
      ? { ref, numerator: percent, denominator: 100 }
      : 'percent: is not 0 to 100';
  }
  if (fraction === undefined) return { ref, numerator: 1, denominator: 1 };
  const { numerator, denominator = 100 } = fields(fraction);
  if (!isShare(numerator) || !isShare(denominator) || denominator === 0 || numerator > denominator) {
    return 'fraction: is no part of a whole';
  }
  return { ref, numerator, denominator };
}
