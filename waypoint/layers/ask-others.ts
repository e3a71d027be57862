/**
 * AuthorizationPolicies of action CUSTOM: external authorizers are asked, one after the other in the order of their names, before
 * anybody looks at tokens (waypoint.md sections 1.5, 4.4). Whom nobody has configured says no.
 */
import { HttpError, type HttpResponse } from '../../core/http/index.ts';
import {
  type CustomCheck,
  customChecks,
  type ExternalAuthorizer,
  formatBecause,
  type HttpScope,
} from '../../mesh/index.ts';
import { askAuthorizer, type HeaderEdit, type Opinion } from '../authz/ask.ts';
import { PeekedBody } from '../authz/peeked-body.ts';
import type { Exchange, Layer } from '../exchange.ts';
import { requestFacts } from '../policy/facts.ts';
import { reply } from '../reply.ts';
import type { CallParts } from '../upstream/call.ts';
import { type AuthorizeParts, denied } from './authorize.ts';

export type AskParts = CallParts & AuthorizeParts;

export function askOthers(scope: HttpScope, authorizers: readonly ExternalAuthorizer[], parts: AskParts): Layer {
  if (scope.custom.length === 0) return (next) => next;
  const byName = new Map(authorizers.map((authorizer) => [authorizer.name, authorizer]));
  return (next) => (x) => {
    const checks = customChecks(scope, requestFacts(x));
    return checks.length === 0 ? next(x) : askAll(checks, byName, parts, x, next);
  };
}

async function askAll(
  checks: readonly CustomCheck[],
  byName: ReadonlyMap<string, ExternalAuthorizer>,
  parts: AskParts,
  x: Exchange,
  next: ReturnType<Layer>,
): Promise<HttpResponse> {
  const forResponse: HeaderEdit[] = [];
  for (const check of checks) {
    const authorizer = byName.get(check.provider);
    if (authorizer === undefined) {
      note(parts, x, check, 'the mesh configuration has no such provider');
      return denied(x, parts, 'ext_authz_denied', 'UAEX');
    }
    const opinion = await ask(authorizer, check, parts, x);
    if (!('kind' in opinion)) return opinion.response;
    if (opinion.kind === 'denied') return refuse(opinion, check, parts, x);
    const { headers } = x.request;
    for (const name of opinion.remove) headers.remove(name);
    edit(headers, opinion.request);
    forResponse.push(...opinion.response);
  }
  x.asked = checks.map(({ provider }) => provider);
  const response = await next(x);
  edit(response.headers, forResponse);
  return response;
}

function edit(headers: HttpResponse['headers'], edits: readonly HeaderEdit[]): void {
  for (const { name, value, appends } of edits) {
    if (appends) headers.append(name, value);
    else headers.set(name, value);
  }
}

type Stop = { readonly response: HttpResponse };
const NOTHING_TO_SAY: Opinion = { kind: 'allowed', request: [], remove: [], response: [] };

/** An opinion; what is done without one is for the mesh configuration to say. */
async function ask(
  authorizer: ExternalAuthorizer,
  check: CustomCheck,
  parts: AskParts,
  x: Exchange,
): Promise<Opinion | Stop> {
  try {
    const body = await bodyFor(authorizer, x);
    if (body === 'too-large') {
      note(parts, x, check, 'the body is larger than it may be shown');
      return { response: reply(x, { status: 413, details: 'request_payload_too_large' }) };
    }
    return await askAuthorizer(parts, authorizer, x, body);
  } catch (error) {
    if (x.aborted !== undefined) throw new HttpError('cancelled', 'the caller has gone', { cause: x.aborted });
    if (authorizer.failOpen) return NOTHING_TO_SAY;
    note(parts, x, check, `no answer: ${error instanceof Error ? error.message : String(error)}`);
    return { response: reply(x, { status: authorizer.statusOnError, flags: 'UAEX', details: 'ext_authz_error' }) };
  }
}

/** What of the body is shown; all of it goes on its way all the same. */
async function bodyFor({ body }: ExternalAuthorizer, x: Exchange): Promise<Buffer | undefined | 'too-large'> {
  if (body === undefined || x.request.upgrade !== undefined) return undefined;
  if (x.body.length === 0) return Buffer.alloc(0);
  if (!body.allowPartial && x.body.length !== undefined && x.body.length > body.maxBytes) {
    x.body.cancel();
    return 'too-large';
  }
  const peeked = new PeekedBody(x.body, body.maxBytes);
  x.body = peeked;
  const { bytes, isWhole } = await peeked.peek();
  if (isWhole || body.allowPartial) return bytes;
  peeked.cancel();
  return 'too-large';
}

function refuse(
  { status, headers, body }: Extract<Opinion, { kind: 'denied' }>,
  check: CustomCheck,
  parts: AskParts,
  x: Exchange,
): HttpResponse {
  note(parts, x, check, `it answered ${status}`);
  const response = reply(x, { status, body, flags: 'UAEX', details: 'ext_authz_denied' });
  edit(response.headers, headers);
  return response;
}

function note(parts: AskParts, x: Exchange, { provider, rule }: CustomCheck, why: string): void {
  x.because = `${formatBecause(rule)}, asks ${provider}: ${why}`;
  x.receipt = parts.watch.denied(x, x.because);
}
