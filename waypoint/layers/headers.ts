/** Headers that the waypoint answers for (waypoint.md section 1.9): what callers can forge goes, what is true comes. */
import { randomUUID } from 'node:crypto';
import type { HeaderFields } from '../../core/http/index.ts';
import type { Layer } from '../exchange.ts';

/** `<SPIFFE id>;<ip>` of the true caller, towards the application; the same as our CONNECTs say. */
export const SOURCE_HEADER = 'ambit-source';
/** Proxies in front of the application; the last address is the one that we saw ourselves. */
const FORWARDED_FOR = 'x-forwarded-for';
const SERVER = 'ambit';

/** What only a proxy may say. */
const FORGEABLE: readonly string[] = ['x-forwarded-client-cert', SOURCE_HEADER];

export const headers: Layer = (next) => async (x) => {
  const { request, source } = x;
  const fields = request.headers;
  for (const name of FORGEABLE) fields.remove(name);
  appendTo(fields, FORWARDED_FOR, source.ip);
  fields.append(SOURCE_HEADER, source.header);
  if (!fields.has('x-forwarded-proto')) fields.append('x-forwarded-proto', request.scheme);
  if (!fields.has('x-request-id')) fields.append('x-request-id', randomUUID());
  const response = await next(x);
  response.headers.set('server', SERVER);
  return response;
};

function appendTo(fields: HeaderFields, name: string, value: string): void {
  const before = fields.get(name);
  fields.set(name, before === undefined ? value : `${before}, ${value}`);
}
