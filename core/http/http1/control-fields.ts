/**
 * The fields that are between two neighbours only, or that say where a message ends: taken out of the list, so that nobody
 * passes them on by accident (RFC 9110 section 7.6.1).
 */
import { malformed } from './faults.ts';

/** One for the thread would do, but a value is easier to think about: what the control fields of one message said. */
export type ControlFields = {
  host: string | undefined;
  /** Bytes that Content-Length says. */
  length: number | undefined;
  isChunked: boolean;
  /** `connection: close`. */
  isClose: boolean;
  /** The value of Upgrade, where Connection names it. */
  upgrade: string | undefined;
  expect: string | undefined;
};

/** Content-Length stays; so does TE, as `trailers`. @throws HttpError for a framing that can be read in two ways. */
export function takeControlFields(list: string[]): ControlFields {
  const found: ControlFields = {
    host: undefined,
    length: undefined,
    isChunked: false,
    isClose: false,
    upgrade: undefined,
    expect: undefined,
  };
  let connection: string | undefined;
  let upgrade: string | undefined;
  let hasTrailers = false;
  let kept = 0;
  for (let at = 0; at < list.length; at += 2) {
    const name = list[at] as string;
    const value = list[at + 1] as string;
    switch (controlOf(name)) {
      case 'host':
        if (found.host !== undefined) throw malformed('several_hosts', 'more than one Host');
        found.host = value;
        continue;
      case 'content-length':
        if (found.length !== undefined) throw malformed('several_lengths', 'more than one Content-Length');
        found.length = lengthOf(value);
        break;
      case 'transfer-encoding':
        if (found.isChunked) throw malformed('transfer_encoding', 'more than one Transfer-Encoding');
        checkCoding(value);
        found.isChunked = true;
        continue;
      case 'connection':
        connection = connection === undefined ? value : `${connection},${value}`;
        continue;
      case 'upgrade':
        upgrade = upgrade === undefined ? value : `${upgrade}, ${value}`;
        continue;
      case 'expect':
        found.expect = found.expect === undefined ? value : `${found.expect}, ${value}`;
        continue;
      case 'te':
        hasTrailers ||= /(?:^|,)[ \t]*trailers[ \t]*(?:,|$)/i.test(value);
        continue;
      case 'drop':
        continue;
      case 'refuse':
        throw malformed('framing_lookalike', `${name}, which some readers take for a field that frames the message`);
      case undefined:
        break;
    }
    list[kept] = name;
    list[kept + 1] = value;
    kept += 2;
  }
  list.length = kept;
  if (found.isChunked && found.length !== undefined) {
    throw malformed('length_and_chunked', 'Content-Length and Transfer-Encoding in one message');
  }
  if (hasTrailers) list.push('te', 'trailers');
  if (connection !== undefined) applyConnection(connection, list, upgrade, found);
  return found;
}

type Control =
  | 'host'
  | 'content-length'
  | 'transfer-encoding'
  | 'connection'
  | 'upgrade'
  | 'expect'
  | 'te'
  | 'drop'
  | 'refuse'
  | undefined;

/** By length first: most names need one comparison or none. */
function controlOf(name: string): Control {
  switch (name.length) {
    case 2:
      return name === 'te' ? 'te' : undefined;
    case 4:
      return name === 'host' ? 'host' : undefined;
    case 6:
      return name === 'expect' ? 'expect' : undefined;
    case 7:
      return name === 'upgrade' ? 'upgrade' : undefined;
    case 10:
      if (name === 'connection') return 'connection';
      return name === 'keep-alive' ? 'drop' : undefined;
    case 14:
      if (name === 'content-length') return 'content-length';
      return name === 'content_length' ? 'refuse' : undefined;
    case 16:
      return name === 'proxy-connection' ? 'drop' : undefined;
    case 17:
      if (name === 'transfer-encoding') return 'transfer-encoding';
      return /^transfer[-_]encoding$/.test(name) ? 'refuse' : undefined;
    default:
      return undefined;
  }
}

/** Whether an engine writes the field itself, and nobody else may. */
export function isFraming(name: string): boolean {
  const control = controlOf(name);
  return control !== undefined && control !== 'expect';
}

/** 15 digits fit a number exactly; nobody sends zeros before them. */
function lengthOf(value: string): number {
  if (!/^(?:0|[1-9][0-9]{0,14})$/.test(value)) throw malformed('content_length', 'a Content-Length that is no number');
  return Number(value);
}

function checkCoding(value: string): void {
  if (value.length === 7 && value.toLowerCase() === 'chunked') return;
  const isOther = /^[a-z-]+(?:[ \t]*,[ \t]*[a-z-]+)*$/i.test(value) && /(?:^|,)[ \t]*chunked$/i.test(value);
  // RFC 9112 section 6.1: a coding that is not implemented is 501; where chunked is not the last, the end can't be known: 400
  throw malformed('transfer_encoding', 'a Transfer-Encoding other than chunked', isOther ? 501 : 400);
}

/** Its names go with it. Those that frame or route the message are gone from the list, or written anew, and stay meant. */
function applyConnection(connection: string, list: string[], upgrade: string | undefined, found: ControlFields): void {
  if (connection === 'keep-alive') return;
  for (const part of connection.split(',')) {
    const name = part.trim().toLowerCase();
    if (name === 'close') found.isClose = true;
    else if (name === 'upgrade') found.upgrade = upgrade;
    else if (name !== '' && name !== 'te' && name !== 'content-length') removeField(list, name);
  }
}

function removeField(list: string[], name: string): void {
  for (let at = list.indexOf(name); at >= 0; at = list.indexOf(name, at)) {
    if (at % 2 === 0) list.splice(at, 2);
    else at += 1;
  }
}
