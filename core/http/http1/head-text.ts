/** Heads as they are written: names in lower case, and nothing in a value that would begin a line of its own. */
import type { HeaderFields } from '../header-fields.ts';
import { isToken } from './characters.ts';
import { isFraming } from './control-fields.ts';
import { malformed } from './faults.ts';

/** Of RFC 9110 section 15 and RFC 6585; a phrase means nothing, and others go without. */
const PHRASES: Readonly<Record<number, string>> = {
  100: 'Continue',
  101: 'Switching Protocols',
  103: 'Early Hints',
  200: 'OK',
  201: 'Created',
  202: 'Accepted',
  204: 'No Content',
  206: 'Partial Content',
  301: 'Moved Permanently',
  302: 'Found',
  303: 'See Other',
  304: 'Not Modified',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  409: 'Conflict',
  413: 'Content Too Large',
  417: 'Expectation Failed',
  421: 'Misdirected Request',
  422: 'Unprocessable Content',
  426: 'Upgrade Required',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
};

const statusLines: string[] = [];
for (let status = 100; status < 600; status += 1)
  statusLines[status] = `HTTP/1.1 ${status} ${PHRASES[status] ?? ''}\r\n`;

/** 100 to 599. */
export const statusLine = (status: number): string => statusLines[status] ?? '';

/** A head, or trailers, under way to a buffer. */
export class HeadText {
  text: string;
  /** Line ends that it must have when it is written: any more were smuggled in. */
  lines = 1;

  /** With its CRLF; empty for trailers. */
  constructor(startLine: string) {
    this.text = startLine;
    if (startLine === '') this.lines = 0;
  }

  /** One that the engine knows. */
  add(name: string, value: string): void {
    this.text += `${name}: ${value}\r\n`;
    this.lines += 1;
  }

  /**
   * All but the fields that an engine writes itself.
   * @throws HttpError for a name that would be another one when it is read, such as `content-length: 5` or `host `.
   */
  addAll(fields: HeaderFields): void {
    const { list } = fields;
    for (let at = 0; at < list.length; at += 2) {
      const name = list[at] as string;
      if (isFraming(name)) continue;
      if (!isToken(name)) throw unsendable('a name that is none');
      this.text += `${name}: ${list[at + 1]}\r\n`;
      this.lines += 1;
    }
  }

  end(): this {
    this.text += '\r\n';
    this.lines += 1;
    return this;
  }

  /**
   * Writes it, and checks what was written: by bytes, since characters above latin1 become others.
   * @throws HttpError when a name or a value is not what it seems.
   */
  writeTo(buffer: Buffer, at: number): number {
    const { text } = this;
    let bytes = buffer.write(text, at);
    if (bytes !== text.length) {
      if (/[^\0-\xff]/.test(text)) throw unsendable('a character that no header can hold');
      bytes = buffer.write(text, at, 'latin1');
    }
    let lines = 0;
    for (let i = at, end = at + bytes; i < end; i += 1) {
      const c = buffer[i] as number;
      if (c >= 32 ? c !== 127 : c === 9) continue;
      if (c !== 13 || buffer[i + 1] !== 10 || i + 1 >= end) throw unsendable('a control byte');
      lines += 1;
      i += 1;
    }
    if (lines !== this.lines) throw unsendable('a line end');
    return bytes;
  }
}

const unsendable = (what: string): Error =>
  malformed('unsendable_head', `${what} in a header that was to be sent`, 500);
