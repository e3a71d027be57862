/** How a request is written: its head, and how its body ends (RFC 9110 section 8.6, RFC 9112 section 3). */
import { HttpError } from '../http-error.ts';
import type { ClientRequest } from '../message.ts';
import { isToken, TARGET } from './characters.ts';
import { HeadText } from './head-text.ts';
import type { OutgoingFraming } from './outlet.ts';

export type RequestPlan = { readonly head: HeadText; readonly framing: OutgoingFraming };

/**
 * `isLast`: no request follows. Trailers of a request are sent where its headers say `te: trailers`: who can read them can be
 * expected to send and forward them, and nothing else in HTTP/1.1 announces that they are welcome.
 * @throws HttpError when it can't be sent so.
 */
export function planRequest(request: ClientRequest, isLast: boolean): RequestPlan {
  const { method, target, authority, headers, body, upgrade } = request;
  if (!isToken(method) || !isTarget(target)) {
    throw new HttpError('malformed', 'a method or target that can not be sent', {
      detail: 'http1.unsendable_head',
      status: 500,
      isProcessed: false,
    });
  }
  const head = new HeadText(`${method} ${target} HTTP/1.1\r\n`);
  head.add('host', authority);
  head.addAll(headers);
  if (upgrade !== undefined) {
    head.add('connection', 'upgrade');
    head.add('upgrade', upgrade);
    return { head: head.end(), framing: 'none' };
  }
  const wantsTrailers = headers.has('te');
  if (wantsTrailers) {
    head.add('te', 'trailers');
    head.add('connection', isLast ? 'te, close' : 'te'); // RFC 9110 section 10.1.4
  } else if (isLast) {
    head.add('connection', 'close');
  }
  if (body.length === undefined) {
    head.add('transfer-encoding', 'chunked');
    return { head: head.end(), framing: wantsTrailers ? 'chunked-with-trailers' : 'chunked' };
  }
  const saysLength = body.length > 0 || method === 'POST' || method === 'PUT' || method === 'PATCH';
  if (saysLength) head.add('content-length', `${body.length}`);
  return { head: head.end(), framing: body.length };
}

function isTarget(target: string): boolean {
  for (let at = 0; at < target.length; at += 1) if (TARGET[target.charCodeAt(at)] !== 1) return false;
  return target.length > 0;
}
