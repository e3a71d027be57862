/** `loadBalancer.consistentHash` of a DestinationRule (waypoint.md section 3.2, crds.md section 6). */
import { type Fields, fields, isFields, list, text } from '../derive/read.ts';
import { isHttpName } from '../http-names.ts';
import { parseDuration } from '../validate/durations.ts';
import { MAX_MAGLEV, MAX_RING } from '../view/hash-table.ts';
import type { HashPolicy } from './model.ts';
import { isPrime } from './prime.ts';

export type HashReading = {
  /** Undefined where nothing can be hashed. */
  readonly hash: HashPolicy | undefined;
  /** What has no effect as it is written, each with why. */
  readonly ignored: readonly string[];
};

/** As in the reference. */
const RING_SIZE = 1024;
const MAGLEV_SIZE = 65_537;

type Key = Pick<HashPolicy, 'key' | 'name' | 'cookieAttributes'>;

/** `at`: the path of the field. */
export function readConsistentHash(written: Fields, at: string): HashReading {
  const keys = [
    readHeader(written['httpHeaderName']),
    isFields(written['httpCookie']) ? readCookie(written['httpCookie']) : undefined,
    written['useSourceIp'] === true ? ({ key: 'SOURCE_IP', name: '' } as const) : undefined,
    readParameter(written['httpQueryParameterName']),
  ].filter((key) => key !== undefined);
  const [key] = keys;
  const none = (why: string): HashReading => ({ hash: undefined, ignored: [`${at}${why}, least request is used`] });
  if (key === undefined) return none(': says nothing that can be hashed');
  if (typeof key === 'string') return none(`.${key}`);
  const ignored = keys.length > 1 ? [`${at}: of several keys only the first counts`] : [];
  const { table, size, problem } = readTable(written);
  if (problem !== undefined) ignored.push(`${at}.${problem}`);
  return { hash: { ...key, table, size }, ignored };
}

function readHeader(value: unknown): Key | string | undefined {
  const name = text(value).toLowerCase();
  if (name === '') return undefined;
  return isHttpName(name) ? { key: 'HEADER', name } : 'httpHeaderName: is no name of a header';
}

function readParameter(value: unknown): Key | undefined {
  const name = text(value);
  return name === '' ? undefined : { key: 'QUERY_PARAMETER', name };
}

/** RFC 6265 section 4.1.1: what an attribute may say. */
const ATTRIBUTE = /^[\x20-\x3a\x3c-\x7e]*$/;

/** With a `ttl` whoever comes without the cookie gets one; of 0, one that lasts as long as the client. */
function readCookie({ name, path, ttl, attributes }: Fields): Key | string {
  if (!isHttpName(text(name))) return 'httpCookie.name: is no name of a cookie';
  const key = { key: 'COOKIE', name: text(name) } as const;
  if (ttl === undefined || ttl === null) return key;
  const ms = parseDuration(text(ttl));
  if (ms === undefined) return `httpCookie.ttl: ${JSON.stringify(ttl)} is no duration`;
  const parts = [
    ...(ms > 0 ? [`Max-Age=${Math.ceil(ms / 1000)}`] : []),
    ...(text(path) === '' ? [] : [`Path=${text(path)}`]),
    'HttpOnly',
  ];
  for (const entry of list(attributes)) {
    const attribute = fields(entry);
    const [called, value] = [text(attribute['name']), text(attribute['value'])];
    if (!isHttpName(called)) return `httpCookie.attributes: ${JSON.stringify(called)} is no name`;
    if (called.toLowerCase() !== 'httponly') parts.push(value === '' ? called : `${called}=${value}`);
  }
  const bad = parts.find((part) => !ATTRIBUTE.test(part));
  if (bad !== undefined) return `httpCookie: ${JSON.stringify(bad)} has characters that a cookie can not have`;
  return { ...key, cookieAttributes: parts.map((part) => `; ${part}`).join('') };
}

type Table = Pick<HashPolicy, 'table' | 'size'> & { readonly problem?: string };

function readTable({ ringHash, maglev, minimumRingSize }: Fields): Table {
  if (isFields(maglev)) {
    const size = sizeIn(maglev['tableSize'], MAGLEV_SIZE);
    if (!isPrime(size)) {
      const problem = `maglev.tableSize: ${size} is no prime, ${MAGLEV_SIZE} is used`;
      return { table: 'MAGLEV', size: MAGLEV_SIZE, problem };
    }
    return limited('MAGLEV', size, MAX_MAGLEV, 'maglev.tableSize');
  }
  const ofRing = fields(ringHash)['minimumRingSize'];
  const at = ofRing === undefined ? 'minimumRingSize' : 'ringHash.minimumRingSize';
  return limited('RING', sizeIn(ofRing ?? minimumRingSize, RING_SIZE), MAX_RING, at);
}

function limited(table: HashPolicy['table'], size: number, most: number, at: string): Table {
  return size <= most ? { table, size } : { table, size: most, problem: `${at}: ${size} is above the limit, ${most}` };
}

function sizeIn(value: unknown, otherwise: number): number {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : otherwise;
}
