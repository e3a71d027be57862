/** How a response is written: which head, and how its body ends (RFC 9110 sections 6.4.1 and 8.6, RFC 9112 section 6). */
import type { HttpResponse } from '../message.ts';
import { HeadText, statusLine } from './head-text.ts';
import type { OutgoingFraming } from './outlet.ts';

export type ResponsePlan = {
  readonly head: HeadText;
  /** `none`: the body is not wanted, whatever it has. */
  readonly framing: OutgoingFraming;
};

/**
 * `method` of the request; `isClose`: no request follows. Trailers go only to a client that said `te: trailers` (RFC 9110
 * section 6.5.1: others may merge or drop them, or not know that they are there); `wantsTrailers` says so.
 */
export function planResponse(
  response: HttpResponse,
  method: string,
  wantsTrailers: boolean,
  isClose: boolean,
): ResponsePlan {
  const { status, body } = response;
  const head = new HeadText(statusLine(status));
  head.addAll(response.headers);
  if (isClose) head.add('connection', 'close');
  if (status === 204) return { head: head.end(), framing: 'none' };
  if (method === 'HEAD' || status === 304) {
    const length = response.headers.first('content-length') ?? (body.length || undefined);
    if (length !== undefined) head.add('content-length', `${length}`);
    return { head: head.end(), framing: 'none' };
  }
  if (body.length !== undefined) {
    head.add('content-length', `${body.length}`);
    return { head: head.end(), framing: body.length };
  }
  head.add('transfer-encoding', 'chunked');
  return { head: head.end(), framing: wantsTrailers ? 'chunked-with-trailers' : 'chunked' };
}

/** The answer to an upgrade. */
export function upgradeHead(response: HttpResponse, protocol: string): HeadText {
  const head = new HeadText(statusLine(101));
  head.addAll(response.headers);
  head.add('connection', 'upgrade');
  head.add('upgrade', protocol);
  return head.end();
}
