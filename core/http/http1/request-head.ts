/**
 * The head of a request, strictly (RFC 9112; waypoint.md sections 1.10 and 1.13). Who is unsure refuses: a proxy that guesses
 * lets a request be two. The decisions where RFC leaves a choice:
 * - A method is a token without small letters (`get` may be another method, or the same: waypoint.md section 4.5). CONNECT is refused.
 * - An absolute target is taken if it says `http` and names exactly the authority that Host names; its path is then the target.
 * - Host must be one, and name a host in the one way that everybody reads alike.
 * - HTTP/1.0 is answered 426, every other version 505.
 * - Upgrade to h2c is ignored (RFC 9113 section 3.1), and so is any upgrade of a request that has a body.
 */
import { HeaderFields } from '../header-fields.ts';
import { HttpError } from '../http-error.ts';
import { isAuthority, isToken, SPACE, TARGET, TOKEN } from './characters.ts';
import { type ControlFields, takeControlFields } from './control-fields.ts';
import { malformed } from './faults.ts';
import { parseFields } from './fields.ts';

export type RequestHead = {
  readonly method: string;
  readonly target: string;
  readonly authority: string;
  readonly headers: HeaderFields;
  /** Of the body; undefined: it is chunked. */
  readonly length: number | undefined;
  readonly upgrade: string | undefined;
  /** The client waits for 100 before it sends the body. */
  readonly expectsContinue: boolean;
  /** The client wants no other request on this connection. */
  readonly isLast: boolean;
};

/** What of a head could be read before it was refused; for the log. */
export type StartLine = { readonly method?: string; readonly target?: string };

const METHOD_BYTES = 32;

/** @throws HttpError with the status to answer. `text`: latin1, with the empty line at its end. */
export function parseRequestHead(text: string, maxFields: number): RequestHead {
  const methodEnd = endOfMethod(text);
  const method = text.substring(0, methodEnd);
  const targetEnd = endOfTarget(text, methodEnd + 1);
  const rawTarget = text.substring(methodEnd + 1, targetEnd);
  checkVersion(text, targetEnd + 1);
  if (method === 'CONNECT') {
    throw new HttpError('unsupported', 'CONNECT is not served here', { detail: 'connect_not_supported', status: 403 });
  }
  const list: string[] = [];
  parseFields(text, targetEnd + 11, maxFields, list);
  const control = takeControlFields(list);
  const { host } = control;
  if (host === undefined || host === '') {
    throw new HttpError('malformed', 'a request without Host', { detail: 'missing_host_header', status: 400 });
  }
  if (!isAuthority(host)) throw malformed('host', 'a Host that names no host');
  const hasBody = control.isChunked || (control.length ?? 0) > 0;
  const expectsContinue = checkExpectation(control);
  return {
    method,
    target: targetOf(method, rawTarget, host),
    authority: host,
    headers: new HeaderFields(list),
    length: control.isChunked ? undefined : (control.length ?? 0),
    upgrade: hasBody ? undefined : upgradeOf(control, list),
    expectsContinue: hasBody && expectsContinue,
    isLast: control.isClose,
  };
}

/** For the log of a request that was refused; what does not look like a start line is left out. */
export function startLineOf(text: string): StartLine {
  const line = text.slice(0, 1024).split('\r', 1)[0] ?? '';
  const [method, target] = line.split(' ');
  if (method === undefined || target === undefined || !isToken(method)) return {};
  return /^[\x21-\x7e]+$/.test(target) ? { method, target } : { method };
}

function endOfMethod(text: string): number {
  for (let at = 0; at <= METHOD_BYTES; at += 1) {
    const c = text.charCodeAt(at);
    const kind = TOKEN[c];
    if (kind === 2 || (kind === 1 && (c < 97 || c > 122))) continue;
    if (c === SPACE && at > 0) return at;
    throw malformed('method', 'a method that is none');
  }
  throw malformed('method', 'a method that is too long');
}

function endOfTarget(text: string, from: number): number {
  let at = from;
  while (TARGET[text.charCodeAt(at)] === 1) at += 1;
  if (at === from || text.charCodeAt(at) !== SPACE)
    throw malformed('target', 'a target with a byte that may not be in it');
  return at;
}

function checkVersion(text: string, at: number): void {
  if (text.startsWith('HTTP/1.1\r\n', at)) return;
  const version = /^HTTP\/([0-9]\.[0-9])\r\n/.exec(text.slice(at, at + 10))?.[1];
  if (version === undefined) throw malformed('version', 'a request line without a version');
  if (version === '1.0') {
    throw new HttpError('unsupported', 'HTTP/1.0 is not served', { detail: 'low_version', status: 426 });
  }
  throw new HttpError('unsupported', `HTTP/${version} is not served`, { detail: 'http1.version', status: 505 });
}

function targetOf(method: string, target: string, host: string): string {
  if (target.startsWith('/')) return target;
  if (target === '*' && method === 'OPTIONS') return target;
  const absolute = /^http:\/\/([^/?]*)(.*)$/i.exec(target);
  if (absolute === null) throw malformed('target', 'a target that is no path');
  const [, authority = '', rest = ''] = absolute;
  if (authority.toLowerCase() !== host.toLowerCase()) {
    throw malformed('target_and_host', 'an absolute target that names another authority than Host');
  }
  if (rest === '') return method === 'OPTIONS' ? '*' : '/'; // RFC 9112 section 3.2.4
  return rest.startsWith('/') ? rest : `/${rest}`;
}

function checkExpectation({ expect }: ControlFields): boolean {
  if (expect === undefined) return false;
  if (expect.toLowerCase() === '100-continue') return true;
  throw new HttpError('unsupported', 'an expectation that is not known', { detail: 'http1.expectation', status: 417 });
}

function upgradeOf(control: ControlFields, list: string[]): string | undefined {
  if (control.upgrade === undefined) return undefined;
  for (const part of control.upgrade.split(',')) {
    const protocol = part.trim().toLowerCase();
    if (protocol === 'h2c' || protocol === '') continue;
    if (!protocol.split('/', 2).every(isToken)) throw malformed('upgrade', 'an Upgrade that names no protocol');
    return protocol;
  }
  const at = list.indexOf('http2-settings');
  if (at >= 0 && at % 2 === 0) list.splice(at, 2);
  return undefined;
}
