/**
 * DNS messages as bytes (RFC 1035 section 4, RFC 6891). Only what a proxy needs: it reads one question and its EDNS record, and
 * writes addresses; everything else passes through as it came. Names in answers point to the question, so that an answer
 * holds as many addresses as it can, and repeats the question byte for byte, whatever letters it mixes.
 */
import { type IpAddress, ipToBytes } from '../../mesh/index.ts';

export const TYPE_A = 1;
export const TYPE_AAAA = 28;
const TYPE_CNAME = 5;
const TYPE_OPT = 41;
export const CLASS_IN = 1;

export const RCODE = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const;

const HEADER_BYTES = 12;
const QR = 0x8000;
const AA = 0x0400;
const TC = 0x0200;
const RD = 0x0100;
const RA = 0x0080;
const OPCODE = 0x7800;
const DO = 0x8000;

/** RFC 1035 section 2.3.4. */
const MAX_NAME_BYTES = 255;
const MAX_LABEL_BYTES = 63;
/** RFC 1035 section 4.2.1: what fits without EDNS. */
const PLAIN_UDP_BYTES = 512;
export const MAX_MESSAGE_BYTES = 65_535;
/** Bytes of an address record whose name is a pointer, without the address; of an alias, without its target. */
const RECORD_BYTES = 12;
const OPT_BYTES = 11;

export type Edns = { readonly payloadBytes: number; readonly version: number; readonly dnssecOk: boolean };

/** A message that asks one question. */
export type Query = {
  /** The whole message. A view of it, until it is copied. */
  readonly bytes: Buffer;
  readonly id: number;
  readonly flags: number;
  /** Lower case, without the final dot; undefined for names that no host has (the root, bytes that are no letters). */
  readonly name: string | undefined;
  readonly type: number;
  readonly class: number;
  /** Where the question ends. */
  readonly questionEnd: number;
  readonly edns: Edns | undefined;
};

export type Read =
  | { readonly kind: 'query'; readonly query: Query }
  /** To be answered with this message. */
  | { readonly kind: 'refuse'; readonly reply: Buffer; readonly why: 'malformed' | 'opcode' }
  /** Not even to be answered: what is too short to be a message, and answers, with which servers could keep each other busy. */
  | { readonly kind: 'drop'; readonly why: 'malformed' | 'response' };

export function readQuery(bytes: Buffer): Read {
  if (bytes.length < HEADER_BYTES) return { kind: 'drop', why: 'malformed' };
  const id = bytes.readUInt16BE(0);
  const flags = bytes.readUInt16BE(2);
  if ((flags & QR) !== 0) return { kind: 'drop', why: 'response' };
  const refuse = (rcode: number, why: 'malformed' | 'opcode'): Read => {
    return { kind: 'refuse', reply: header(id, QR | RA | (flags & (OPCODE | RD)) | rcode), why };
  };
  if ((flags & OPCODE) !== 0) return refuse(RCODE.NOTIMP, 'opcode');
  if (bytes.readUInt16BE(4) !== 1) return refuse(RCODE.FORMERR, 'malformed');
  const name = readQuestionName(bytes);
  if (name === undefined || name.end + 4 > bytes.length) return refuse(RCODE.FORMERR, 'malformed');
  const questionEnd = name.end + 4;
  const edns = findEdns(bytes, questionEnd);
  if (edns === 'malformed') return refuse(RCODE.FORMERR, 'malformed');
  const type = bytes.readUInt16BE(name.end);
  const query = { bytes, id, flags, name: name.text, type, class: bytes.readUInt16BE(name.end + 2), questionEnd, edns };
  return { kind: 'query', query };
}

/** The same query in memory of its own: for what is answered later. */
export function keepQuery(query: Query): Query {
  return { ...query, bytes: Buffer.from(query.bytes) };
}

/** How long an answer over UDP may be. */
export function udpLimit({ edns }: Query): number {
  return edns === undefined ? PLAIN_UDP_BYTES : Math.max(PLAIN_UDP_BYTES, edns.payloadBytes);
}

/** An answer without records. */
export function emptyReply(query: Query, rcode: number): Buffer {
  return addressReply(query, { authoritative: false, rcode, addresses: [], ttlS: 0 }, MAX_MESSAGE_BYTES);
}

export type AddressReply = {
  readonly authoritative: boolean;
  readonly rcode: number;
  /** A beginning of the question's name, to which it is an alias. */
  readonly alias?: string;
  /** All of the family that was asked for. */
  readonly addresses: readonly IpAddress[];
  readonly ttlS: number;
};

/** As many of the addresses as `maxBytes` have room for; the message says when there were more. */
export function addressReply(query: Query, reply: AddressReply, maxBytes: number): Buffer {
  const { alias, addresses, ttlS } = reply;
  const aliasBytes = alias === undefined ? 0 : RECORD_BYTES + alias.length + 2;
  const ednsBytes = query.edns === undefined ? 0 : OPT_BYTES;
  const recordBytes = RECORD_BYTES + (query.type === TYPE_A ? 4 : 16);
  const room = Math.min(maxBytes, MAX_MESSAGE_BYTES) - query.questionEnd - ednsBytes - aliasBytes;
  const count = Math.min(addresses.length, Math.floor(Math.max(0, room) / recordBytes));
  const out = Buffer.alloc(query.questionEnd + aliasBytes + count * recordBytes + ednsBytes);
  const truncated = count < addresses.length ? TC : 0;
  const authoritative = reply.authoritative ? AA : 0;
  out.writeUInt16BE(query.id, 0);
  out.writeUInt16BE(QR | RA | authoritative | truncated | (query.flags & RD) | reply.rcode, 2);
  out.writeUInt16BE(1, 4);
  out.writeUInt16BE(count + (alias === undefined ? 0 : 1), 6);
  out.writeUInt16BE(query.edns === undefined ? 0 : 1, 10);
  query.bytes.copy(out, HEADER_BYTES, HEADER_BYTES, query.questionEnd);
  let at = query.questionEnd;
  let owner = HEADER_BYTES;
  if (alias !== undefined) {
    at = record(out, at, { owner, type: TYPE_CNAME, ttlS, dataBytes: alias.length + 2 });
    owner = at;
    query.bytes.copy(out, at, HEADER_BYTES, HEADER_BYTES + alias.length + 1); // its labels; the final zero is there
    at += alias.length + 2;
  }
  for (const address of addresses.slice(0, count)) {
    const data = ipToBytes(address);
    at = record(out, at, { owner, type: query.type, ttlS, dataBytes: data.length });
    out.set(data, at);
    at += data.length;
  }
  if (query.edns !== undefined) writeEdns(out, at, query);
  return out;
}

type RecordHead = { readonly owner: number; readonly type: number; readonly ttlS: number; readonly dataBytes: number };

function record(out: Buffer, at: number, { owner, type, ttlS, dataBytes }: RecordHead): number {
  out.writeUInt16BE(0xc000 | owner, at); // RFC 1035 section 4.1.4
  out.writeUInt16BE(type, at + 2);
  out.writeUInt16BE(CLASS_IN, at + 4);
  out.writeUInt32BE(ttlS, at + 6);
  out.writeUInt16BE(dataBytes, at + 10);
  return at + RECORD_BYTES;
}

function writeEdns(out: Buffer, at: number, query: Query): void {
  if (query.edns === undefined) return;
  out.writeUInt16BE(TYPE_OPT, at + 1); // the name before it is the root: one zero
  out.writeUInt16BE(udpLimit(query), at + 3);
  out.writeUInt8(query.edns.version, at + 6);
  out.writeUInt16BE(query.edns.dnssecOk ? DO : 0, at + 7);
}

/** Whether a message answers a query that was sent under `id`: other answers are stale or forged. */
export function answers(reply: Buffer, id: number, query: Query): boolean {
  if (reply.length < HEADER_BYTES || reply.readUInt16BE(0) !== id) return false;
  const flags = reply.readUInt16BE(2);
  if ((flags & QR) === 0) return false;
  // Servers that did not understand the question may leave it out.
  if (reply.readUInt16BE(4) === 0) return rcodeOf(reply) !== RCODE.NOERROR;
  if (reply.readUInt16BE(4) !== 1 || reply.length < query.questionEnd) return false;
  for (let at = HEADER_BYTES; at < query.questionEnd; at += 1) {
    if (lower(reply[at] ?? 0) !== lower(query.bytes[at] ?? 0)) return false;
  }
  return true;
}

export const rcodeOf = (reply: Buffer): number => (reply[3] ?? 0) & 0xf;

/** Number of answer records. */
export const answerCount = (reply: Buffer): number => (reply.length < HEADER_BYTES ? 0 : reply.readUInt16BE(6));

/** The query under another id: to be asked elsewhere. */
export function withId(query: Query, id: number): Buffer {
  const bytes = Buffer.from(query.bytes);
  bytes.writeUInt16BE(id, 0);
  return bytes;
}

/**
 * Another server's answer as ours: not authoritative, under the client's id, within its limit. It is passed on whole, with the
 * authority section that says how long nothing may be remembered (the reference leaves it out).
 */
export function passOn(reply: Buffer, query: Query, maxBytes: number): Buffer {
  const fits = reply.length <= maxBytes;
  const out = fits ? Buffer.from(reply) : emptyReply(query, rcodeOf(reply));
  const theirs = reply.readUInt16BE(2) & ~(AA | RD);
  out.writeUInt16BE(query.id, 0);
  out.writeUInt16BE(theirs | RA | (query.flags & RD) | (fits ? 0 : TC), 2);
  return out;
}

function header(id: number, flags: number): Buffer {
  const out = Buffer.alloc(HEADER_BYTES);
  out.writeUInt16BE(id, 0);
  out.writeUInt16BE(flags, 2);
  return out;
}

/** Visible ASCII but the dot, which would look like the end of a label. */
const isHostByte = (byte: number) => byte > 0x20 && byte < 0x7f && byte !== 0x2e;
const lower = (byte: number) => (byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte);

type QuestionName = { readonly text: string | undefined; readonly end: number };

/** Undefined when it is not a name: the first one of a message has nothing to point back to. */
function readQuestionName(bytes: Buffer): QuestionName | undefined {
  let text = '';
  let isHost = true;
  let at = HEADER_BYTES;
  for (;;) {
    const length = bytes[at];
    if (length === undefined || length > MAX_LABEL_BYTES) return undefined;
    at += 1;
    if (length === 0) break;
    if (at + length > bytes.length || at + length - HEADER_BYTES > MAX_NAME_BYTES - 1) return undefined;
    if (text !== '') text += '.';
    for (const end = at + length; at < end; at += 1) {
      const byte = bytes[at] ?? 0;
      if (!isHostByte(byte)) isHost = false;
      text += String.fromCharCode(lower(byte));
    }
  }
  return { text: isHost && text !== '' ? text : undefined, end: at };
}

/** The EDNS record among whatever follows the question; there may be one (RFC 6891 section 6.1.1). */
function findEdns(bytes: Buffer, from: number): Edns | undefined | 'malformed' {
  const count = bytes.readUInt16BE(6) + bytes.readUInt16BE(8) + bytes.readUInt16BE(10);
  let found: Edns | undefined;
  let at = from;
  for (let i = 0; i < count; i += 1) {
    const nameEnd = skipName(bytes, at);
    if (nameEnd === undefined || nameEnd + 10 > bytes.length) return 'malformed';
    const end = nameEnd + 10 + bytes.readUInt16BE(nameEnd + 8);
    if (end > bytes.length) return 'malformed';
    if (bytes.readUInt16BE(nameEnd) === TYPE_OPT) {
      if (found !== undefined || nameEnd !== at + 1) return 'malformed';
      found = {
        payloadBytes: bytes.readUInt16BE(nameEnd + 2),
        version: bytes.readUInt8(nameEnd + 5),
        dnssecOk: (bytes.readUInt16BE(nameEnd + 6) & DO) !== 0,
      };
    }
    at = end;
  }
  return found;
}

function skipName(bytes: Buffer, from: number): number | undefined {
  for (let at = from; ; ) {
    const length = bytes[at];
    if (length === undefined) return undefined;
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2; // a pointer ends the name
    if (length > MAX_LABEL_BYTES) return undefined;
    at += 1 + length;
  }
}
