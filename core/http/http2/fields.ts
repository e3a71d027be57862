/** Fields as HTTP/2 carries them, each judged once, when it is decoded: RFC 9113 sections 8.2 and 8.3. */
import { type Field, HpackDecoder, staticFields } from '../../h2/index.ts';
import { isAuthority } from '../http1/characters.ts';

/** What a field is to those who put a message together; `BAD` fits into none. */
export const KIND = {
  REGULAR: 0,
  BAD: 1,
  METHOD: 2,
  SCHEME: 3,
  PATH: 4,
  AUTHORITY: 5,
  PROTOCOL: 6,
  STATUS: 7,
  HOST: 8,
  COOKIE: 9,
  CONTENT_LENGTH: 10,
  /** Not among trailers: RFC 9110 section 6.5.1. */
  NO_TRAILER: 11,
} as const;
type Kind = (typeof KIND)[keyof typeof KIND];

export type HttpField = Field & {
  readonly kind: Kind;
  /** Of a status, or a content length. */
  readonly number: number;
};

type Shape = { test(value: string): boolean };

// RFC 9113 section 8.2.1 lets more pass; these are the names and values of RFC 9110 sections 5.1 and 5.5.
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const BAD_VALUE = /[\x00-\x08\x0a-\x1f\x7f]|^[ \t]|[ \t]$/;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** As over HTTP/1.1, where policies and routes see the same: no small letters (waypoint.md section 4.5), no more than 32 bytes. */
const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Z]{1,32}$/;
const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*$/;
/** Absolute path and query without a fragment; what is not ASCII has to be encoded (RFC 3986 section 3.3), or two readers differ. */
const PATH = /^(?:\/[\x21\x22\x24-\x7e]*|\*)$/;
/** Host and port in the one way that HTTP/1.1 takes too; an empty one is as good as none (section 8.3.1). */
const AUTHORITY: Shape = { test: (value) => value === '' || isAuthority(value) };
const LENGTH = /^[0-9]{1,15}$/;
const STATUS = /^[1-9][0-9]{2}$/;

type Known = { readonly name: string; readonly kind: Kind; readonly value: Shape | undefined };
const KNOWN = new Map<string, Known>();
function know(kind: Kind, names: readonly string[], value?: Shape): void {
  for (const name of names) KNOWN.set(name, { name, kind, value });
}
know(KIND.METHOD, [':method'], METHOD);
know(KIND.SCHEME, [':scheme'], SCHEME);
know(KIND.PATH, [':path'], PATH);
know(KIND.AUTHORITY, [':authority'], AUTHORITY);
know(KIND.PROTOCOL, [':protocol'], TOKEN);
know(KIND.STATUS, [':status'], STATUS);
know(KIND.HOST, ['host'], AUTHORITY);
know(KIND.COOKIE, ['cookie']);
know(KIND.CONTENT_LENGTH, ['content-length'], LENGTH);
/** Section 8.2.2: they belong to HTTP/1.1. */
export const OF_THE_CONNECTION = ['connection', 'proxy-connection', 'keep-alive', 'transfer-encoding', 'upgrade'];
know(KIND.BAD, OF_THE_CONNECTION);
know(KIND.NO_TRAILER, ['te'], /^trailers$/i);
const FRAMING_ROUTING_AND_CONTROL = [
  ...['trailer', 'cache-control', 'expect', 'max-forwards', 'pragma', 'range', 'authorization', 'proxy-authorization'],
  ...[
    'proxy-authenticate',
    'www-authenticate',
    'set-cookie',
    'age',
    'expires',
    'date',
    'location',
    'retry-after',
    'vary',
  ],
  ...['content-encoding', 'content-type', 'content-range', 'forwarded', 'x-forwarded-for', 'x-forwarded-host'],
  ...['x-forwarded-proto', 'x-forwarded-client-cert'],
];
know(KIND.NO_TRAILER, FRAMING_ROUTING_AND_CONTROL);
/** So common that every connection would make strings of them. */
const COMMON = [
  ...['x-request-id', 'traceparent', 'tracestate', 'grpc-status', 'grpc-message', 'grpc-timeout'],
  'priority',
];
know(KIND.REGULAR, COMMON);

function makeField(name: string, value: string): HttpField {
  const known = KNOWN.get(name);
  if (known === undefined) {
    const kind = NAME.test(name) && !BAD_VALUE.test(value) ? KIND.REGULAR : KIND.BAD;
    return { name, value, kind, number: 0 };
  }
  const { value: shape, kind } = known;
  const isBad = shape === undefined ? BAD_VALUE.test(value) : !shape.test(value);
  const number = kind === KIND.STATUS || kind === KIND.CONTENT_LENGTH ? Number(value) : 0;
  return { name: known.name, value, kind: isBad ? KIND.BAD : kind, number };
}

const STATIC = staticFields(makeField);

export function newFieldDecoder(): HpackDecoder<HttpField> {
  return new HpackDecoder(STATIC, makeField);
}
