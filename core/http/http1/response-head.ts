/** The head of a response, as strictly as that of a request: an upstream is no more to be trusted with our framing than a client. */
import { HeaderFields } from '../header-fields.ts';
import { takeControlFields } from './control-fields.ts';
import { malformed } from './faults.ts';
import { parseFields } from './fields.ts';

export type ResponseHead = {
  readonly status: number;
  readonly headers: HeaderFields;
  /** Bytes of the body; `chunked`; or `close`: the connection's end is its end. */
  readonly framing: number | 'chunked' | 'close';
  readonly upgrade: string | undefined;
  /** The connection takes no other request. */
  readonly isLast: boolean;
};

/** @throws HttpError. `method`: of the request that it answers. */
export function parseResponseHead(text: string, maxFields: number, method: string): ResponseHead {
  const start = /^HTTP\/1\.([01]) ([1-5][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*)?\r\n/.exec(text);
  if (start === null)
    throw malformed('status_line', 'a response that does not begin with a status line of HTTP/1', 502);
  const isOld = start[1] === '0';
  const status = Number(start[2]);
  const list: string[] = [];
  parseFields(text, start[0].length, maxFields, list);
  const control = takeControlFields(list);
  if (isOld && control.isChunked) throw malformed('transfer_encoding', 'HTTP/1.0 with Transfer-Encoding', 502);
  if (control.host !== undefined) list.push('host', control.host); // means nothing in a response; it is the application's
  const hasBody = method !== 'HEAD' && status >= 200 && status !== 204 && status !== 304;
  const framing = !hasBody ? 0 : control.isChunked ? 'chunked' : (control.length ?? 'close');
  return {
    status,
    headers: new HeaderFields(list),
    framing,
    upgrade: control.upgrade?.toLowerCase(),
    isLast: isOld || control.isClose || framing === 'close',
  };
}
