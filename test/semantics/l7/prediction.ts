/** What the engine of `ambit why` and `ambit authz test` says of a request, in the words of the table. */
import assert from 'node:assert/strict';
import {
  type DryRunHit,
  type HttpVerdict,
  type MeshModel,
  type PredictedCase,
  parseCallee,
  parseCaller,
  predict,
  type Question,
} from '../../../mesh/index.ts';
import { CALLERS, type Request, SERVICES } from './case.ts';
import { TOKENS } from './mesh.ts';

export type Predicted = {
  readonly says: string;
  /** Of the waypoint's policies, where they were asked; of those of what a route leads to, where there are any. */
  readonly http: HttpVerdict | undefined;
};

/** A token that is not good can not be asked about: nothing is predicted then. */
export function predicted(model: MeshModel, request: Request): Predicted | undefined {
  const token = request.token === undefined ? undefined : TOKENS[request.token];
  if (token?.flaw !== undefined) return undefined;
  const { cases } = predict(model, questionOf(request));
  const [first] = cases;
  assert(first !== undefined, `nothing is predicted for ${request.text}`);
  return { says: describe(first), http: first.ledTo ?? first.http };
}

export function questionOf({ from, service, port, method, target, headers, token }: Request): Question {
  const [namespace, name] = CALLERS[from].split('/');
  const [a, b] = [parseCaller(`pod/${name}.${namespace}`), parseCallee(`${SERVICES[service]}:${port}`)];
  assert(a.ok && b.ok);
  const question = { from: a.value, to: b.value };
  if (method === 'TCP') return question;
  const lines: Record<string, readonly string[]> = {};
  for (const [header, value] of headers) {
    const lower = header.toLowerCase();
    lines[lower] = [...(lines[lower] ?? []), value];
  }
  const claims = token === undefined ? undefined : TOKENS[token]?.claims;
  return { ...question, http: { method, path: target, headers: lines, ...(claims && { claims }) } };
}

const nameOf = ({ policy, rule }: Pick<DryRunHit, 'policy' | 'rule'>) =>
  `${policy}${rule === undefined ? '' : `#${rule}`}`;

export function describe(one: Pick<PredictedCase, 'reason' | 'because' | 'http' | 'ledTo'>): string {
  const { reason, because, http, ledTo } = one;
  if (reason === 'request-refused' || reason === 'token-refused') {
    return `refused ${/ answers (\d+)/.exec(because)?.[1]}`;
  }
  if (reason === 'no-route' || reason === 'waypoint-answers') {
    return `answers ${/ answers (\d+)/.exec(because)?.[1] ?? /\((\d+)\)/.exec(because)?.[1]}`;
  }
  if (reason === 'authorizer-decides') {
    const [, policy, rule] = /AuthorizationPolicy (\S+), rule (\d+)\)/.exec(because) ?? [];
    return `asks ${policy}#${rule}`;
  }
  return http === undefined ? `${reason}: ${because}` : verdictText(ledTo ?? http);
}

export function verdictText({ verdict, because, nearestMiss, audited = [], dryRunHits = [] }: HttpVerdict): string {
  const reason = typeof because === 'string' ? because : nameOf(because);
  const nearest = nearestMiss ? ` (nearest ${nearestMiss.policy}#${nearestMiss.rule} ${nearestMiss.field})` : '';
  const marked = audited.length > 0 ? `, audited: ${audited.map(nameOf).join(', ')}` : '';
  const hits = dryRunHits.filter(({ changes }) => changes).map((hit) => `${nameOf(hit)} would ${hit.would}`);
  return `${verdict} ${reason}${nearest}${marked}${hits.length > 0 ? `, tried: ${hits.join(', ')}` : ''}`;
}
