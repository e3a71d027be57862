/** Requests of scripts from other origins. After authorization, as in the reference: a preflight can be refused. */
import { HeaderFields, type HttpResponse, NO_BODY } from '../../core/http/index.ts';
import { addPermission, type CorsDecision } from '../../mesh/index.ts';
import type { Exchange, Layer } from '../exchange.ts';

export const cors: Layer = (next) => (x) => {
  const { route, request } = x;
  const check = typeof route === 'object' ? route.cors : undefined;
  const decision = check?.(request);
  if (decision === undefined || decision.kind === 'pass') return next(x);
  if (decision.kind === 'answer') return answer(x, decision);
  return permitted(next(x), decision);
};

function answer(x: Exchange, { status, headers }: CorsDecision & { kind: 'answer' }): HttpResponse {
  x.details = 'cors_preflight';
  const fields = new HeaderFields();
  addPermission(headers, fields);
  return { status, headers: fields, body: NO_BODY };
}

async function permitted(
  pending: HttpResponse | Promise<HttpResponse>,
  { headers }: CorsDecision & { kind: 'permit' },
): Promise<HttpResponse> {
  const response = await pending;
  addPermission(headers, response.headers);
  return response;
}
